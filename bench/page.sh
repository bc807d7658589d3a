#!/usr/bin/env bash
# Writes docs/benchmarks.md and docs/benchmarks.svg from the figures of scripts/bench.
#
#   page.sh RESULTS      the folder with the figures: a file for each contender, a line for each run (bench/measure.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
results=$1

# column FILE COLUMN: its numbers, sorted.
column() { awk -v column="$2" '{ print $column }' "$results/$1" | sort -n; }
median() { column "$1" "$2" | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
spread() { column "$1" "$2" | sed -n '1p;$p' | paste -sd ' ' | sed 's/ / to /'; }
most() { column "$1" "$2" | tail -n 1; }
# verdict VALUE BAR [VALUE BAR]...: met when no value is above its bar.
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
# row FILE TITLE: the line of a contender.
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

Written by \`scripts/bench\`, which anybody can run: the Family unit's node, made by a faithful bash framework (\`bench/framework\`),
by \`nodeagent run --profile family\`, and piece by piece by the tools alone, each on fresh nodes of the same image, in one run.

Machine: $cores cores, $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), test nodes by $(scripts/node engine). Fresh nodes: $(cat "$results/rounds-slow") for what takes
minutes, $(cat "$results/rounds-fast") for what takes seconds. Medians; the range in brackets. Runs of nodeagent that failed: $failed.

![Seconds to a ready node](benchmarks.svg)

## Bars

| what | measured | bar | verdict |
| --- | --- | --- | --- |
| new node, layers in the store: against the bash framework's first run | $layers × faster | at least 40 × | $(verdict 40 "$layers") |
| the same, against the floor | $floor × as long | at most 1.3 × | $(verdict "$floor" 1.3) |
| new node, store warm, no layers: against the bash framework | $built × faster | at least 20 × | $(verdict 20 "$built") |
| nothing cached: against the bash framework | $first × faster | at least 2 × | $(verdict 2 "$first") |
| nothing cached: against CPU seconds over cores ($cpu_bound s) | $cpu_ratio × as long | at most 1.2 × | $(verdict "$cpu_ratio" 1.2) |
| ready node: against the bash framework's second run | $second × faster, $(seconds "$(median agent-second 1)") s | at least 100 ×, at most 0.050 s | $(verdict 100 "$second" "$(median agent-second 1)" 0.050) |
| peak memory of the agent itself, all runs | $memory MiB | at most 40 | $(verdict "$memory" 40) |
| start to first child | $start ms ($(spread start 1)) | at most 10 | $(verdict "$start" 10) |
| binary, stripped, static | $size MiB | at most 25 | $(verdict "$size" 25) |

## All contenders

| what | seconds | the bash framework takes | CPU seconds | peak memory of the program, MiB | MB over the network | runs |
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

The bash framework gets the headers of libcurl and libuv before it starts, and its time is without them: with CRAN's own archives,
which bring libuv along, it would build \`httpuv\` too; without them it leaves \`curl\` and \`httpuv\` unbuilt, exits 0 all the same, and
\`library(plumber)\` cannot load. It changes a distribution that the runtime ships, and its second run appends prompt and
\`.vimrc\` once more. The R repository and the shared store are on the machine and count as no network. The floor unpacks one archive
of $(awk '{ printf "%.0f MB", $1 / 1e6 }' "$results/floor-bytes") with the debs, checks no digest and looks at nothing afterwards. Start to
first child is measured on a node whose \`/usr\`, \`/etc\` and file store are on the disk, too: a look opens some 160 files, and under the FUSE
of a test node each of them is a trip to another process (10 to 17 ms in all, when that was measured). \`scripts/bench start\` measures it alone.

Layers: $(jq -r '[.layers[] | "\(.of): \(.packages) packages, \(.files) files, \(.bytes / 1e6 | floor) MB, \(.packed / 1e6 | floor) MB packed in \(.parts) parts"] | join("; ")' "$results/layers.json").

END
    # Why the bar that is known to be missed is.
    [ "$(verdict "$start" 10)" = met ] || {
        cat bench/notes.md
        echo
    }
    # A run that was cut short has none of these.
    if [ -s "$results/at-once" ]; then
        cat <<END
## More nodes, more packages

Nodes that start at the same moment on this one machine, all with layers: its cores do the work of all.

| nodes | wall seconds | seconds a node |
| --- | --- | --- |
$(awk '{ printf "| %d | %.1f | %.1f |\n", $1, $2, $2 / $1 }' "$results/at-once")

END
    fi
    if [ -s "$results/growth" ]; then
        cat <<END
Processes with roots of their own, by a lock of Debian packages and a counting origin ([a cluster](benchmarks-cluster.md)):

$(cat "$results/growth")

END
    fi
    cat <<END
## Where the seconds go

With nothing cached, \`nodeagent report blame\` of the last round:

\`\`\`text
$(cat "$results/blame-first.txt")
\`\`\`

$(cat bench/cold.md)

With a warm shared store and no layer:

\`\`\`text
$(cat "$results/blame-shared.txt")
\`\`\`

What is left of it is uv, which unpacks the wheels and writes what is in them; dpkg; and the imports of \`smoke\`. Byte code, which was half of
Python's time, [comes from the store](store.md#wheels-and-byte-code).

With layers:

\`\`\`text
$(cat "$results/blame-layers.txt")
\`\`\`
END
} >docs/benchmarks.md
bench/plot.sh "$results" docs/benchmarks.svg
sed -n '/^## Bars/,/^## All/p' docs/benchmarks.md
