#!/usr/bin/env bash
# The bash framework that nodeagent replaces, as a baseline for the benchmark: the script a cluster names as its init
# script. Written for this project in the spirit of such frameworks, with their habits: appends at every run, one thing
# after another, status of nothing looked at, exit 0 whatever happened. May be run twice, and shows why one would not.
#
# Reads its files from the folder it lies in (on a cluster: the file store, over FUSE).
here=$(dirname "${BASH_SOURCE[0]}")

echo "clusterConfigs: prompt and editor"
cat "$here/bashPrompt.sh" >> ~/.bashrc
cat "$here/.vimrc" >> ~/.vimrc

echo "clusterConfigs: packages"
# shellcheck source=bench/framework/packageInstallTest.sh
source "$here/packageInstallTest.sh"

echo "clusterConfigs: done"
exit 0
