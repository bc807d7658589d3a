# shellcheck shell=bash disable=SC2154 # arrays and paths of the script that sources this
# The chroot engine of scripts/node: a root under target/node/chroot, and a copy of it in its own namespaces for each node.
#
# Sourced by scripts/node; reads its arrays (mounts, tmpfs, envs, exec_*, command). Needs root on Debian or Ubuntu.
# A node is an overlayfs layer over the root (a plain copy where overlayfs cannot be mounted), with its own processes, mounts
# and host name. It uses the network of the machine, so all nodes share one repository server on 127.0.0.1:3838. The server
# ends with the last node.

chroot_state=$state/chroot
chroot_enter=$root/scripts/lib/chroot-enter.sh

chroot_possible() {
    is_root && [ -f /etc/debian_version ] && have unshare && have nsenter && have chroot &&
        { have debootstrap || have apt-get; } && unshare --mount true 2> /dev/null
}
chroot_root() { printf '%s/root-%s' "$chroot_state" "$(recipe_digest)"; }
chroot_built() { [ -d "$(chroot_root)" ]; }
chroot_node() { printf '%s/nodes/%s' "$chroot_state" "$1"; }
chroot_has() { [ -d "$(chroot_node "$1")" ]; }

# chroot_namespaces COMMAND...: runs a command as PID 1 of new namespaces with private mounts.
chroot_namespaces() { unshare --mount --propagation private --uts --ipc --pid --fork --kill-child "$@"; }

# chroot_step DIR SCRIPT: runs a script of the recipe in an unfinished root.
chroot_step() {
    local log=$chroot_state/build.log
    say "    $(recipe_step "$2")"
    rm -rf "$1/tmp/image"
    cp -r "$root/tests/image" "$1/tmp/image"
    host_certificates | while read -r path; do cp "$path" "$1/tmp/image/certs/"; done
    chroot_namespaces env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        bash "$chroot_enter" --root "$1" -- bash "/tmp/image/$2" > "$log" 2>&1 < /dev/null || {
        tail -n 30 "$log" >&2
        die "$2 failed; its whole output is in $log"
    }
    rm -rf "$1/tmp/image"
}

# chroot_copy FROM TO: an independent copy of a root.
chroot_copy() {
    rm -rf "$2"
    cp -a --reflink=auto "$1" "$2"
}

chroot_build() {
    local system cran final
    chroot_built && return 0
    mkdir -p "$chroot_state"
    say "building the root of the nodes: six steps, 2 to 5 minutes"
    system=$chroot_state/system-$(printf '%s %s' "$(digest_of tests/image/10-system.sh)" "$(host_certificates | tr '\n' '\0' | xargs -0 -r sha256sum)" | sha256sum | cut -c 1-16)
    cran=$chroot_state/cran-$(printf '%s %s' "$(basename "$system")" "$(digest_of tests/image/20-cran.sh tests/image/21-cran-tiny.sh tests/image/r-packages)" | sha256sum | cut -c 1-16)
    final=$(chroot_root)
    if [ ! -d "$system" ]; then
        rm -rf "$system.part"
        mkdir "$system.part"
        tar -C "$system.part" --numeric-owner -xpf "$(bootstrap_debian)"
        chroot_step "$system.part" 10-system.sh
        mv "$system.part" "$system"
    fi
    if [ ! -d "$cran" ]; then
        chroot_copy "$system" "$chroot_state/scratch"
        chroot_step "$chroot_state/scratch" 20-cran.sh
        chroot_step "$chroot_state/scratch" 21-cran-tiny.sh
        mv "$chroot_state/scratch/srv/cran" "$cran"
        rm -rf "$chroot_state/scratch"
    fi
    chroot_copy "$system" "$final.part"
    chroot_step "$final.part" 30-python.sh
    mkdir -p "$final.part/srv"
    cp -a "$cran" "$final.part/srv/cran"
    chroot_step "$final.part" 40-layout.sh
    chroot_step "$final.part" 50-bytecode.sh
    mv "$final.part" "$final"
    # Removes the roots of older recipes, unless a node runs: it may use one of them.
    if [ -z "$(chroot_list)" ]; then
        find "$chroot_state" -mindepth 1 -maxdepth 1 -type d \( -name 'system-*' -o -name 'cran-*' -o -name 'root-*' \) \
            ! -path "$system" ! -path "$cran" ! -path "$final" -exec rm -rf {} +
    fi
}

# chroot_serve ROOT: starts the repository server, unless it runs already.
chroot_serve() {
    local served
    served=$( (exec 3<> /dev/tcp/127.0.0.1/3838 && printf 'GET /src/contrib/PACKAGES HTTP/1.0\r\n\r\n' >&3 && sed '1,/^\r$/d' <&3) 2> /dev/null || true)
    if [ -z "$served" ]; then
        # It runs in the namespaces of the machine, because it must outlive the first node.
        setsid chroot "$1" python3 -m http.server 3838 --bind 127.0.0.1 --directory /srv/cran > /dev/null 2>&1 < /dev/null &
        echo $! > "$chroot_state/repository.pid"
    elif [ "$served" != "$(cat "$1/srv/cran/src/contrib/PACKAGES")" ]; then
        die "port 3838 of this machine is in use by another server than the repository of nodes"
    fi
}

