//! Maps the output of builds to hints. Unknown output gets no hint.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;

use crate::exec::KILLED_HINT;

/// The remedy for a failed build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Debian packages to install.
    Apt(BTreeSet<String>),
    /// A text.
    Words(String),
}

/// The hint for a full disk.
pub(super) const FULL: &str = crate::fs::DISK_FULL;

/// Headers, or prefixes of their paths, and the Debian packages that contain them.
const HEADERS: [(&str, &str); 52] = [
    ("curl/*", "libcurl4-openssl-dev"),
    ("openssl/*", "libssl-dev"),
    ("sodium.h", "libsodium-dev"),
    ("uv.h", "libuv1-dev"),
    ("libxml/*", "libxml2-dev"),
    ("libxslt/*", "libxslt1-dev"),
    ("zlib.h", "zlib1g-dev"),
    ("bzlib.h", "libbz2-dev"),
    ("lzma.h", "liblzma-dev"),
    ("zstd.h", "libzstd-dev"),
    ("pcre2.h", "libpcre2-dev"),
    ("unicode/*", "libicu-dev"),
    ("readline/*", "libreadline-dev"),
    ("gdal*", "libgdal-dev"),
    ("geos_c.h", "libgeos-dev"),
    ("proj.h", "libproj-dev"),
    ("proj_api.h", "libproj-dev"),
    ("udunits2.h", "libudunits2-dev"),
    ("png.h", "libpng-dev"),
    ("jpeglib.h", "libjpeg-dev"),
    ("tiff*", "libtiff-dev"),
    ("webp/*", "libwebp-dev"),
    ("ft2build.h", "libfreetype-dev"),
    ("hb*", "libharfbuzz-dev"),
    ("fribidi*", "libfribidi-dev"),
    ("fontconfig/*", "libfontconfig1-dev"),
    ("cairo*", "libcairo2-dev"),
    ("X11/*", "libx11-dev"),
    ("GL/*", "libgl1-mesa-dev"),
    ("Magick++*", "libmagick++-dev"),
    ("librsvg/*", "librsvg2-dev"),
    ("poppler*", "libpoppler-cpp-dev"),
    ("sqlite3.h", "libsqlite3-dev"),
    ("libpq-fe.h", "libpq-dev"),
    ("mysql.h", "libmariadb-dev"),
    ("sql.h", "unixodbc-dev"),
    ("sqlext.h", "unixodbc-dev"),
    ("git2.h", "libgit2-dev"),
    ("libssh2.h", "libssh2-1-dev"),
    ("libssh/*", "libssh-dev"),
    ("gmp.h", "libgmp-dev"),
    ("mpfr.h", "libmpfr-dev"),
    ("gsl/*", "libgsl-dev"),
    ("glpk.h", "libglpk-dev"),
    ("fftw3.h", "libfftw3-dev"),
    ("hdf5.h", "libhdf5-dev"),
    ("netcdf.h", "libnetcdf-dev"),
    ("zmq.h", "libzmq3-dev"),
    ("google/protobuf/*", "libprotobuf-dev"),
    ("archive.h", "libarchive-dev"),
    ("sasl/*", "libsasl2-dev"),
    ("jni.h", "default-jdk"),
];

/// Libraries by their linker names, and the Debian packages that contain them.
const LIBRARIES: [(&str, &str); 38] = [
    ("z", "zlib1g-dev"),
    ("bz2", "libbz2-dev"),
    ("lzma", "liblzma-dev"),
    ("zstd", "libzstd-dev"),
    ("curl", "libcurl4-openssl-dev"),
    ("ssl", "libssl-dev"),
    ("crypto", "libssl-dev"),
    ("sodium", "libsodium-dev"),
    ("uv", "libuv1-dev"),
    ("xml2", "libxml2-dev"),
    ("pcre2-8", "libpcre2-dev"),
    ("icuuc", "libicu-dev"),
    ("icui18n", "libicu-dev"),
    ("icudata", "libicu-dev"),
    ("readline", "libreadline-dev"),
    ("gfortran", "gfortran"),
    ("quadmath", "gfortran"),
    ("blas", "libblas-dev"),
    ("lapack", "liblapack-dev"),
    ("gdal*", "libgdal-dev"),
    ("geos_c", "libgeos-dev"),
    ("proj", "libproj-dev"),
    ("udunits2", "libudunits2-dev"),
    ("png", "libpng-dev"),
    ("png16", "libpng-dev"),
    ("jpeg", "libjpeg-dev"),
    ("tiff*", "libtiff-dev"),
    ("freetype", "libfreetype-dev"),
    ("X11", "libx11-dev"),
    ("sqlite3", "libsqlite3-dev"),
    ("pq", "libpq-dev"),
    ("odbc", "unixodbc-dev"),
    ("git2", "libgit2-dev"),
    ("gmp", "libgmp-dev"),
    ("mpfr", "libmpfr-dev"),
    ("gsl", "libgsl-dev"),
    ("fftw3", "libfftw3-dev"),
    ("zmq", "libzmq3-dev"),
];

