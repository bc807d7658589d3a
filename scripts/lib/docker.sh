# shellcheck shell=bash disable=SC2154 # arrays and paths of the script that sources this
# The docker engine of scripts/node: one image for each recipe, one container for each node.
#
# Sourced by scripts/node; reads its arrays (mounts, tmpfs, disks, envs, capabilities, …). A node has its own network namespace and serves
# its own repository on 127.0.0.1:3838. Where the bridge has no access to the outside, all nodes share the network of the
# machine, and one repository.

docker_image=nodeagent-node
docker_base=nodeagent-base:${NODE_SUITE:-bookworm}
docker_repository=nodeagent-repository
node_label=nodeagent.node
# Two clones of the source tree on one machine have different nodes. They share images, which are named after the recipe.
clone_label=nodeagent.clone
clone=$(printf '%s' "$root" | sha256sum | cut -c 1-8)

docker_answers() { have docker && timeout 20 docker version --format '{{.Server.Version}}' > /dev/null 2>&1; }
docker_name() { printf 'nodeagent-%s-%s' "$clone" "$1"; }
docker_built() { docker image inspect "$docker_image:$(recipe_digest)" > /dev/null 2>&1; }

# docker_find_base: prints the base image. It is on this machine already, or it is pulled, or built here.
docker_find_base() {
    local wanted=${BASE_IMAGE:-debian:bookworm-slim}
    if docker image inspect "$wanted" > /dev/null 2>&1; then
        printf '%s' "$wanted"
    elif timeout 300 docker pull -q "$wanted" > /dev/null 2>&1; then
        printf '%s' "$wanted"
    elif [ -n "${BASE_IMAGE:-}" ]; then
        die "the base image $wanted is not on this machine and cannot be pulled"
    else
        if ! docker image inspect "$docker_base" > /dev/null 2>&1; then
            say "no registry has $wanted: building a base image"
            docker import --message 'minimal Debian, by debootstrap' "$(bootstrap_debian)" "$docker_base" > /dev/null
        fi
        printf '%s' "$docker_base"
    fi
}

# docker_find_network IMAGE: prints bridge, or host where the bridge has no access to the outside.
docker_find_network() {
    local network probe
    if [ -n "${NODEAGENT_NETWORK:-}" ]; then
        printf '%s' "$NODEAGENT_NETWORK"
        return
    fi
    # A container must reach the mirror of its image. The shell in the container expands this.
    # shellcheck disable=SC2016
    probe='exec 3<> "/dev/tcp/$(sed -nE "s#^URIs: *https?://([^/ ]+).*#\1#p" /etc/apt/sources.list.d/*.sources | head -n 1)/80"'
    for network in bridge host; do
        if timeout 30 docker run --rm --network "$network" "$1" \
            timeout 10 bash -c "$probe" > /dev/null 2>&1; then
            printf '%s' "$network"
            return
        fi
    done
    say "warning: containers have no access to the outside; using the bridge all the same"
    printf bridge
}

docker_build() {
    local base network digest script context=$state/context log=$state/build.log
    docker_built && return 0
    base=$(docker_find_base)
    network=$(docker_find_network "$base")
    digest=$(recipe_digest)
    say "building the node image $docker_image:$digest from $base, network $network: six steps, 2 to 5 minutes"
    rm -rf "$context"
    mkdir -p "$context/tests"
    cp "$root/Dockerfile.test" "$context/"
    cp -r "$root/tests/image" "$context/tests/"
    mkdir -p "$context/tests/image/certs"
    host_certificates | while read -r path; do cp "$path" "$context/tests/image/certs/"; done
    # Without its buildx plug-in the client has only the old builder. This variable silences its long warning.
    if ! docker buildx version > /dev/null 2>&1; then
        export DOCKER_BUILDKIT=0
    fi
    # The output goes to a log; the terminal shows the steps.
    docker build --network "$network" --label "nodeagent.network=$network" --build-arg "BASE_IMAGE=$base" \
        -t "$docker_image:$digest" -f "$context/Dockerfile.test" "$context" 2>&1 |
        tee "$log" | sed -u -n -E 's/^(Step [0-9/]+ :|#[0-9]+ \[.*\]) RUN bash \/tmp\/image\/([^ ]+).*/\2/p' |
        while read -r script; do say "    $(recipe_step "$script")"; done || {
        tail -n 30 "$log" >&2
        die "the image could not be built; the whole output is in $log"
    }
    rm -rf "$context"
}

# docker_systemd_image: the image of nodes with systemd, which is named after its own recipe and that of the node image.
docker_systemd_image() {
    printf '%s-systemd:%s' "$docker_image" "$(printf '%s %s' "$(recipe_digest)" "$(digest_of tests/image-systemd)" | sha256sum | cut -c 1-16)"
}

