//! Packs and restores the byte code of one distribution. A byte code file starts with a header of 16 bytes: magic
//! number, flags, and modification time and size of the source (PEP 552). The time is that of the source on the node.

use std::{
    collections::BTreeMap,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Component, Path, PathBuf},
};

use zstd::zstd_safe::DCtx;

use crate::{
    facts::python::{Distribution, RecordEntry, bytecode_path},
    fs::{self, Attributes, FsError, Limits, PartialFile},
};

/// The positions of flags, time and size in the header.
const FLAGS: std::ops::Range<usize> = 4..8;
const TIME: std::ops::Range<usize> = 8..12;
const SIZE: std::ops::Range<usize> = 12..16;
/// The zstd level. Archives are packed during a run, so speed and low memory use matter.
const LEVEL: i32 = 1;
/// The size limits for the byte code of one distribution.
const LIMITS: Limits = Limits { bytes: 1 << 30, entries: 200_000 };

/// The modules of a distribution, by the paths of their byte code below its folder.
pub(super) type Modules = BTreeMap<PathBuf, RecordEntry>;

/// Why byte code was not restored.
#[derive(Debug)]
pub(super) enum RestoreError {
    /// The archive is invalid.
    Archive(FsError),
    /// The archive cannot be restored on this node.
    Node(FsError),
}

/// The modules of a distribution.
pub(super) fn modules(found: &Distribution, interpreter: &str) -> io::Result<Modules> {
    // Scripts are outside this folder and are not imported.
    let is_below = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    let files = found.files()?.into_iter().filter(|file| is_below(Path::new(&file.path)));
    Ok(files.filter_map(|file| Some((bytecode_path(Path::new(&file.path), interpreter)?, file))).collect())
}

/// Packs byte code with the time removed from its headers, so that equal code gives equal archives. Returns `false`
/// without a usable archive if a module has no valid byte code or differs from the distribution's.
pub(super) fn pack(below: &Path, modules: &Modules, to: &Path) -> Result<bool, FsError> {
    if modules.is_empty() || !modules.iter().all(|(code, module)| is_valid(below, code, module)) {
        return Ok(false);
    }
    let timeless = modules.keys().map(|name| {
        let mut code = std::fs::read(below.join(name))?;
        code.get_mut(TIME).ok_or(io::ErrorKind::UnexpectedEof)?.fill(0);
        Ok((name.clone(), code))
    });
    fs::compress_contents(timeless, LEVEL, to)?;
    // An archive that would be refused is not stored.
    Ok(check(to, (below, modules), &mut DCtx::create()).is_ok())
}

/// Whether byte code exists, has a supported header and belongs to the installed module.
fn is_valid(below: &Path, code: &Path, module: &RecordEntry) -> bool {
    let read = || -> io::Result<bool> {
        let source = below.join(&module.path).symlink_metadata()?;
        let mut first = [0; 16];
        File::open(below.join(code))?.read_exact(&mut first)?;
        Ok(header(first, &source).is_ok_and(|header| header == first) && module.matches_record(below)?)
    };
    read().unwrap_or_default()
}

/// Restores packed byte code beside its modules and replaces existing byte code. Nothing is written if any file
/// belongs to no module or to another source. Stops when cancelled.
pub(super) fn restore(
    archive: &Path,
    (below, modules): (&Path, &Modules),
    context: &mut DCtx<'static>,
    is_cancelled: impl Fn() -> bool,
) -> Result<(), RestoreError> {
    check(archive, (below, modules), context).map_err(RestoreError::Archive)?;
    // Two distributions may contain the same file. The installed one must match.
    for module in modules.values() {
        let same = module
            .matches_record(below)
            .and_then(|same| if same { Ok(()) } else { Err(io::Error::other("the module differs from the wheel's")) });
        same.map_err(|source| {
            RestoreError::Node(FsError::Io { path: below.join(&module.path), verb: "read", source })
        })?;
    }
    let putting = open(archive, context).and_then(|packed| {
        fs::read_archive(packed, below, LIMITS, |name, _, packed| {
            if is_cancelled() {
                return Err(io::Error::other("the step was cancelled"));
            }
            let (source, header) = header_for_module((below, modules), name, packed)?;
            // The same mode that Python uses.
            let attributes = Attributes::mode(source.permissions().mode() & 0o666 | 0o200);
            let mut partial = PartialFile::create(&below.join(name), attributes).map_err(io::Error::other)?;
            partial.write(&header).map_err(io::Error::other)?;
            io::copy(packed, &mut partial)?;
            partial.commit_unsynced().map_err(io::Error::other)
        })
    });
    putting.map_err(RestoreError::Node)
}

