//! Unpacks tar archives below a folder. Entries cannot escape the folder or exceed the limits.

mod entries;
mod extraction;
mod stream;
#[cfg(test)]
mod tests;
mod unsafe_archive;
mod validator;

use std::{
    collections::BTreeSet,
    io::{self, Read},
    path::{Path, PathBuf},
};

use entries::{failed, for_each_valid_entry};
use extraction::Extraction;
use tar::EntryType;
pub use unsafe_archive::UnsafeArchive;
use validator::stays_inside;
pub use validator::{Limits, UnpackedNames};

use super::{FsError, folder::Folder};

/// Unpacks an archive below an open folder. `path` is its path, for messages. Permission bits are those of the archive,
/// without set-user-id and similar bits. All files belong to the user of nodeagent.
///
/// Entries other than files, folders and links inside the folder are rejected, with [`UnsafeArchive`] as the cause of
/// the error. Entries that were unpacked before remain, so unpack into a new folder and move it when it is complete.
///
/// Several archives may be unpacked in the folder at the same time. With the same `names` they are validated like one
/// archive. The limits are for this archive.
pub(super) fn unpack_below(
    archive: impl Read,
    into: &Folder,
    path: &Path,
    limits: Limits,
    names: &UnpackedNames,
) -> Result<(), FsError> {
    let mut extraction = Extraction::new(into);
    for_each_valid_entry(archive, path, limits, names, |entry| extraction.write(entry))
}

/// Unpacks an archive of a test below a folder, which is created if it is missing.
#[cfg(test)]
pub(crate) fn unpack(archive: impl Read, into: &Path) -> Result<(), FsError> {
    let folder = super::node_path::open_or_create(into, 0o755)?;
    unpack_below(archive, &folder, into, Limits::default(), &UnpackedNames::default())
}

/// Calls a function for each file of an archive, with its name, size and content. Writes nothing. Rejects links and
/// everything that is not unpacked. `below` is for messages.
pub fn read_archive(
    archive: impl Read,
    below: &Path,
    limits: Limits,
    mut read: impl FnMut(&Path, u64, &mut dyn Read) -> io::Result<()>,
) -> Result<(), FsError> {
    for_each_valid_entry(archive, below, limits, &UnpackedNames::default(), |entry| match entry.kind {
        EntryType::Directory => Ok(()),
        EntryType::Regular => read(&entry.path, entry.content.size(), entry.content),
        _ => Err(io::Error::other(UnsafeArchive::UnknownKind)),
    })
}

/// A file, folder or link of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveName {
    /// Its path below the archive's folder.
    pub path: PathBuf,
    /// Its type.
    pub kind: ArchiveKind,
}

/// The type of an entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link with this target.
    Link(PathBuf),
}

/// Checks paths that were moved out of their folders: each occurs once, none is below a link or a file, and no link
/// ends outside. The archive itself was checked with the paths that it has.
pub fn check_names<'a>(names: impl Iterator<Item = (&'a Path, &'a ArchiveKind)> + Clone) -> Result<(), UnsafeArchive> {
    let mut others = BTreeSet::new();
    for (path, kind) in names.clone().filter(|(_, kind)| **kind != ArchiveKind::Folder) {
        if !others.insert(path) {
            return Err(UnsafeArchive::Twice);
        }
        if let ArchiveKind::Link(target) = kind {
            stays_inside(path, target)?;
        }
    }
    for (path, kind) in names {
        let is_same = *kind == ArchiveKind::Folder && others.contains(path);
        if is_same || path.ancestors().skip(1).any(|above| others.contains(above)) {
            return Err(UnsafeArchive::ThroughLink);
        }
    }
    Ok(())
}

/// Checks an archive as if it were unpacked, and writes nothing. Returns its entries. `below` is for messages.
pub fn archive_names(mut archive: impl Read, below: &Path) -> Result<Vec<ArchiveName>, FsError> {
    let (mut names, limits) = (Vec::new(), Limits::default());
    for_each_valid_entry(&mut archive, below, limits, &UnpackedNames::default(), |entry| {
        let kind = match entry.kind {
            EntryType::Directory => ArchiveKind::Folder,
            EntryType::Symlink => ArchiveKind::Link(entry.link),
            // A hard link is one more name of a file.
            _ => ArchiveKind::File,
        };
        names.push(ArchiveName { path: entry.path, kind });
        // A damaged archive is found before anything is written.
        io::copy(entry.content, &mut io::sink()).map(drop)
    })?;
    // The checksum of the compression is behind the last entry.
    io::copy(&mut archive.take(limits.bytes), &mut io::sink()).map_err(failed(below))?;
    Ok(names)
}