docker_build_systemd() {
    local image base log=$state/build-systemd.log
    base=$docker_image:$(recipe_digest)
    image=$(docker_systemd_image)
    docker image inspect "$image" > /dev/null 2>&1 && return 0
    say "building the image of nodes with systemd, $image: about half a minute"
    mkdir -p "$state"
    (
        # Tests start nodes at the same time; only one of them builds.
        flock 9
        docker image inspect "$image" > /dev/null 2>&1 && exit 0
        if ! docker buildx version > /dev/null 2>&1; then export DOCKER_BUILDKIT=0; fi
        docker build --network "$(docker image inspect --format '{{index .Config.Labels "nodeagent.network"}}' "$base")" \
            --build-arg "NODE_IMAGE=$base" -t "$image" "$root/tests/image-systemd" > "$log" 2>&1
    ) 9> "$state/build-systemd.lock" || {
        tail -n 30 "$log" >&2
        die "the image could not be built; the whole output is in $log"
    }
}

# docker_systemd_options: the options of an unprivileged container in which systemd can be PID 1.
docker_systemd_options() {
    printf '%s\n' --env container=docker --tmpfs /run:rw,exec,mode=755 --tmpfs /run/lock
    if [ "$(docker info --format '{{.CgroupVersion}}')" = 2 ]; then
        # systemd must be able to create control groups below that of the container.
        printf '%s\n' --cgroupns=host --volume /sys/fs/cgroup:/sys/fs/cgroup:rw
    else
        printf '%s\n' --volume /sys/fs/cgroup:/sys/fs/cgroup:ro
    fi
}

docker_is_running() { [ "$(docker container inspect --format '{{.State.Running}}' "$1" 2> /dev/null)" = true ]; }

# docker_start NAME: starts a fresh container; reads mounts, tmpfs, disks, envs, capabilities and
# devices of the caller.
docker_start() {
    local container image network item options=()
    container=$(docker_name "$1")
    image=$docker_image:$(recipe_digest)
    if [ -n "$systemd" ]; then
        docker_build_systemd
        image=$(docker_systemd_image)
        mapfile -t options < <(docker_systemd_options)
    fi
    docker rm -f -v "$container" > /dev/null 2>&1 || true
    network=${NODEAGENT_NETWORK:-$(docker image inspect --format '{{index .Config.Labels "nodeagent.network"}}' "$image")}
    while read -r item; do options+=(--env "$item"); done < <(node_environment)
    if [ "$network" = host ]; then
        if ! docker_is_running "$docker_repository"; then
            docker rm -f "$docker_repository" > /dev/null 2>&1 || true
            docker run -d --name "$docker_repository" --network host "$docker_image:$(recipe_digest)" > /dev/null
        fi
        options+=(--env NODE_CRAN=none)
    else
        options+=(--hostname "$1")
    fi
    for item in "${envs[@]}"; do options+=(--env "$item"); done
    for item in "${capabilities[@]}"; do options+=(--cap-add "$item"); done
    for item in "${devices[@]}"; do options+=(--device "$item"); done
    # Docker's filter of system calls forbids swapon also with this capability.
    case " ${capabilities[*]} " in *' SYS_ADMIN '*) options+=(--security-opt seccomp=unconfined) ;; esac
    for item in "${mounts[@]}" "${disks[@]}"; do options+=(--volume "$item"); done
    for item in "${tmpfs[@]}"; do options+=(--tmpfs "${item%:*}:rw,exec,mode=755,size=${item##*:}"); done
    docker run -d --name "$container" --label "$node_label=$1" --label "$clone_label=$clone" \
        --network "$network" "${options[@]}" "$image" > /dev/null
    if [ -n "$systemd" ]; then
        # The status of a degraded system is not 0. The next command reports a node that ended.
        docker exec "$container" systemctl is-system-running --wait > /dev/null 2>&1 || true
    fi
}

# docker_exec NAME: runs command (an array of the caller) with exec_envs, exec_user, exec_stdin and exec_tty.
docker_exec() {
    local item options=()
    [ -z "$exec_stdin" ] || options+=(--interactive)
    [ -z "$exec_tty" ] || options+=(--tty)
    [ -z "$exec_user" ] || options+=(--user "$exec_user")
    for item in "${exec_envs[@]}"; do options+=(--env "$item"); done
    docker exec "${options[@]}" "$(docker_name "$1")" "${command[@]}"
}

docker_list() {
    docker ps --filter "label=$node_label" --filter "label=$clone_label=$clone" --format "{{.Label \"$node_label\"}}"
}

docker_stop() {
    docker rm -f -v "$(docker_name "$1")" > /dev/null 2>&1 || true
    # The repository on the network of the machine serves the nodes of all clones.
    if [ -z "$(docker ps --quiet --filter "label=$node_label")" ]; then
        docker rm -f "$docker_repository" > /dev/null 2>&1 || true
    fi
}

docker_clean() {
    local name
    docker_list | while read -r name; do docker_stop "$name"; done
    { docker images --quiet "$docker_image-systemd" && docker images --quiet "$docker_image"; } | awk '!seen[$0]++' |
        xargs -r docker rmi -f > /dev/null
}