/// Reads a whole archive and checks that all of it is byte code of present modules of the same size.
fn check(archive: &Path, of: (&Path, &Modules), context: &mut DCtx<'static>) -> Result<(), FsError> {
    fs::read_archive(open(archive, context)?, of.0, LIMITS, |name, _, packed| {
        header_for_module(of, name, packed).map(drop)
    })
}

fn open<'a>(archive: &Path, context: &'a mut DCtx<'static>) -> Result<impl Read + 'a, FsError> {
    let unread = |source| FsError::Io { path: archive.to_owned(), verb: "read", source };
    fs::open_compressed(archive, context).map_err(unread)
}

/// The source of packed byte code, and the header for it on this node.
fn header_for_module(
    (below, modules): (&Path, &Modules),
    name: &Path,
    packed: &mut dyn Read,
) -> io::Result<(Metadata, [u8; 16])> {
    let module = modules.get(name).ok_or_else(|| io::Error::other("it belongs to no module"))?;
    let source = below.join(&module.path).symlink_metadata()?;
    let mut first = [0; 16];
    packed.read_exact(&mut first).map_err(|_| io::Error::other("it has no header"))?;
    let header = header(first, &source).map_err(io::Error::other)?;
    Ok((source, header))
}

/// The header that makes byte code valid for this source.
fn header(first: [u8; 16], source: &Metadata) -> Result<[u8; 16], &'static str> {
    let mut header = first;
    if header[FLAGS] != [0; 4] {
        return Err("it is not timestamp-based");
    }
    if !source.is_file() || header[SIZE] != word(source.size()) {
        return Err("its source had another size");
    }
    header[TIME].copy_from_slice(&word(source.mtime().cast_unsigned()));
    Ok(header)
}