/// Programs that builds call, and the Debian packages that contain them.
const PROGRAMS: [(&str, &str); 20] = [
    ("gcc", "build-essential"),
    ("g++", "build-essential"),
    ("cc", "build-essential"),
    ("c++", "build-essential"),
    ("make", "build-essential"),
    ("gfortran", "gfortran"),
    ("cmake", "cmake"),
    ("pkg-config", "pkg-config"),
    ("autoconf", "autoconf"),
    ("automake", "automake"),
    ("cargo", "cargo"),
    ("rustc", "cargo"),
    ("java", "default-jdk"),
    ("curl-config", "libcurl4-openssl-dev"),
    ("xml2-config", "libxml2-dev"),
    ("gdal-config", "libgdal-dev"),
    ("geos-config", "libgeos-dev"),
    ("nc-config", "libnetcdf-dev"),
    ("gsl-config", "libgsl-dev"),
    ("pg_config", "libpq-dev"),
];

static HEADER: LazyLock<Regex> = LazyLock::new(|| regex(r"fatal error: ([^:\s]+): No such file or directory"));
static LIBRARY: LazyLock<Regex> = LazyLock::new(|| regex(r"cannot find -l([A-Za-z0-9_+.-]+?)(?::|\s|$)"));
static SHARED: LazyLock<Regex> =
    LazyLock::new(|| regex(r"lib([A-Za-z0-9_+-]+)\.so[.0-9]*: cannot open shared object file"));
