#!/bin/bash -p
# A cluster's init script, written by `nodeagent shim`. Do not edit it: write it again.
#
# It copies nodeagent from the file store to the node's own disk, verifies the digest of the copy, and runs the copy. It
# executes no other file of the file store. Exit status: that of nodeagent, or 2 if nodeagent cannot be used.
#
# With `-p`, bash ignores functions and settings in the environment. A platform may start this file without the option.
# The `#` at the end of these lines hides the carriage return of a Windows line end.
case $- in *p*) ;; *) POSIXLY_CORRECT=1; unset -v "${!LD_@}"; exec /bin/bash -p -- "$0" ;; esac #
line_end='
'; case $line_end in *$'\r'*) echo "nodeagent shim: this file has Windows line ends; nothing was changed" >&2; exit 2 ;; esac #
set -euo pipefail

# A function, so that a file that was not copied completely runs nothing.
main() {
unset -v "${!LD_@}" "${!NODEAGENT_@}" BASH_ENV ENV GCONV_PATH GLIBC_TUNABLES POSIXLY_CORRECT

refuse() {
    printf 'nodeagent shim: %s; nothing was changed\n' "$1" >&2
    exit 2
}

# Programs of the node get no other variable of the environment.
program() {
    /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"
}

folder=@FOLDER@
destination=@DESTINATION@

processor=$(program uname -m) || refuse "the processor is unknown"
case $processor in
    @PROCESSOR@) expected=@SHA256@ ;;
    *) refuse "this script has no digest for the processor \`$processor\`; add one with \`nodeagent shim --binary\`" ;;
esac

binary=$folder/nodeagent-$processor
[[ -f $binary ]] || binary=$folder/nodeagent
[[ -f $binary ]] || refuse "\`$binary\` does not exist"

# Others may still change the original. The copy has mode 0600 until it is verified.
copy=$(program mktemp -- "$destination/.nodeagent.XXXXXX") ||
    refuse "\`$destination\` cannot be written; an init script runs as root"
trap 'program rm -f -- "$copy"' EXIT
program cp -- "$binary" "$copy" || refuse "\`$binary\` could not be copied"
found=$(program sha256sum < "$copy") || refuse "the digest of \`$copy\` could not be computed"
found=${found%% *}
[[ $found == "$expected" ]] || refuse "\`$binary\` has sha256 $found, not $expected"
program chmod -- 755 "$copy" || refuse "\`$copy\` could not be made executable"
"$copy" --version > /dev/null 2>&1 || refuse "\`$binary\` does not run on this node ($processor)"
program mv -fT -- "$copy" "$destination/nodeagent" || refuse "\`$destination/nodeagent\` could not be replaced"
trap - EXIT

export NODEAGENT_ACCESS_MODE=@ACCESS_MODE@
exec "$destination/nodeagent" @ARGUMENTS@
}
main
