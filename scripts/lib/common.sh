# shellcheck shell=bash
# Shared by the scripts: where things are, how they speak, the digest of the node image's recipe, the base system.
#
# Sourced, never run. Sets: root (the source tree), target (where everything built goes), state (what scripts/node keeps).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=$root/target
# shellcheck disable=SC2034 # used by those who source this
state=$target/node
host_certs=/usr/local/share/ca-certificates

say() { printf '%s\n' "$*" >&2; }
die() { # MESSAGE [STATUS]
    say "error: $1"
    exit "${2:-1}"
}
have() { command -v "$1" > /dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

# quietly NAME COMMAND...: runs a command whose output nobody needs unless it fails. All of it goes to target/NAME.log.
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

# install_packages PACKAGE...: with apt, where we may; false where we may not or it failed.
install_packages() {
    is_root && have apt-get || return 1
    say "installing on this machine, with apt-get: $*"
    mkdir -p "$target"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; } \
        > "$target/apt.log" 2>&1 || {
        tail -n 20 "$target/apt.log" >&2
        return 1
    }
}

# host_certificates: the extra certificates of this machine, one path a line; nothing when there are none.
host_certificates() {
    [ -d "$host_certs" ] || return 0
    find -L "$host_certs" -name '*.crt' -type f | LC_ALL=C sort
}

# digest_of PATH...: one digest for the names and contents of files and folders of the source tree.
digest_of() {
    (cd "$root" && find "$@" -type f ! -path '*/certs/*.crt' ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) |
        sha256sum | cut -c 1-16
}

# recipe_step SCRIPT: what a script of the node image makes, in the words of its own second line.
recipe_step() { sed -n '2s/^# Node image, //p' "$root/tests/image/$1"; }

# recipe_digest: changes when a newly built node image would come out different.
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
        # Tools that bring their own list of authorities do not look at the system's.
        printf '%s\n' "SSL_CERT_FILE=$bundle" "PIP_CERT=$bundle" "REQUESTS_CA_BUNDLE=$bundle"
    fi
}

# bootstrap_debian DIR: a minimal Debian in DIR, by debootstrap. Needs nothing but Debian's archive.
bootstrap_debian() {
    local dir=$1 suite=${NODE_SUITE:-bookworm} keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    local mirror=${NODE_MIRROR:-} security
    is_root || die "a base system is made with debootstrap, which needs root"
    if ! have debootstrap || [ ! -f "$keyring" ]; then
        install_packages debootstrap debian-archive-keyring || die "a base system is made with debootstrap: install it and debian-archive-keyring"
    fi
    say "making a minimal Debian $suite with debootstrap (1 to 2 minutes)"
    rm -rf "$dir" "$dir.part"
    mkdir -p "$dir.part"
    debootstrap --variant=minbase --keyring="$keyring" "$suite" "$dir.part" ${mirror:+"$mirror"} > "$dir.log" 2>&1 || {
        tail -n 20 "$dir.log" >&2
        die "debootstrap failed; all it said is in $dir.log"
    }
    # debootstrap writes down which mirror it took where none was named.
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
    mv "$dir.part" "$dir"
}