/// The lowest 32 bits in little-endian order.
fn word(number: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = number.to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    /// Byte code as an interpreter writes it for a source of this size, with another time.
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

        fn modules(&self) -> Modules {
            let env = crate::facts::python::Distribution {
                name: "x".into(),
                version: "1".into(),
                requires: Vec::new(),
                folder: self.path("x-1.dist-info"),
                is_complete: true,
            };
            modules(&env, "cpython-311").expect("readable")
        }

        /// Packs files as on another node.
        fn packed(&self, files: &[(&str, &[u8])]) -> PathBuf {
            let other = tempfile::tempdir().expect("a temporary folder");
            let names: Vec<PathBuf> = files.iter().map(|(name, _)| PathBuf::from(name)).collect();
            for (name, bytes) in files {
                fs::replace(&other.path().join(name), bytes, Attributes::mode(0o644)).expect("written");
            }
            let archive = self.path("archive");
            fs::compress_files(other.path(), &names, LEVEL, &archive).expect("packed");
            archive
        }

        fn restore(&self, archive: &Path) -> Result<(), RestoreError> {
            restore(archive, (self.0.path(), &self.modules()), &mut DCtx::create(), || false)
        }

        fn refused(&self, files: &[(&str, &[u8])]) -> String {
            let Err(RestoreError::Archive(error)) = self.restore(&self.packed(files)) else {
                panic!("it is the archive's fault")
            };
            error.source().map(ToString::to_string).unwrap_or_default()
        }
    }

    const CODE: &str = "x/__pycache__/a.cpython-311.pyc";

    #[test]
    fn only_modules_below_the_folder_are_included() {
        let module = RecordEntry { path: "x/a.py".into(), sha256: None };
        assert_eq!(Bench::new().modules(), [(PathBuf::from(CODE), module)].into());
    }

    #[test]
    fn restored_byte_code_is_valid_for_the_source_on_the_node() {
        let bench = Bench::new();
        bench.restore(&bench.packed(&[(CODE, &code(5))])).expect("put");
        let written = std::fs::read(bench.path(CODE)).expect("there");
        let time = bench.path("x/a.py").metadata().expect("there").mtime();
        assert_eq!(written[TIME], word(time.cast_unsigned()));
        assert_eq!((&written[..8], &written[12..]), (&code(5)[..8], &code(5)[12..]), "all else is as it was");
        assert_eq!(bench.path(CODE).metadata().expect("there").mode() & 0o777, 0o644);
    }

    #[test]
    fn only_valid_byte_code_is_packed_and_archives_are_reproducible() {
        let (one, two) = (Bench::new(), Bench::new());
        let packed = |bench: &Bench| {
            let to = bench.path("packed");
            pack(bench.0.path(), &bench.modules(), &to).expect("readable").then(|| std::fs::read(to).expect("there"))
        };
        assert_eq!(packed(&one), None, "nothing is compiled");
        one.write(CODE, &code(5));
        assert_eq!(packed(&one), None, "it is of another time");
        for bench in [&one, &two] {
            bench.restore(&bench.packed(&[(CODE, &code(5))])).expect("put");
        }
        let past = std::time::UNIX_EPOCH + std::time::Duration::from_secs(99);
        File::open(two.path("x/a.py")).and_then(|file| file.set_modified(past)).expect("set");
        assert_eq!(packed(&two), None, "its source has another time now");
        two.restore(&two.packed(&[(CODE, &code(5))])).expect("put");
        let archive = packed(&one);
        assert!(archive.is_some() && archive == packed(&two), "whenever the sources were installed");
    }

    #[test]
    fn a_module_of_another_distribution_is_neither_packed_nor_restored() {
        let bench = Bench::new();
        bench.restore(&bench.packed(&[(CODE, &code(5))])).expect("put");
        bench.write("x-1.dist-info/RECORD", b"x/a.py,sha256=another,5\n");
        assert!(!pack(bench.0.path(), &bench.modules(), &bench.path("packed")).expect("readable"));
        let put = bench.restore(&bench.packed(&[(CODE, &code(5))]));
        assert!(matches!(put, Err(RestoreError::Node(_))), "the archive may be right: {put:?}");
    }

    #[test]
    fn a_wheel_with_uncompiled_modules_is_not_packed() {
        let bench = Bench::new();
        bench.restore(&bench.packed(&[(CODE, &code(5))])).expect("put");
        bench.write("x/b.py", b"hello");
        bench.write("x-1.dist-info/RECORD", b"x/a.py,,\nx/b.py,,\n");
        assert!(!pack(bench.0.path(), &bench.modules(), &bench.path("packed")).expect("readable"));
    }

    #[test]
    fn nothing_is_restored_if_refused_or_cancelled() {
        let bench = Bench::new();
        bench.write("x/b.py", b"hello");
        bench.write("x-1.dist-info/RECORD", b"x/a.py,,\nx/b.py,,\n");
        let second = "x/__pycache__/b.cpython-311.pyc";
        assert_eq!(bench.refused(&[(CODE, &code(5)), (second, &code(6))]), "its source had another size");
        assert!(!bench.path(CODE).exists(), "the first is right, and not put either");
        let archive = bench.packed(&[(CODE, &code(5))]);
        let cancelled = restore(&archive, (bench.0.path(), &bench.modules()), &mut DCtx::create(), || true);
        assert!(cancelled.is_err() && !bench.path(CODE).exists());
    }

    #[test]
    fn foreign_byte_code_is_refused_by_the_responsible_check() {
        let bench = Bench::new();
        let unchecked = {
            let mut code = code(5);
            code[4] = 1;
            code
        };
        for (files, words) in [
            (vec![(CODE, code(6))], "its source had another size"),
            (vec![(CODE, b"short".to_vec())], "it has no header"),
            (vec![(CODE, unchecked)], "it is not timestamp-based"),
            (vec![("x/__pycache__/b.cpython-311.pyc", code(5))], "it belongs to no module"),
            (vec![("evil.pth", b"import evil".to_vec())], "it belongs to no module"),
            (vec![("x/a.py", b"evil!".to_vec())], "it belongs to no module"),
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
