#!/bin/sh
# Replaces every package tool: prints its arguments, its environment and the file `spoken` in pieces, and does its work.
# The tool whose name is in the file `fails` fails.
here=@HERE@
root=@ROOT@
name=${0##*/}

speak() {
    echo "$name $*"
    env
    size=$(wc -c < "$here/spoken")
    piece=$((size / 9 + 1))
    for at in 0 1 2 3 4 5 6 7 8; do
        dd if="$here/spoken" bs="$piece" skip="$at" count=1 2> /dev/null
        sleep 0.01
    done
}

speak "$@"
speak "$@" >&2
if [ "$name" = "$(cat "$here/fails")" ]; then
    echo "E: it cannot be done with $(head -n 1 "$here/spoken")" >&2
    exit 1
fi

case "$name $*" in
    apt-get*--print-uris* | uv*--dry-run*) ;;
    apt-get*install*)
        printf 'Package: jq\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.6\n\n' >> "$root/var/lib/dpkg/status"
        ;;
    uv*pip\ install*)
        folder=$root/databricks/python/lib/python3.11/site-packages/probe-1.0.dist-info
        mkdir -p "$folder"
        printf 'Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n\n' > "$folder/METADATA"
        : > "$folder/RECORD"
        ;;
    R*INSTALL*)
        folder=$root/databricks/spark/R/lib/probe
        mkdir -p "$folder"
        printf 'Package: probe\nVersion: 1.0\nBuilt: R 4.2.2; ; 2026-01-01 00:00:00 UTC; unix\n' > "$folder/DESCRIPTION"
        ;;
esac
