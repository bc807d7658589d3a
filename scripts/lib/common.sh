# shellcheck shell=bash disable=SC2034 # variables for the scripts that source this
# Shared by the scripts: paths, messages, packages of this machine, the digest of the node image's recipe, the base system.
#
# Sourced, never run. Sets: root (the source tree), target (all build output), state (the files of scripts/node), triple (the
# target of cargo), node_binary (the agent that scripts/test runs in nodes).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=$root/target
state=$target/node
host_certs=/usr/local/share/ca-certificates
triple=$(uname -m)-unknown-linux-gnu
node_binary=$target/$triple/node/nodeagent

say() { printf '%s\n' "$*" >&2; }
die() { # MESSAGE [STATUS]
    say "error: $1"
    exit "${2:-1}"
}
have() { command -v "$1" > /dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

# link_statically: cargo links the C library into every program from here on. Such a binary runs on any Linux of this
# processor, whatever C library that has. Only the programs of the target are concerned, not build scripts and macros.
link_statically() { export CARGO_BUILD_TARGET=$triple RUSTFLAGS="-C target-feature=+crt-static"; }

# quietly NAME COMMAND...: runs a command and shows its output only if it fails. The output goes to target/NAME.log.
quietly() {
    local log=$target/$1.log began=$SECONDS
    shift
    mkdir -p "$target"
    "$@" > "$log" 2>&1 || {
        tail -n 30 "$log" >&2
        die "\`$*\` failed; its whole output is in ${log#"$root/"}"
    }
    say "    done in $((SECONDS - began)) s"
}

# install_packages PACKAGE...: installs with apt; false without the right to do so, and when apt fails. Scripts that run at the
# same time install one after the other.
install_packages() {
    is_root && have apt-get || return 1
    say "installing on this machine, with apt-get: $*"
    mkdir -p "$target"
    (
        flock 8
        apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
    ) > "$target/apt.log" 2>&1 8> "$target/apt.lock" || {
        tail -n 20 "$target/apt.log" >&2
        return 1
    }
}

# have_compiler: makes sure of a C compiler and of cargo.
have_compiler() {
    have cc || install_packages gcc libc6-dev cmake make || die "a C compiler is needed: install gcc"
    have cargo || die "Rust is needed: see https://rustup.rs"
}

# host_certificates: the extra certificates of this machine, one path a line.
host_certificates() {
    [ -d "$host_certs" ] || return 0
    find -L "$host_certs" -name '*.crt' -type f | LC_ALL=C sort
}

# digest_of PATH...: one digest of the names and contents of files and folders in the source tree.
digest_of() {
    (cd "$root" && find "$@" -type f ! -path '*/certs/*.crt' ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) |
        sha256sum | cut -c 1-16
}

# recipe_step SCRIPT: the title of a script of the node image, from its second line.
recipe_step() { sed -n '2s/^# Node image, //p' "$root/tests/image/$1"; }

# recipe_digest: changes with everything that decides the content of a node image.
recipe_digest() {
    {
        digest_of Dockerfile.test tests/image
        host_certificates | tr '\n' '\0' | xargs -0 -r sha256sum
        printf '%s %s\n' "${BASE_IMAGE:-}" "$(uname -m)"
    } | sha256sum | cut -c 1-16
}

# node_environment: the environment of every command in a node, KEY=value, one a line.
node_environment() {
    local bundle=/etc/ssl/certs/ca-certificates.crt
    grep -v '^#' "$root/tests/image/node.env"
    if [ -n "$(host_certificates)" ]; then
        # Tools with their own list of authorities do not read the system's list.
        printf '%s\n' "SSL_CERT_FILE=$bundle" "PIP_CERT=$bundle" "REQUESTS_CA_BUNDLE=$bundle"
    fi
}

# bootstrap_debian: makes a minimal Debian by debootstrap, as an archive of which both engines make their base, and prints the
# archive's path. Needs only Debian's archive.
bootstrap_debian() {
    local suite=${NODE_SUITE:-bookworm} keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    local mirror=${NODE_MIRROR:-} security dir=$state/debian archive
    archive=$state/debian-$suite.tar
    if [ -f "$archive" ]; then
        printf '%s' "$archive"
        return
    fi
    is_root || die "the base system is built with debootstrap, which needs root"
    if ! have debootstrap || [ ! -f "$keyring" ]; then
        install_packages debootstrap debian-archive-keyring || die "the base system is built with debootstrap: install debootstrap and debian-archive-keyring"
    fi
    say "building a minimal Debian $suite with debootstrap (1 to 2 minutes)"
    rm -rf "$dir.part"
    mkdir -p "$dir.part"
    debootstrap --variant=minbase --keyring="$keyring" "$suite" "$dir.part" ${mirror:+"$mirror"} > "$dir.log" 2>&1 || {
        tail -n 20 "$dir.log" >&2
        die "debootstrap failed; its whole output is in $dir.log"
    }
    # Without a mirror as an argument, debootstrap chooses one and records it.
    mirror=$(awk '$1 == "deb" { print $2; exit }' "$dir.part/etc/apt/sources.list")
    security=${NODE_MIRROR_SECURITY:-${mirror%/}-security}
    rm -rf "$dir.part"/etc/apt/sources.list "$dir.part"/var/cache/apt/archives/*.deb "$dir.part"/var/lib/apt/lists/*_*
    cat > "$dir.part/etc/apt/sources.list.d/debian.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite $suite-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: $security
Suites: $suite-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    # debootstrap copies these from the machine it runs on.
    : > "$dir.part/etc/resolv.conf"
    echo localhost > "$dir.part/etc/hostname"
    tar -C "$dir.part" --numeric-owner -cf "$archive.part" .
    mv "$archive.part" "$archive"
    rm -rf "$dir.part" "$dir.log"
    printf '%s' "$archive"
}
