#!/usr/bin/env bash
# Node image, step 3: tiny packages for quick tests (r-packages/) join the repository, and its index is written.
#
#   tinypure       pure R: 1.0 and 1.1 in the index, 0.9 in CRAN's Archive folder
#   tinyc          one C file, imports and links to tinypure
#   needslib       wants sodium.h and -lsodium: fails to build until libsodium-dev is there
#   needsneedslib  imports needslib
#   tinybin        served as a binary package
# Runs as root after step 2, in the same throw-away system; may be run twice.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LC_ALL=C
contrib=/srv/cran/src/contrib
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$here/r-packages" "$work/packages"
mkdir -p "$contrib/Archive/tinypure" "$work/library"

# build PACKAGE DIR [VERSION]: a source archive of one package into DIR.
build() {
    local copy
    copy=$(mktemp -d -p "$work")
    cp -r "$work/packages/$1" "$copy/"
    if [ -n "${3:-}" ]; then
        sed -i "s/^Version:.*/Version: $3/" "$copy/$1/DESCRIPTION"
    fi
    (cd "$2" && R CMD build --no-build-vignettes --no-manual "$copy/$1" > "$work/log" 2>&1) || { cat "$work/log" >&2; return 1; }
}
build tinypure "$contrib/Archive/tinypure" 0.9
build tinypure "$contrib" 1.0
build tinypure "$contrib" 1.1
build tinyc "$contrib"
build needslib "$contrib"
build needsneedslib "$contrib"

cp -r "$work/packages/tinybin" "$work/"
(cd "$work" && R CMD INSTALL --build --library="$work/library" tinybin)
mv "$work"/tinybin_*_R_*.tar.gz "$contrib/tinybin_1.0.tar.gz"

# `Built` tells binaries from sources. latestOnly would hide tinypure 1.0.
Rscript --vanilla - "$contrib" <<'R'
dir <- commandArgs(TRUE)[1]
unlink(file.path(dir, c("PACKAGES", "PACKAGES.gz", "PACKAGES.rds")))
tools::write_PACKAGES(dir, type = "source", fields = "Built", latestOnly = FALSE)
index <- read.dcf(file.path(dir, "PACKAGES"))
stopifnot(!is.na(index[, "MD5sum"]))
wanted <- unlist(tools::package_dependencies("plumber", index, which = c("Depends", "Imports", "LinkingTo"), recursive = TRUE))
base <- rownames(installed.packages(priority = "base"))
missing <- setdiff(c("plumber", wanted), c(index[, "Package"], base))
if (length(missing)) stop("not in the repository, though plumber needs it: ", paste(missing, collapse = ", "))
cat(nrow(index), "packages,", sum(!is.na(index[, "Built"])), "of them binary\n")
R
