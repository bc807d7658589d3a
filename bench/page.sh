#!/usr/bin/env bash
# Writes docs/benchmarks.md and docs/benchmarks.svg from the figures of scripts/bench.
#
#   page.sh RESULTS      folder with the figures: one file per contender, one line per run (bench/measure.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
results=$1

# column FILE COLUMN: the numbers of a column, sorted.
column() { awk -v column="$2" '{ print $column }' "$results/$1" | sort -n; }
median() { column "$1" "$2" | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
spread() { column "$1" "$2" | sed -n '1p;$p' | paste -sd ' ' | sed 's/ / to /'; }
most() { column "$1" "$2" | tail -n 1; }
# verdict VALUE BAR [VALUE BAR]...: `met` if no value is above its bar.
verdict() {
    local verdict=met
    while [ $# -gt 0 ]; do
        if awk -v value="$1" -v bar="$2" 'BEGIN { exit !(value > bar) }'; then verdict=missed; fi
        shift 2
    done
    echo "$verdict"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
seconds() { awk -v s="$1" 'BEGIN { printf (s < 1 ? "%.3f" : "%.1f"), s }'; }
mib() { awk -v k="$1" 'BEGIN { printf "%.1f", k / 1024 }'; }
# row FILE TITLE: the table row of a contender.
row() {
    printf '| %s | %s (%s) | %s × | %s | %s | %s | %d |\n' "$2" "$(seconds "$(median "$1" 1)")" "$(spread "$1" 1)" \
        "$(ratio "$(median bash-first 1)" "$(median "$1" 1)")" "$(median "$1" 2)" "$(mib "$(most "$1" 3)")" "$(median "$1" 5)" \
        "$(wc -l <"$results/$1")"
}

cores=$(nproc)
cpu_bound=$(awk -v cpu="$(median agent-first 2)" -v cores="$cores" 'BEGIN { printf "%.1f", cpu / cores }')
first=$(ratio "$(median bash-first 1)" "$(median agent-first 1)")
second=$(ratio "$(median bash-second 1)" "$(median agent-second 1)")
layers=$(ratio "$(median bash-first 1)" "$(median agent-layers 1)")
floor=$(ratio "$(median agent-layers 1)" "$(median floor 1)")
built=$(ratio "$(median bash-first 1)" "$(median agent-shared 1)")
cpu_ratio=$(ratio "$(median agent-first 1)" "$cpu_bound")
memory=$(mib "$(cat "$results"/agent-* | awk '{ print $3 }' | sort -n | tail -n 1)")
start=$(median start 1)
size=$(stat -c %s target/static/nodeagent | awk '{ printf "%.1f", $1 / 1048576 }')
failed=$(cat "$results"/agent-* | awk '$4 != 0' | wc -l)
{
    cat <<END
# Benchmarks

\`scripts/bench\` writes this page. It prepares the node of the Family unit in three ways: with a faithful bash framework (\`bench/framework\`), with
\`nodeagent run --profile family\`, and with each package tool alone. All of them run on fresh nodes of the same image, in one run of the script.

Machine: $cores cores, $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), test nodes by $(scripts/node engine). Fresh nodes: $(cat "$results/rounds-slow") for measurements of
minutes, $(cat "$results/rounds-fast") for measurements of seconds. Medians; the range in brackets. Runs of nodeagent that failed: $failed.

![Seconds to a ready node](benchmarks.svg)

## Bars

| what | measured | bar | verdict |
| --- | --- | --- | --- |
| new node, layers in the store: compared with the bash framework's first run | $layers × faster | at least 40 × | $(verdict 40 "$layers") |
| the same, compared with the floor | $floor × as long | at most 1.3 × | $(verdict "$floor" 1.3) |
| new node, warm store, no layers: compared with the bash framework | $built × faster | at least 20 × | $(verdict 20 "$built") |
| nothing cached: compared with the bash framework | $first × faster | at least 2 × | $(verdict 2 "$first") |
| nothing cached: compared with CPU seconds divided by cores ($cpu_bound s) | $cpu_ratio × as long | at most 1.2 × | $(verdict "$cpu_ratio" 1.2) |
| ready node: compared with the bash framework's second run | $second × faster, $(seconds "$(median agent-second 1)") s | at least 100 ×, at most 0.050 s | $(verdict 100 "$second" "$(median agent-second 1)" 0.050) |
| peak memory of nodeagent itself, all runs | $memory MiB | at most 40 | $(verdict "$memory" 40) |
| start of the process to its first child process | $start ms ($(spread start 1)) | at most 10 | $(verdict "$start" 10) |
| binary, stripped, static | $size MiB | at most 25 | $(verdict "$size" 25) |

## All contenders

| what | seconds | bash framework's time ÷ this time | CPU seconds | peak memory of the program, MiB | MB over the network | runs |
| --- | --- | --- | --- | --- | --- | --- |
$(row bash-first "bash framework, first run")
$(row bash-second "bash framework, second run")
$(row agent-first "nodeagent, nothing cached")
$(row agent-shared "nodeagent, warm shared store")
$(row agent-local "nodeagent, warm store of the node")
$(row agent-layers "nodeagent, layers in the shared store")
$(row agent-second "nodeagent, ready node")
$(row floor "floor: \`zstd -d \| tar x\`, then \`dpkg -i\`, of the same bytes")
$(row r-alone "\`install.packages(Ncpus = $cores)\` alone: R's part")
$(row pip-alone "\`pip install\` alone: Python's part")
$(row uv-alone "\`uv pip install --compile-bytecode\` alone: Python's part")
$(row apt-alone "\`apt-get\` alone: Debian's part")

Notes on the contenders:

- The headers of libcurl and libuv are installed before the bash framework starts, and its time does not include them. Without them, the
  framework does not build \`curl\` and \`httpuv\`, still exits with 0, and \`library(plumber)\` fails. With CRAN's own archives, which contain
  libuv, it would also build \`httpuv\`.
- The bash framework changes a distribution of the runtime, and its second run appends the prompt and \`.vimrc\` again.
- The R repository and the shared store are on the machine and do not count as network.
- The floor is the least work that gives the same files: it unpacks one archive of $(awk '{ printf "%.0f MB", $1 / 1e6 }' "$results/floor-bytes") and the debs. It checks no digest and does not verify the result.
- The start of the first child process is measured on a node that has \`/usr\`, \`/etc\` and the file store on the disk, because a look at the node opens some 160 files. Under the FUSE
  file system of a test node, each of them is a request to another process (10 to 17 ms in total, when measured). \`scripts/bench start\` measures it alone.

Layers: $(jq -r '[.layers[] | "\(.of): \(.packages) packages, \(.files) files, \(.bytes / 1e6 | floor) MB, \(.packed / 1e6 | floor) MB packed in \(.parts) parts"] | join("; ")' "$results/layers.json").

END
    # Explains the bar that is known to be missed.
    [ "$(verdict "$start" 10)" = met ] || {
        cat bench/notes.md
        echo
    }
    # An interrupted measurement has no such figures.
    if [ -s "$results/at-once" ]; then
        cat <<END
## More nodes, more packages

Several nodes start at the same moment on this one machine, all with layers. They share its cores.

| nodes | wall seconds | seconds per node |
| --- | --- | --- |
$(awk '{ printf "| %d | %.1f | %.1f |\n", $1, $2, $2 / $1 }' "$results/at-once")

END
    fi
    if [ -s "$results/growth" ]; then
        cat <<END
The following nodes are processes with their own roots. They run a lock of Debian packages against an origin that counts requests, as in the
[benchmark of clusters](benchmarks-cluster.md):

$(cat "$results/growth")

END
    fi
    cat <<END
## Where the seconds go

This is the output of \`nodeagent report blame\` for the last round with nothing cached:

\`\`\`text
$(cat "$results/blame-first.txt")
\`\`\`

$(cat bench/cold.md)

With a warm shared store and no layers:

\`\`\`text
$(cat "$results/blame-shared.txt")
\`\`\`

The remaining time is uv, which unpacks the wheels; dpkg; and the imports of \`smoke\`. Bytecode
[comes from the store](store.md#wheels-and-bytecode); compiling it took half of Python's time.

With layers:

\`\`\`text
$(cat "$results/blame-layers.txt")
\`\`\`
END
} >docs/benchmarks.md
bench/plot.sh "$results" docs/benchmarks.svg
sed -n '/^## Bars/,/^## All/p' docs/benchmarks.md
