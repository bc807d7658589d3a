#!/usr/bin/env bash
# PID 1 of a test node: serves the node's CRAN on loopback, buries orphans, and ends on SIGTERM.
#
# With NODE_CRAN=none in its environment it serves nothing (somebody else on the same loopback does).
set -u
trap 'exit 0' TERM INT

if [ "${NODE_CRAN:-}" != none ]; then
    python3 -m http.server 3838 --bind 127.0.0.1 --directory /srv/cran > /dev/null 2>&1 &
fi
# bash reaps every child it adopts while it waits; the loop goes on when the server or the sleep is killed.
while :; do
    sleep 2147483647 &
    wait $!
done
