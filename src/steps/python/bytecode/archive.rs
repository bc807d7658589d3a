//! The byte code of one distribution, packed and put beside its modules. A file of byte code begins with 16 bytes: what made
//! it, a word of flags, and time and size of the source that it counts for (PEP 552). The time is that of the node.

use std::{
    collections::BTreeMap,
    fs::Metadata,
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Component, Path, PathBuf},
};

use zstd::zstd_safe::DCtx;

use crate::{
    facts::python::{Distribution, byte_code},
    fs::{self, Attributes, FsError, Limits, Partial},
};

/// Where the words of the header are: flags, time, size; what is behind them is code.
const FLAGS: std::ops::Range<usize> = 4..8;
const TIME: std::ops::Range<usize> = 8..12;
const SIZE: std::ops::Range<usize> = 12..16;
/// How hard zstd tries: it is packed while a run is going on.
const LEVEL: i32 = 3;
/// The most that the byte code of one distribution may be.
const LIMITS: Limits = Limits { bytes: 1 << 30, entries: 200_000 };

/// The modules of a distribution: each byte code's name below its folder, with the module it is of.
pub(super) fn modules(found: &Distribution, interpreter: &str) -> io::Result<BTreeMap<PathBuf, PathBuf>> {
    let files = found.files()?.into_iter().map(|file| PathBuf::from(file.path));
    // Scripts lie elsewhere, and are not imported.
    let below = files.filter(|path| path.components().all(|part| matches!(part, Component::Normal(_))));
    Ok(below.filter_map(|path| Some((byte_code(&path, interpreter)?, path))).collect())
}

/// Packs the byte code that is there. Says whether there is any.
pub(super) fn pack(below: &Path, modules: &BTreeMap<PathBuf, PathBuf>, to: &Path) -> Result<bool, FsError> {
    let names: Vec<PathBuf> = modules.keys().filter(|code| below.join(code).is_file()).cloned().collect();
    if names.is_empty() {
        return Ok(false);
    }
    fs::pack_to(below, &names, LEVEL, to).map(|_| true)
}

/// Puts packed byte code beside the modules it is of, in the place of what may be there. What is of none of them, or was
/// made of another source, is an error; what came before it stays, and counts.
pub(super) fn put(archive: &Path, below: &Path, modules: &BTreeMap<PathBuf, PathBuf>) -> Result<(), FsError> {
    let mut context = DCtx::create();
    let packed = fs::open_packed(archive, &mut context).map_err(|source| FsError::Io {
        path: archive.to_owned(),
        verb: "read",
        source,
    })?;
    fs::each_file(packed, below, LIMITS, |name, code| {
        let module = modules.get(name).ok_or_else(|| io::Error::other("it is of none of the modules"))?;
        let source = below.join(module).symlink_metadata()?;
        let header = header(code, &source).map_err(io::Error::other)?;
        let attributes = Attributes::mode(source.permissions().mode() & 0o777 | 0o200);
        let mut partial = Partial::create(&below.join(name), attributes).map_err(io::Error::other)?;
        partial.write(&header).and_then(|()| partial.write(&code[header.len()..])).map_err(io::Error::other)?;
        partial.commit_unsynced().map_err(io::Error::other)
    })
}

/// The header with which code counts for this source.
fn header(code: &[u8], source: &Metadata) -> Result<[u8; 16], &'static str> {
    let mut header: [u8; 16] = code.get(..16).and_then(|first| first.try_into().ok()).ok_or("it has no header")?;
    if header[FLAGS] != [0; 4] {
        return Err("it does not go by the time of its source");
    }
    if !source.is_file() || header[SIZE] != word(source.size()) {
        return Err("its source had another size");
    }
    header[TIME].copy_from_slice(&word(source.mtime().cast_unsigned()));
    Ok(header)
}

