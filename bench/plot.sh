#!/usr/bin/env bash
# Draws the plot of docs/benchmarks.md: medians of all contenders, on a logarithmic scale. Installs matplotlib in an
# environment of its own (target/plot).
#
#   plot.sh RESULTS FILE.svg
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -x target/plot/bin/python ] || python3 -m venv target/plot
target/plot/bin/python -c 'import matplotlib' 2>/dev/null ||
    target/plot/bin/pip install --quiet --disable-pip-version-check matplotlib
target/plot/bin/python bench/plot.py "$@"
