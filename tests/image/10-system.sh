#!/usr/bin/env bash
# Node image, step 1: what the runtime has from Debian: Python, R, compilers, the tools of a shell script.
#
# Left out on purpose, so that a profile has something to install: jq and the headers of libcurl, libuv and libsodium.
# Runs as root inside the image (Dockerfile.test or the chroot engine of scripts/node); may be run twice.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# A container image and a debootstrapped root shall behave alike: both become a plain Debian without the tweaks that
# image makers add (packages thrown out of apt's cache, no fsync), and no service starts inside either.
rm -f /etc/apt/apt.conf.d/docker-* /etc/dpkg/dpkg.cfg.d/docker-apt-speedup
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
cat > /etc/apt/apt.conf.d/90node-image <<'CONF'
Acquire::Languages "none";
Acquire::Retries "3";
CONF
cat > /etc/dpkg/dpkg.cfg.d/90node-image <<'CONF'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
CONF

apt_install() {
    apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "$@"
}
apt-get update -q
apt_install ca-certificates

mkdir -p /usr/local/share/ca-certificates
if [ -n "${EXTRA_CERTS:-}" ]; then
    printf '%s\n' "$EXTRA_CERTS" > /usr/local/share/ca-certificates/extra-build-arg.crt
fi
if [ -d "$here/certs" ]; then
    find "$here/certs" -name '*.crt' -exec cp -t /usr/local/share/ca-certificates/ {} +
fi
update-ca-certificates

apt_install \
    curl less procps \
    python3 python3-venv \
    r-base-core \
    gcc g++ gfortran make pkg-config \
    libblas-dev liblapack-dev libbz2-dev libicu-dev liblzma-dev libpcre2-dev libreadline-dev zlib1g-dev

# The lists stay, as on a runtime; the archives go.
apt-get clean
