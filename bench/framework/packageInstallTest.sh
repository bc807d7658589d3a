#!/usr/bin/env bash
# Sourced by clusterConfigs.sh: the packages of the Family unit, one installer after the other.
# Says after each how long it took, which is all that was added for the benchmark.
framework=$(dirname "${BASH_SOURCE[0]}")
library=/databricks/spark/R/lib
repository=http://127.0.0.1:3838

started=$SECONDS
/databricks/python/bin/pip install -r "$framework/packageInstallTest.txt"
echo "framework: pip took $((SECONDS - started)) s"

started=$SECONDS
apt -y install jq
apt -y install libsodium-dev
echo "framework: apt took $((SECONDS - started)) s"

started=$SECONDS
Rscript -e "install.packages('plumber', lib='$library', repos='$repository')"
echo "framework: R took $((SECONDS - started)) s"
