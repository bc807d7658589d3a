//! Reads the entries of a tar archive and validates each.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use tar::{Archive, EntryType};

use super::{
    stream::Bounded,
    validator::{ArchiveEntry, EntryValidator, Limits, UnpackedNames},
};
use crate::fs::FsError;

/// A valid entry.
pub(super) struct ValidEntry<'a, 'b, R: Read> {
    /// Its path below the folder of the archive, without `.` components.
    pub(super) path: PathBuf,
    pub(super) kind: EntryType,
    /// The target of a link.
    pub(super) link: PathBuf,
    pub(super) content: &'b mut tar::Entry<'a, Bounded<R>>,
}

/// Calls a function for each entry. `below` is for messages.
pub(super) fn for_each_valid_entry<R: Read>(
    archive: R,
    below: &Path,
    limits: Limits,
    seen: &UnpackedNames,
    mut each: impl FnMut(ValidEntry<'_, '_, R>) -> io::Result<()>,
) -> Result<(), FsError> {
    let stream = Bounded::new(archive);
    let budget = stream.budget();
    let mut archive = Archive::new(stream);
    let mut validator = EntryValidator::new(limits, seen);
    let mut entries = archive.entries().map_err(failed(below))?;
    loop {
        budget.for_headers();
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = entry.map_err(failed(below))?;
        let path = entry.path().map_err(failed(below))?.into_owned();
        let link = entry.link_name().map_err(failed(below))?.map(std::borrow::Cow::into_owned);
        let found = ArchiveEntry { kind: kind_of(&entry), link: link.as_deref(), size: entry.size() };
        let target = below.join(&path);
        let valid = validator.validate(&path, &found).map_err(|why| failed(&target)(io::Error::other(why)))?;
        let Some(path) = valid else { continue };
        let (kind, size) = (found.kind, found.size);
        budget.for_content(size);
        let valid = ValidEntry { path, kind, link: link.unwrap_or_default(), content: &mut entry };
        each(valid).map_err(failed(&target))?;
    }
}

/// The type of an entry. Before POSIX.1-1988, a folder was a file whose name ends with a slash.
fn kind_of(entry: &tar::Entry<'_, impl Read>) -> EntryType {
    let header = entry.header();
    let is_old_folder = header.as_ustar().is_none() && header.as_gnu().is_none() && entry.path_bytes().ends_with(b"/");
    match header.entry_type() {
        EntryType::Regular if is_old_folder => EntryType::Directory,
        kind => kind,
    }
}

pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> FsError {
    FsError::new(path, "unpacked")
}
