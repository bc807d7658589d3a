#!/usr/bin/env bash
# On a node that has a store with layers: writes what a bare `zstd -d | tar x` and `dpkg -i` need to bring the same bytes.
#
#   floor.sh STORE LAYERS LOCK TO     LAYERS: what `nodeagent store bake --json` printed; TO: a folder to write
set -euo pipefail
store=$1 layers=$2 lock=$3 to=$4
rm -rf "$to"
mkdir -p "$to/tree" "$to/debs"
object() { echo "$store/v1/objects/${1:0:2}/$1"; }
# Where each layer's paths begin.
declare -A base=([python]=/databricks/python [r]=/databricks/spark/R/lib)
while read -r kind key; do
    mkdir -p "$to/tree${base[$kind]}"
    jq -r '.objects[].sha256' "$store/v1/entries/layer/${key:0:2}/$key" | while read -r sha256; do
        zstd -dcq "$(object "$sha256")" | tar -x -C "$to/tree${base[$kind]}"
    done
done < <(jq -r '.layers[] | "\(.of) \(.key)"' "$layers")
tar -c -C "$to/tree" . | zstd -q -9 -T0 -o "$to/files.tar.zst"
rm -r "$to/tree"
# Packages of Debian have their SHA-256 in the lock, after their file name.
awk -F'"' '/^\[\[/ { apt = ($0 ~ /\.apt\]\]/) } apt && /^file = / { file = $2 } apt && /^sha256 = / { print file, $2 }' "$lock" |
    while read -r file sha256; do cp "$(object "$sha256")" "$to/debs/$file"; done
find "$to/debs" -name "*.deb" | wc -l
du -h "$to/files.tar.zst"
