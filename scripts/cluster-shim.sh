#!/bin/bash
# Cluster init script: copies nodeagent from the file store to the node's own disk and runs it.
#
#   cluster-shim.sh PROFILE [OPTION OF nodeagent run...]
#
# A cluster passes no arguments to its init script. Therefore each unit has its own script of one line, which calls this one:
#
#   NODEAGENT_FILESTORE=/Volumes/CATALOG/SCHEMA/VOLUME exec bash /Volumes/…/Admin/init_scripts/cluster-shim.sh family
#
# docs/install.md describes the whole setup. Variables that can be set on that line:
#   NODEAGENT_SHA256     the expected digest of the binary; without it the binary is not verified
#   NODEAGENT_BINARY     the binary; default: nodeagent-$(uname -m), else nodeagent, beside this file
#   NODEAGENT_REPORTS    the folder that receives a copy of each report; default: reports, beside this file's folder
#   NODEAGENT_FILESTORE  the file store; default: /dbfs/FileStore
#
# Exit status: that of nodeagent (docs/exit-codes.md), or 2 if the binary cannot be used; nothing is changed then. A cluster
# starts only with status 0. Save this file with Unix line ends. The next line detects Windows line ends and refuses them.
case "$(head -n 2 -- "$0")" in *$'\r'*) echo "cluster-shim: this file has Windows line ends; save it with LF" >&2; exit 2 ;; esac #
set -euo pipefail

refuse() {
    echo "cluster-shim: $1; nothing was changed" >&2
    exit 2
}

[ $# -gt 0 ] || refuse "no profile is named; call it as: cluster-shim.sh PROFILE"
profile=$1
shift

here=$(cd "$(dirname "$0")" && pwd)
binary=${NODEAGENT_BINARY:-$here/nodeagent-$(uname -m)}
[ -n "${NODEAGENT_BINARY:-}" ] || [ -f "$binary" ] || binary=$here/nodeagent
[ -f "$binary" ] || refuse "\`$binary\` does not exist"

# The copy is verified and run, because others may still change the original.
local=/usr/local/sbin/nodeagent
copy=$(mktemp "$local.XXXXXX") || refuse "\`${local%/*}\` cannot be written; an init script runs as root"
trap 'rm -f "$copy"' EXIT
cp -- "$binary" "$copy" || refuse "\`$binary\` could not be copied"
if [ -n "${NODEAGENT_SHA256:-}" ]; then
    found=$(sha256sum < "$copy") || refuse "\`sha256sum\` could not be run"
    [ "${found%% *}" = "$NODEAGENT_SHA256" ] || refuse "\`$binary\` has sha256 ${found%% *}, not $NODEAGENT_SHA256"
fi
chmod 755 "$copy"
"$copy" --version > /dev/null 2>&1 || refuse "\`$binary\` does not run on this node ($(uname -m))"
mv -f "$copy" "$local" || refuse "\`$local\` could not be replaced"

exec "$local" run --profile "$profile" --report-to "${NODEAGENT_REPORTS:-${here%/*}/reports}" "$@"