static PROGRAM: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?m)^(?:make(?:\[\d+\])?: |.*: )?([A-Za-z0-9_+-]+): (?:not found|command not found|No such file or directory)\s*$",
    )
});
static ANTICONF: LazyLock<Regex> = LazyLock::new(|| regex(r"(?m)^\s*\*?\s*deb: +([a-z0-9][a-z0-9 .+-]*)"));
static LOCKED: LazyLock<Regex> = LazyLock::new(|| regex(r"Try removing ['‘]([^'’]+)['’]"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns above are tested")
}

/// The remedy for the output of a failed build.
pub(super) fn remedy(output: &str) -> Option<Remedy> {
    if let Some(found) = LOCKED.captures(output) {
        return Some(Remedy::Words(locked(&found[1])));
    }
    if output.contains("No space left on device") {
        return Some(Remedy::Words(FULL.into()));
    }
    // The second one is the message of a shell.
    if output.contains("Killed signal terminated program") || output.lines().any(|line| line.trim() == "Killed") {
        return Some(Remedy::Words(KILLED_HINT.into()));
    }
    let memory = ["virtual memory exhausted", "Cannot allocate memory"];
    if memory.iter().any(|words| output.contains(words)) {
        let words = "the compiler ran out of memory: take a larger node, or a repository that serves binary packages";
        return Some(Remedy::Words(words.into()));
    }
    let packages = apt_packages(output);
    (!packages.is_empty()).then_some(Remedy::Apt(packages))
}

/// The hint for a lock that another process holds or left behind.
pub(super) fn locked(lock: &str) -> String {
    format!("another R installation works in this library, or was killed; if none runs, remove `{lock}`")
}

fn apt_packages(output: &str) -> BTreeSet<String> {
    let exact = |table: &[(&str, &str)], name: &str| table.iter().find(|row| row.0 == name).map(|row| row.1.to_owned());
    let header = |name: &str| {
        let is_meant =
            |row: &&(&str, &str)| row.0.strip_suffix('*').map_or(name == row.0, |start| name.starts_with(start));
        let row = HEADERS.iter().find(is_meant);
        row.map(|row| row.1.to_owned())
    };
    let names = |pattern: &LazyLock<Regex>| -> Vec<String> {
        pattern.captures_iter(output).map(|found| found[1].to_owned()).collect()
    };
    let mut packages = BTreeSet::new();
    packages.extend(names(&HEADER).iter().filter_map(|name| header(name)));
    packages.extend(names(&LIBRARY).iter().chain(&names(&SHARED)).filter_map(|name| exact(&LIBRARIES, name)));
    if !packages.is_empty() {
        return packages;
    }
    // The package's own message is more reliable than a missing program, which its configure script may only have
    // probed.
    let own = ANTICONF.captures_iter(output).flat_map(|found| {
        found[1].split_whitespace().take_while(|&word| word != "or").map(str::to_owned).collect::<Vec<_>>()
    });
    packages.extend(own);
    if packages.is_empty() {
        packages.extend(names(&PROGRAM).iter().filter_map(|name| exact(&PROGRAMS, name)));
    }
    packages
}

/// Combines the remedies of several packages into one hint.
pub(super) fn combined(remedies: impl IntoIterator<Item = Remedy>) -> Option<String> {
    let (mut packages, mut words) = (BTreeSet::new(), Vec::new());
    for remedy in remedies {
        match remedy {
            Remedy::Apt(more) => packages.extend(more),
            Remedy::Words(more) if words.contains(&more) => {}
            Remedy::Words(more) => words.push(more),
        }
    }
    if !packages.is_empty() {
        let names: Vec<String> = packages.iter().map(|name| format!("\"{name}\"")).collect();
        words.insert(0, format!("add {} to `packages` under `[apt]`", names.join(", ")));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apt(log: &str) -> Vec<String> {
        match remedy(log) {
            Some(Remedy::Apt(packages)) => packages.into_iter().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_missing_header_gives_its_debian_package() {
        assert_eq!(apt("sodium.c:1:10: fatal error: sodium.h: No such file or directory"), ["libsodium-dev"]);
        assert_eq!(
            apt("./curl-common.h:1:10: fatal error: curl/curl.h: No such file or directory"),
            ["libcurl4-openssl-dev"]
        );
        assert_eq!(apt("httpuv.cpp:9:10: fatal error: uv.h: No such file or directory"), ["libuv1-dev"]);
        assert_eq!(apt("aes.c:3:10: fatal error: openssl/evp.h: No such file or directory"), ["libssl-dev"]);
        assert_eq!(apt("xml2_init.cpp:3:10: fatal error: libxml/parser.h: No such file or directory"), ["libxml2-dev"]);
        assert_eq!(apt("gdal.cpp:12:10: fatal error: gdal_priv.h: No such file or directory"), ["libgdal-dev"]);
        assert_eq!(apt("rpng.c:2:10: fatal error: png.h: No such file or directory"), ["libpng-dev"]);
    }

    #[test]
    fn a_missing_library_gives_its_debian_package() {
        assert_eq!(apt("/usr/bin/ld: cannot find -lsodium: No such file or directory"), ["libsodium-dev"]);
        assert_eq!(
            apt("/usr/bin/ld: cannot find -lz\n/usr/bin/ld: cannot find -lbz2\n/usr/bin/ld: cannot find -llzma"),
            ["libbz2-dev", "liblzma-dev", "zlib1g-dev"]
        );
        assert_eq!(
            apt("/usr/bin/ld: cannot find -lgfortran: No such file or directory\n/usr/bin/ld: cannot find -llapack"),
            ["gfortran", "liblapack-dev"]
        );
        let at_load = "unable to load shared object '/lib/00LOCK-sodium/00new/sodium/libs/sodium.so':\n  \
                       libsodium.so.23: cannot open shared object file: No such file or directory";
        assert_eq!(apt(at_load), ["libsodium-dev"]);
    }

    #[test]
    fn the_deb_named_by_a_configure_script_is_used() {
        assert_eq!(
            apt(" * deb: libcurl4-openssl-dev (Debian, Ubuntu, etc)\n * rpm: libcurl-devel"),
            ["libcurl4-openssl-dev"]
        );
        assert_eq!(
            apt(" * deb: libharfbuzz-dev libfribidi-dev (Debian, Ubuntu, etc)"),
            ["libfribidi-dev", "libharfbuzz-dev"]
        );
    }

    #[test]
    fn a_missing_program_gives_its_debian_package() {
        assert_eq!(apt("make: gcc: No such file or directory"), ["build-essential"]);
        assert_eq!(apt("make: g++: No such file or directory\nmake: *** [x.o] Error 127"), ["build-essential"]);
        assert_eq!(apt("sh: 1: make: not found"), ["build-essential"]);
        assert_eq!(apt("/bin/bash: line 1: gfortran: command not found"), ["gfortran"]);
        assert_eq!(apt("./configure: line 7: xml2-config: command not found"), ["libxml2-dev"]);
        assert_eq!(apt("./configure: 12: cmake: not found"), ["cmake"]);
    }

    #[test]
    fn memory_disk_and_lock_problems_have_hints() {
        let words = |log| match remedy(log) {
            Some(Remedy::Words(words)) => words,
            other => panic!("{other:?}"),
        };
        assert!(words("g++: fatal error: Killed signal terminated program cc1plus").contains("memory"));
        assert!(words("/tmp/ccX.s: No space left on device").contains("disk"));
        let lock = "ERROR: failed to lock directory ‘/x/lib’ for modifying\nTry removing ‘/x/lib/00LOCK-curl’";
        assert!(words(lock).ends_with("remove `/x/lib/00LOCK-curl`"));
    }

    #[test]
    fn unknown_output_has_no_hint() {
        assert_eq!(remedy("x.c:1:10: fatal error: inhouse/secret.h: No such file or directory"), None);
        assert_eq!(remedy("Error in parse(outFile) : unexpected symbol"), None);
        assert_eq!(remedy("/usr/bin/ld: cannot find -lacme"), None);
    }

    #[test]
    fn remedies_of_several_packages_are_combined() {
        let one = Remedy::Apt(["libuv1-dev".to_owned()].into());
        let two = Remedy::Apt(["libcurl4-openssl-dev".to_owned()].into());
        let hint = combined([one, two]).expect("a hint");
        assert_eq!(hint, "add \"libcurl4-openssl-dev\", \"libuv1-dev\" to `packages` under `[apt]`");
        assert_eq!(combined([]), None);
    }
}