/// The lowest 32 bits, the lowest first.
fn word(number: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = number.to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an interpreter would write for a source of this size, made at another time.
    fn code(size: u32) -> Vec<u8> {
        [&[0xa7, 0x0d, 0x0d, 0x0a, 0, 0, 0, 0][..], &7_u32.to_le_bytes(), &size.to_le_bytes(), b"marshalled"].concat()
    }

    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new() -> Self {
            let bench = Self(tempfile::tempdir().expect("a temporary folder"));
            bench.write("x-1.dist-info/METADATA", b"Name: x\nVersion: 1\n");
            bench.write("x-1.dist-info/RECORD", b"x/a.py,,\nx/b.txt,,\n../../../bin/run.py,,\n/etc/c.py,,\n");
            bench.write("x/a.py", b"hello");
            bench
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            fs::replace(&self.path(name), bytes, Attributes::mode(0o644)).expect("written");
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn modules(&self) -> BTreeMap<PathBuf, PathBuf> {
            let env = crate::facts::python::Distribution {
                name: "x".into(),
                version: "1".into(),
                requires: Vec::new(),
                folder: self.path("x-1.dist-info"),
                is_whole: true,
            };
            modules(&env, "cpython-311").expect("readable")
        }

        /// Packs what another node has.
        fn packed(&self, files: &[(&str, &[u8])]) -> PathBuf {
            let other = tempfile::tempdir().expect("a temporary folder");
            let names: Vec<PathBuf> = files.iter().map(|(name, _)| PathBuf::from(name)).collect();
            for (name, bytes) in files {
                fs::replace(&other.path().join(name), bytes, Attributes::mode(0o644)).expect("written");
            }
            let archive = self.path("archive");
            fs::pack_to(other.path(), &names, LEVEL, &archive).expect("packed");
            archive
        }

        fn refused(&self, files: &[(&str, &[u8])]) -> String {
            let error = put(&self.packed(files), self.0.path(), &self.modules()).expect_err("refused");
            std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
        }
    }

    const CODE: &str = "x/__pycache__/a.cpython-311.pyc";

    #[test]
    fn only_modules_below_the_folder_have_byte_code() {
        let expected = [(PathBuf::from(CODE), PathBuf::from("x/a.py"))];
        assert_eq!(Bench::new().modules(), expected.into());
    }

    #[test]
    fn byte_code_counts_for_the_source_that_is_here() {
        let bench = Bench::new();
        put(&bench.packed(&[(CODE, &code(5))]), bench.0.path(), &bench.modules()).expect("put");
        let written = std::fs::read(bench.path(CODE)).expect("there");
        let time = bench.path("x/a.py").metadata().expect("there").mtime();
        assert_eq!(written[TIME], word(time.cast_unsigned()));
        assert_eq!((&written[..8], &written[12..]), (&code(5)[..8], &code(5)[12..]), "all else is as it was");
        // What is packed again is found where it is.
        let again = bench.path("again");
        assert!(pack(bench.0.path(), &bench.modules(), &again).expect("packed") && again.is_file());
        assert!(!pack(&bench.path("nowhere"), &bench.modules(), &again).expect("nothing to pack"));
    }

    #[test]
    fn byte_code_of_something_else_is_refused_by_the_check_that_is_for_it() {
        let bench = Bench::new();
        let unchecked = {
            let mut code = code(5);
            code[4] = 1;
            code
        };
        for (files, words) in [
            (vec![(CODE, code(6))], "its source had another size"),
            (vec![(CODE, b"short".to_vec())], "it has no header"),
            (vec![(CODE, unchecked)], "it does not go by the time of its source"),
            (vec![("x/__pycache__/b.cpython-311.pyc", code(5))], "it is of none of the modules"),
            (vec![("evil.pth", b"import evil".to_vec())], "it is of none of the modules"),
            (vec![("x/a.py", b"evil!".to_vec())], "it is of none of the modules"),
        ] {
            let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
            assert_eq!(bench.refused(&files), words, "{files:?}");
        }
        assert_eq!(std::fs::read(bench.path("x/a.py")).expect("there"), b"hello");
        assert!(!bench.path(CODE).exists());
    }

    #[test]
    fn a_module_that_is_a_link_gets_no_byte_code() {
        let bench = Bench::new();
        bench.write("elsewhere", b"hello");
        fs::remove(&bench.path("x/a.py")).expect("removed");
        std::os::unix::fs::symlink(bench.path("elsewhere"), bench.path("x/a.py")).expect("made");
        assert_eq!(bench.refused(&[(CODE, &code(5))]), "its source had another size");
    }
}
