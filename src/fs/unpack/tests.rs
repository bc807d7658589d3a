use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::fs::node_path;

/// Path, kind, and content or target.
type Written<'a> = (&'a str, EntryType, &'a str);

/// Appends an entry without the checks of the setters, which would reject the paths under test.
fn entry(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: EntryType, content: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o4755);
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    let is_file = kind.is_file() || kind.is_gnu_longname() || kind.is_pax_local_extensions();
    header.set_size(if is_file { content.len() as u64 } else { 0 });
    if !is_file {
        header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
    }
    header.set_cksum();
    builder.append(&header, if is_file { content.as_bytes() } else { b"" }).expect("memory");
}

fn archive(entries: &[Written<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, content) in entries {
        entry(&mut builder, path, *kind, content);
    }
    builder.into_inner().expect("memory")
}

fn unpack_with(archive: impl Read, into: &Path, limits: Limits) -> Result<(), FsError> {
    unpack_below(archive, &node_path::open_or_create(into, 0o755)?, into, limits, &UnpackedNames::default())
}

/// The reason for a rejection; `None` if the archive was unpacked.
fn rejection(archive: impl Read, into: &Path, limits: Limits) -> Option<UnsafeArchive> {
    let error = unpack_with(archive, into, limits).err()?;
    let FsError::Io { source, .. } = &error else { panic!("{error:?}") };
    // The tar reader wraps errors of the stream.
    let mut cause: Option<&dyn std::error::Error> = source.get_ref().map(|cause| cause as _);
    while let Some(next) = cause {
        if let Some(rejection) = next.downcast_ref::<UnsafeArchive>() {
            return Some(rejection.clone());
        }
        let inner = next.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        cause = inner.map(|cause| cause as _).or_else(|| next.source());
    }
    panic!("refused, but by no check of ours: {error:?}: {source:?}")
}

fn unpacked(entries: &[Written<'_>]) -> (tempfile::TempDir, Option<UnsafeArchive>) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let rejection = rejection(&archive(entries)[..], &temp.path().join("in"), Limits::default());
    (temp, rejection)
}

#[test]
fn files_folders_and_links_inside_are_unpacked() {
    let (temp, rejection) = unpacked(&[
        ("./", EntryType::Directory, ""),
        ("a/", EntryType::Directory, ""),
        ("a/", EntryType::Directory, ""),
        ("a/x", EntryType::Regular, "hello"),
        ("a/b/", EntryType::Directory, ""),
        ("a/b/soft", EntryType::Symlink, "../x"),
        ("a/hard", EntryType::Link, "a/x"),
        ("./a/harder", EntryType::Link, "./a/hard"),
    ]);
    assert_eq!(rejection, None);
    for name in ["a/x", "a/b/soft", "a/hard", "a/harder"] {
        assert_eq!(std::fs::read(temp.path().join("in").join(name)).expect("there"), b"hello");
    }
    let mode = std::fs::metadata(temp.path().join("in/a/x")).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "set-user-id is not taken over");
}

