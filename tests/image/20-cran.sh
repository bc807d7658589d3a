#!/usr/bin/env bash
# Node image, step 2: a small CRAN at /srv/cran, made of Debian's packages: all that plumber needs.
#
# Mixed as Posit's package manager mixes: sources where Debian's archive has the source, and for the rest binary packages
# (installed trees taken out of the r-cran-* debs, known by the `Built` field of the index).
# Runs as root in a throw-away copy of the system of step 1, of which only /srv/cran is kept; may be run twice.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# CRAN names. The archive has not every source of its own suite; sodium's is there in the next one.
sources=(cli crayon curl digest ellipsis glue httpuv jsonlite later lifecycle magrittr mime R6 Rcpp stringi withr yaml)
newer_sources=(sodium)
newer_suite=trixie
binaries=(BH fastmap plumber promises rlang swagger webutils)

contrib=/srv/cran/src/contrib
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$contrib"

# archive DIR NAME: DIR/<package> as a tar.gz that is the same bytes each time, with links followed.
archive() {
    tar -C "$1" -ch --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner "${2%%_*}" | gzip -n -6 > "$contrib/$2"
}
field() { # FILE FIELD: one field of a DESCRIPTION
    sed -n "s/^$2:[[:space:]]*//p" "$1" | tr -d '\r'
}

# source_package NAME SUITE: NAME's CRAN tarball from Debian's source package, into the repository; 1 if it is not there.
source_package() {
    local name=$1 dir=$work/source-$1 tree=$work/source-$1/tree/$1 patch
    mkdir -p "$tree"
    chmod 777 "$dir"
    # Debian's own part is sometimes missing where CRAN's is there: then apt fails, and has fetched what counts.
    (cd "$dir" && apt-get source -q --download-only "r-cran-${name,,}/$2") > "$dir/log" 2>&1 || true
    [ -n "$(find "$dir" -maxdepth 1 -name '*.orig.tar.*')" ] || return 1
    tar -C "$tree" --strip-components=1 -xf "$(find "$dir" -maxdepth 1 -name '*.orig.tar.*' ! -name '*.asc')"
    if [ -n "$(find "$dir" -maxdepth 1 -name '*.debian.tar.*')" ]; then
        tar -C "$dir" -xf "$(find "$dir" -maxdepth 1 -name '*.debian.tar.*')" debian
    fi
    if [ -f "$dir/debian/patches/series" ]; then
        while read -r patch _; do
            case $patch in '' | '#'*) continue ;; esac
            # Patches also touch what was dropped from the archive; those hunks fail, and do not matter.
            patch -d "$tree" -p1 -s -f -r - < "$dir/debian/patches/$patch" > /dev/null || true
        done < "$dir/debian/patches/series"
    fi
    rm -rf "$tree"/{vignettes,build,inst/doc,tests,MD5,.pc}
    find "$tree" -name '*.orig' -delete
    archive "$dir/tree" "${name}_$(field "$tree/DESCRIPTION" Version).tar.gz"
}

# binary_package NAME: the installed tree out of Debian's binary package, into the repository.
binary_package() {
    local name=$1 dir=$work/binary-$1 tree
    mkdir -p "$dir"
    chmod 777 "$dir"
    (cd "$dir" && apt-get download -q "r-cran-${name,,}") > "$dir/log" 2>&1 || {
        cat "$dir/log" >&2
        return 1
    }
    dpkg-deb -x "$dir"/*.deb "$dir/root"
    tree=$dir/root/usr/lib/R/site-library
    archive "$tree" "${name}_$(field "$tree/$name/DESCRIPTION" Version).tar.gz"
}

# Sources of this suite, and of the next one (its sources only: nothing can be installed from it).
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
find /etc/apt/sources.list.d -name '*.sources' -exec sed -i 's/^Types: deb$/Types: deb deb-src/' {} +
if [ -s /etc/apt/sources.list ]; then
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > /etc/apt/sources.list.d/node-image.list
fi
# shellcheck disable=SC2016 # apt's own fields
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $suite" 'Component: main' | head -n 1)
printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$newer_suite" \
    > /etc/apt/sources.list.d/node-image-newer.list
apt-get update -q
apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-unsafe-io patch xz-utils bzip2

take() { # NAME SUITE
    if source_package "$1" "$2"; then
        echo "source $1"
    else
        echo "source $1: not in the archive, taking the binary package"
        binary_package "$1"
    fi
}
for name in "${sources[@]}"; do take "$name" "$suite"; done
for name in "${newer_sources[@]}"; do take "$name" "$newer_suite"; done
for name in "${binaries[@]}"; do
    binary_package "$name"
    echo "binary $name"
done