# chroot_start NAME: starts fresh namespaces over a fresh layer.
chroot_start() {
    local node from item options=() environment=()
    node=$(chroot_node "$1")
    from=$(chroot_root)
    chroot_end "$1"
    mkdir -p "$node"/{upper,work,root}
    if unshare --mount --propagation private mount -t overlay overlay \
        -o "lowerdir=$from,upperdir=$node/upper,workdir=$node/work" "$node/root" 2> /dev/null; then
        options+=(--overlay "$from" "$node/upper" "$node/work")
    else
        rmdir "$node/root"
        chroot_copy "$from" "$node/root"
    fi
    for item in "${tmpfs[@]}"; do options+=(--tmpfs "${item%:*}" "${item##*:}"); done
    for item in "${mounts[@]}"; do
        case $item in
            *:*:ro) item=${item%:ro} && options+=(--bind "${item%%:*}" "${item#*:}" ro) ;;
            *) item=${item%:rw} && options+=(--bind "${item%%:*}" "${item#*:}" rw) ;;
        esac
    done
    mapfile -t environment < <(node_environment)
    environment+=("HOSTNAME=$1" "${envs[@]}")
    printf '%s\0' "${environment[@]}" > "$node/environment"

    chroot_serve "$from"
    setsid unshare --mount --propagation private --uts --ipc --pid --fork --kill-child \
        env -i "${environment[@]}" HOME=/root NODE_CRAN=none \
        bash "$chroot_enter" --root "$node/root" "${options[@]}" --name "$1" --pid-file "$node/pid" \
        -- /usr/local/sbin/node-init > "$node/log" 2>&1 < /dev/null &
    for _ in {1..200}; do
        [ ! -f "$node/pid" ] || return 0
        kill -0 $! 2> /dev/null || break
        sleep 0.02
    done
    cat "$node/log" >&2
    chroot_end "$1"
    die "node $1 did not start"
}

# chroot_exec NAME: runs command (an array of the caller) with exec_envs, exec_user and exec_stdin.
chroot_exec() {
    local node pid environment=() enter=() home=/root status=0
    node=$(chroot_node "$1")
    [ -f "$node/pid" ] || die "there is no node $1"
    pid=$(cat "$node/pid")
    mapfile -d '' environment < "$node/environment"
    enter=(nsenter --target "$pid" --mount --uts --ipc --pid --root --wd)
    if [ -n "$exec_user" ]; then
        home=$("${enter[@]}" getent passwd "$exec_user" | cut -d : -f 6)
        [ -n "$home" ] || die "node $1 has no user $exec_user"
        enter+=(setpriv --reuid "$exec_user" --regid "$("${enter[@]}" id -g "$exec_user")" --init-groups)
    fi
    enter+=(env -i "HOME=$home" "${environment[@]}" "${exec_envs[@]}" "${command[@]}")
    # A command that a signal ended gives a status, as with containers, without a message of the shell.
    [ -n "$exec_stdin" ] || exec < /dev/null
    { "${enter[@]}" 2>&3 3>&- || status=$?; } 3>&2 2> /dev/null
    return "$status"
}

chroot_list() {
    local pid
    for pid in "$chroot_state"/nodes/*/pid; do
        [ -f "$pid" ] || continue
        if kill -0 "$(cat "$pid")" 2> /dev/null; then basename "$(dirname "$pid")"; fi
    done
}

# chroot_end NAME: ends the processes and mounts of a node and removes its layer.
chroot_end() {
    local node pid
    node=$(chroot_node "$1")
    if [ -f "$node/pid" ]; then
        pid=$(cat "$node/pid")
        # The system uses process ids again: this one must still be the first process of a node.
        if [ "$(tr '\0' ' ' 2> /dev/null < "/proc/$pid/cmdline")" = "bash /usr/local/sbin/node-init " ]; then
            kill -KILL "$pid" 2> /dev/null || true
            while kill -0 "$pid" 2> /dev/null; do sleep 0.01; done
        fi
    fi
    rm -rf "$node"
}

chroot_stop() {
    local pid
    chroot_end "$1"
    if [ -z "$(chroot_list)" ] && [ -f "$chroot_state/repository.pid" ]; then
        pid=$(cat "$chroot_state/repository.pid")
        if grep -qs http.server "/proc/$pid/cmdline"; then kill "$pid" || true; fi
        rm -f "$chroot_state/repository.pid"
    fi
}

chroot_clean() {
    local name
    for name in $(chroot_list); do chroot_stop "$name"; done
    rm -rf "$chroot_state"
}
