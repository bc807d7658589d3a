#!/usr/bin/env bash
# Makes a folder the root of a node or of a build step and runs a command in it. The chroot engine of scripts/node calls it
# inside new mount and process namespaces, and every mount ends with them.
#
#   chroot-enter.sh --root DIR [--overlay LOWER UPPER WORK] [--bind HOST NODE ro|rw]... [--tmpfs DIR SIZE]...
#                   [--name HOSTNAME] [--pid-file FILE] -- COMMAND ARGUMENT...
# Passes the environment on. May be run twice, each time in new namespaces.
set -euo pipefail

dir='' name='' pid_file='' overlay=() binds=() tmpfs=()
while [ "$1" != -- ]; do
    case $1 in
        --root) dir=$2; shift 2 ;;
        --overlay) overlay=("$2" "$3" "$4"); shift 4 ;;
        --bind) binds+=("$2" "$3" "$4"); shift 4 ;;
        --tmpfs) tmpfs+=("$2" "$3"); shift 3 ;;
        --name) name=$2; shift 2 ;;
        --pid-file) pid_file=$2; shift 2 ;;
        *) echo "chroot-enter has no option $1" >&2; exit 2 ;;
    esac
done
shift

# This is still the /proc of the machine, so the number is the process id outside the namespaces.
read -r pid _ < /proc/self/stat

if [ ${#overlay[@]} -gt 0 ]; then
    mount -t overlay overlay -o "lowerdir=${overlay[0]},upperdir=${overlay[1]},workdir=${overlay[2]}" "$dir"
fi
mount -t proc -o nosuid,nodev,noexec proc "$dir/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$dir/sys" 2> /dev/null || mount --bind /sys "$dir/sys"
mount -t tmpfs -o nosuid,mode=755,size=1m dev "$dir/dev"
for device in null zero full random urandom tty; do
    : > "$dir/dev/$device"
    mount --bind "/dev/$device" "$dir/dev/$device"
done
mkdir "$dir/dev/pts" "$dir/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$dir/dev/pts"
mount -t tmpfs -o nosuid,nodev,mode=1777,size=64m shm "$dir/dev/shm"
ln -s pts/ptmx "$dir/dev/ptmx"
ln -s /proc/self/fd "$dir/dev/fd"
ln -s fd/0 "$dir/dev/stdin"
ln -s fd/1 "$dir/dev/stdout"
ln -s fd/2 "$dir/dev/stderr"

# within PATH: the path outside the root for a path of the node. Follows links inside the root only.
within() { printf '%s%s' "$dir" "$(chroot "$dir" realpath -m -- "$1")"; }

index=0
while [ $index -lt ${#tmpfs[@]} ]; do
    to=$(within "${tmpfs[index]}")
    mkdir -p "$to"
    mount -t tmpfs -o "mode=755,size=${tmpfs[index + 1]}" tmpfs "$to"
    index=$((index + 2))
done
index=0
while [ $index -lt ${#binds[@]} ]; do
    to=$(within "${binds[index + 1]}")
    if [ -d "${binds[index]}" ]; then
        mkdir -p "$to"
    else
        mkdir -p "$(dirname "$to")"
        [ -e "$to" ] || : > "$to"
    fi
    mount --bind "${binds[index]}" "$to"
    if [ "${binds[index + 2]}" = ro ]; then mount -o remount,bind,ro "$to"; fi
    index=$((index + 3))
done

cat /etc/resolv.conf > "$(within /etc/resolv.conf)"
if [ -n "$name" ]; then
    hostname "$name"
    printf '%s\n' "$name" > "$dir/etc/hostname"
    printf '127.0.0.1\tlocalhost %s\n::1\tlocalhost\n' "$name" > "$dir/etc/hosts"
fi
if [ -n "$pid_file" ]; then
    printf '%s\n' "$pid" > "$pid_file.part"
    mv "$pid_file.part" "$pid_file"
fi
cd "$dir"
exec chroot . "$@"