#[test]
fn each_attack_is_rejected_by_its_check() {
    use EntryType as Is;
    let only_case = |name: &str| UnsafeArchive::OnlyCase(name.into());
    let tricks: [(&[Written<'_>], UnsafeArchive); 29] = [
        (&[("../x", Is::Regular, "evil")], UnsafeArchive::Outside),
        (&[("a/../../x", Is::Regular, "evil")], UnsafeArchive::Outside),
        (&[("a/../x", Is::Regular, "evil")], UnsafeArchive::Outside),
        (&[("..", Is::Directory, "")], UnsafeArchive::Outside),
        (&[(".", Is::Regular, "evil")], UnsafeArchive::Outside),
        (&[("/tmp/nodeagent-evil", Is::Regular, "evil")], UnsafeArchive::Absolute),
        (&[("/", Is::Directory, "")], UnsafeArchive::Absolute),
        (&[("a", Is::Symlink, "/etc")], UnsafeArchive::LinkOutside),
        (&[("a", Is::Symlink, "..")], UnsafeArchive::LinkOutside),
        (&[("a/b", Is::Symlink, "../../etc")], UnsafeArchive::LinkOutside),
        (&[("a", Is::Symlink, "b/../../etc")], UnsafeArchive::LinkOutside),
        // `a` is the folder itself, and its parent is outside.
        (&[("a", Is::Symlink, "."), ("b", Is::Symlink, "a/..")], UnsafeArchive::LinkOutside),
        // By its name the link is three folders deep, but `d/e/up` is the folder itself.
        (&[("d/e/up", Is::Symlink, "../.."), ("d/e/up/out", Is::Symlink, "../../..")], UnsafeArchive::ThroughLink),
        (&[("a", Is::Symlink, "b"), ("a/x", Is::Regular, "evil")], UnsafeArchive::ThroughLink),
        (&[("a", Is::Symlink, "b"), ("a/", Is::Directory, "")], UnsafeArchive::Twice),
        (&[("a", Is::Symlink, "b"), ("a", Is::Regular, "evil")], UnsafeArchive::Twice),
        (&[("a", Is::Regular, "one"), ("./a", Is::Regular, "two")], UnsafeArchive::Twice),
        (&[("a", Is::Link, "../../etc/passwd")], UnsafeArchive::LinkOutside),
        (&[("a", Is::Link, "/etc/passwd")], UnsafeArchive::LinkOutside),
        (&[("a", Is::Link, "there")], UnsafeArchive::LinkToOther),
        (&[("s", Is::Symlink, "there"), ("a", Is::Link, "s")], UnsafeArchive::LinkToOther),
        (&[("a", Is::Char, "")], UnsafeArchive::Device),
        (&[("a", Is::Block, "")], UnsafeArchive::Device),
        (&[("a", Is::Fifo, "")], UnsafeArchive::Pipe),
        (&[("a", Is::new(b'V'), "")], UnsafeArchive::UnknownKind),
        (&[("a/x", Is::Regular, "1"), ("a/X", Is::Regular, "2")], only_case("a/x")),
        (&[("a/x", Is::Regular, "1"), ("A/y", Is::Regular, "2")], only_case("a")),
        (&[("A", Is::Symlink, "b"), ("a/x", Is::Regular, "evil")], only_case("A")),
        (&[("\u{e9}", Is::Regular, "1"), ("\u{c9}", Is::Regular, "2")], only_case("\u{e9}")),
    ];
    for (entries, wanted) in tricks {
        let (temp, rejection) = unpacked(entries);
        assert_eq!(rejection, Some(wanted), "{entries:?}");
        let beside: Vec<_> = std::fs::read_dir(temp.path()).expect("there").flatten().collect();
        assert_eq!(beside.len(), 1, "{entries:?}: {beside:?}");
    }
}

#[test]
fn the_limits_on_entries_and_bytes_hold() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let five = archive(&[("a", EntryType::Regular, "12345"), ("b", EntryType::Regular, "67890")]);
    let validator = |bytes, entries| {
        rejection(&five[..], &temp.path().join(format!("{bytes}-{entries}")), Limits { bytes, entries })
    };
    assert_eq!(validator(10, 2), None);
    assert_eq!(validator(9, 2), Some(UnsafeArchive::TooLarge(9)));
    assert_eq!(validator(10, 1), Some(UnsafeArchive::TooMany(1)));
}

/// A header with a size larger than any disk, and a stream that would deliver it.
fn endless(kind: EntryType) -> impl Read {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_path("a").expect("a name");
    header.set_size(1 << 40);
    header.set_cksum();
    io::Cursor::new(header.as_bytes().to_vec()).chain(io::repeat(b'x'))
}

#[test]
fn endless_archives_are_rejected_before_they_fill_disk_or_memory() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let limits = Limits::default();
    assert_eq!(
        rejection(endless(EntryType::Regular), temp.path(), limits),
        Some(UnsafeArchive::TooLarge(limits.bytes))
    );
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader, EntryType::XGlobalHeader] {
        assert_eq!(rejection(endless(kind), temp.path(), limits), Some(UnsafeArchive::LongHeader(1 << 20)), "{kind:?}");
    }
    // An endless sequence of folders.
    let block = archive(&[("a/", EntryType::Directory, "")])[..512].to_vec();
    let forever = (0..u64::MAX).map(|_| block.clone());
    let few = Limits { entries: 1000, ..limits };
    assert_eq!(rejection(Blocks(forever, Vec::new()), temp.path(), few), Some(UnsafeArchive::TooMany(1000)));
}

/// A stream of blocks.
struct Blocks<I>(I, Vec<u8>);

impl<I: Iterator<Item = Vec<u8>>> Read for Blocks<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.is_empty() {
            self.1 = self.0.next().unwrap_or_default();
        }
        let count = buffer.len().min(self.1.len());
        buffer[..count].copy_from_slice(&self.1[..count]);
        self.1.drain(..count);
        Ok(count)
    }
}

#[test]
fn a_long_name_is_validated_like_a_short_one() {
    let long = format!("{}/x", "d".repeat(150));
    for (name, wanted) in [(long.clone(), None), (format!("../{long}"), Some(UnsafeArchive::Outside))] {
        let (_temp, rejection) =
            unpacked(&[("././@LongLink", EntryType::GNULongName, &name), ("short", EntryType::Regular, "hello")]);
        assert_eq!(rejection, wanted);
    }
}

#[test]
fn a_truncated_archive_is_an_error() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let mut bytes = archive(&[("x", EntryType::Regular, &"y".repeat(5000))]);
    bytes.truncate(2000);
    assert!(unpack(&bytes[..], temp.path()).is_err());
}
