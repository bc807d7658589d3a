//! Unpacks tar archives below a folder. Entries cannot escape the folder or exceed the limits.

mod stream;
#[cfg(test)]
mod tests;
mod unsafe_archive;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    path::{Component, Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use stream::Bounded;
use tar::{Archive, EntryType};
pub use unsafe_archive::UnsafeArchive;

use super::{FsError, create_dirs};

/// The limits for an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The total size of all files, unpacked.
    pub bytes: u64,
    /// The number of files, folders and links.
    pub entries: u64,
}

impl Default for Limits {
    /// Far above every package of Python and R, but small enough to stop an archive that fills the disk.
    fn default() -> Self {
        Self { bytes: 8 << 30, entries: 500_000 }
    }
}

/// Unpacks an archive below a folder, which is created if it is missing. Permission bits are those of the archive,
/// without set-user-id and similar bits. All files belong to the user of nodeagent.
///
/// Entries other than files, folders and links inside the folder are rejected, with [`UnsafeArchive`] as the cause of
/// the error. Entries that were unpacked before remain, so unpack into a new folder and move it when it is complete.
pub fn unpack(archive: impl Read, into: &Path) -> Result<(), FsError> {
    unpack_with_limits(archive, into, Limits::default())
}

/// The same with other limits.
pub fn unpack_with_limits(archive: impl Read, into: &Path, limits: Limits) -> Result<(), FsError> {
    unpack_sharing_names(archive, into, limits, &UnpackedNames::default())
}

/// The same for one of several archives that are unpacked into the same folder, possibly in parallel. They are
/// validated like one archive. The limits are for this archive.
pub fn unpack_sharing_names(
    archive: impl Read,
    into: &Path,
    limits: Limits,
    seen: &UnpackedNames,
) -> Result<(), FsError> {
    create_dirs(into, 0o755)?;
    for_each_valid_entry(archive, into, limits, seen, |entry, path| {
        if entry.header().entry_type() == EntryType::Link {
            let target = entry.link_name()?.unwrap_or_default();
            return link(into, &target, path);
        }
        if entry.unpack_in(into)? { Ok(()) } else { Err(io::Error::other(UnsafeArchive::Outside)) }
    })
}

/// Makes a hard link below a folder. The tar crate would make it by the real path of the folder, which another user may
/// exchange while an archive is unpacked.
fn link(into: &Path, target: &Path, path: &Path) -> io::Result<()> {
    let place = into.join(path);
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::hard_link(into.join(target), place)
}

/// Calls a function for each file of an archive, with its name, size and content. Writes nothing. Rejects links and
/// everything that [`unpack`] rejects. `below` is for messages.
pub fn read_archive(
    archive: impl Read,
    below: &Path,
    limits: Limits,
    mut read: impl FnMut(&Path, u64, &mut dyn Read) -> io::Result<()>,
) -> Result<(), FsError> {
    for_each_valid_entry(archive, below, limits, &UnpackedNames::default(), |entry, path| {
        match entry.header().entry_type() {
            EntryType::Directory => Ok(()),
            EntryType::Regular => read(path, entry.size(), entry),
            _ => Err(io::Error::other(UnsafeArchive::UnknownKind)),
        }
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

/// Checks an archive like [`unpack`], and writes nothing. Returns its entries. `below` is for messages.
pub fn archive_names(mut archive: impl Read, below: &Path) -> Result<Vec<ArchiveName>, FsError> {
    let (mut names, limits) = (Vec::new(), Limits::default());
    for_each_valid_entry(&mut archive, below, limits, &UnpackedNames::default(), |entry, path| {
        let kind = match entry.header().entry_type() {
            EntryType::Directory => ArchiveKind::Folder,
            EntryType::Symlink => ArchiveKind::Link(entry.link_name()?.unwrap_or_default().into_owned()),
            // A hard link is one more name of a file.
            _ => ArchiveKind::File,
        };
        names.push(ArchiveName { path: path.components().filter(|part| *part != Component::CurDir).collect(), kind });
        // A damaged archive is found before anything is written.
        io::copy(entry, &mut io::sink()).map(drop)
    })?;
    // The checksum of the compression is behind the last entry.
    io::copy(&mut archive.take(limits.bytes), &mut io::sink()).map_err(failed(below))?;
    Ok(names)
}

/// Iterates over the entries after validating them.
fn for_each_valid_entry<R: Read>(
    archive: R,
    into: &Path,
    limits: Limits,
    seen: &UnpackedNames,
    mut each: impl FnMut(&mut tar::Entry<'_, Bounded<R>>, &Path) -> io::Result<()>,
) -> Result<(), FsError> {
    let stream = Bounded::new(archive);
    let budget = stream.budget();
    let mut archive = Archive::new(stream);
    archive.set_preserve_permissions(false);
    archive.set_overwrite(false);
    let mut validator = EntryValidator { limits, entries: 0, bytes: 0, names: 0, seen };
    let mut entries = archive.entries().map_err(failed(into))?;
    loop {
        budget.for_headers();
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = entry.map_err(failed(into))?;
        let path = entry.path().map_err(failed(into))?.into_owned();
        let link = entry.link_name().map_err(failed(into))?.map(std::borrow::Cow::into_owned);
        let found = ArchiveEntry { kind: entry.header().entry_type(), link: link.as_deref(), size: entry.size() };
        let target = into.join(&path);
        if !validator.validate(&path, &found).map_err(|why| failed(&target)(io::Error::other(why)))? {
            continue;
        }
        budget.for_content(found.size);
        each(&mut entry, &path).map_err(failed(&target))?;
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> FsError {
    FsError::new(path, "unpacked")
}

/// The header of an entry.
struct ArchiveEntry<'a> {
    kind: EntryType,
    link: Option<&'a Path>,
    size: u64,
}

/// The names of the entries so far, of one archive or several. Entries are validated against them, not against the
/// disk.
#[derive(Debug, Default)]
pub struct UnpackedNames(Mutex<NameSets>);

#[derive(Debug, Default)]
struct NameSets {
    /// All names and the folders above them, by their lower-case form.
    all: BTreeMap<String, PathBuf>,
    files: BTreeSet<PathBuf>,
    links: BTreeSet<PathBuf>,
}

/// Validates the entries of one archive.
struct EntryValidator<'a> {
    limits: Limits,
    entries: u64,
    bytes: u64,
    /// The memory for the names so far, in bytes.
    names: u64,
    seen: &'a UnpackedNames,
}

impl EntryValidator<'_> {
    /// Validates an entry. Returns whether it is to be unpacked; headers that describe other entries are not.
    fn validate(&mut self, path: &Path, found: &ArchiveEntry<'_>) -> Result<bool, UnsafeArchive> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(UnsafeArchive::TooMany(self.limits.entries));
        }
        match found.kind {
            EntryType::XGlobalHeader | EntryType::XHeader => return Ok(false),
            kind if kind.is_character_special() || kind.is_block_special() => return Err(UnsafeArchive::Device),
            EntryType::Fifo => return Err(UnsafeArchive::Pipe),
            EntryType::Regular
            | EntryType::Continuous
            | EntryType::GNUSparse
            | EntryType::Directory
            | EntryType::Link
            | EntryType::Symlink => {}
            _ => return Err(UnsafeArchive::UnknownKind),
        }
        let path = inside(path)?;
        self.names = self.names.saturating_add(stored_size(&path)?);
        if self.names > MAX_NAMES {
            return Err(UnsafeArchive::LongNames(MAX_NAMES));
        }
        let is_folder = found.kind.is_dir();
        if path.as_os_str().is_empty() {
            return if is_folder { Ok(false) } else { Err(UnsafeArchive::Outside) };
        }
        let mut seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        let below = format!("{}/", path.to_string_lossy().to_lowercase());
        let is_above_others =
            || seen.all.range(below.clone()..).next().is_some_and(|(name, _)| name.starts_with(&below));
        if path.ancestors().skip(1).any(|above| seen.links.contains(above))
            || found.kind.is_symlink() && is_above_others()
        {
            return Err(UnsafeArchive::ThroughLink);
        }
        if seen.files.contains(&path) || seen.links.contains(&path) {
            return Err(UnsafeArchive::Twice);
        }
        for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
            let folded = part.to_string_lossy().to_lowercase();
            let first = seen.all.entry(folded).or_insert_with(|| part.to_owned());
            if first != part {
                return Err(UnsafeArchive::OnlyCase(first.clone()));
            }
        }
        match found.kind {
            EntryType::Directory => {}
            EntryType::Symlink => {
                stays_inside(&path, found.link.ok_or(UnsafeArchive::LinkOutside)?)?;
                seen.links.insert(path);
            }
            EntryType::Link => {
                let target =
                    inside(found.link.ok_or(UnsafeArchive::LinkOutside)?).map_err(|_| UnsafeArchive::LinkOutside)?;
                if !seen.files.contains(&target) {
                    return Err(UnsafeArchive::LinkToOther);
                }
                seen.files.insert(path);
            }
            _ => {
                self.bytes = self.bytes.saturating_add(found.size);
                if self.bytes > self.limits.bytes {
                    return Err(UnsafeArchive::TooLarge(self.limits.bytes));
                }
                seen.files.insert(path);
            }
        }
        Ok(true)
    }
}

/// The maximum memory for names, in bytes. 500 000 names of usual length need less.
const MAX_NAMES: u64 = 512 << 20;
/// The longest path of the kernel, in bytes (`PATH_MAX`).
const MAX_NAME: usize = 4096;

/// The memory for a name and the folders above it, in bytes. A name that the kernel does not allow is an error.
fn stored_size(path: &Path) -> Result<u64, UnsafeArchive> {
    if path.as_os_str().len() > MAX_NAME {
        return Err(UnsafeArchive::LongName(MAX_NAME as u64));
    }
    Ok(path.ancestors().map(|part| 2 * part.as_os_str().len() as u64).sum())
}

/// The name of an entry without `.` components. Absolute names and `..` are errors.
fn inside(path: &Path) -> Result<PathBuf, UnsafeArchive> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err(UnsafeArchive::Outside),
            Component::RootDir | Component::Prefix(_) => return Err(UnsafeArchive::Absolute),
        }
    }
    Ok(clean)
}

/// Checks that a symbolic link ends inside the folder. `..` is allowed only before the first name: a name may itself be
/// a link, and its parent may then be elsewhere.
fn stays_inside(path: &Path, target: &Path) -> Result<(), UnsafeArchive> {
    let mut above = path.components().count() - 1;
    let mut named = false;
    for part in target.components() {
        match part {
            Component::Normal(_) => named = true,
            Component::CurDir => {}
            Component::ParentDir if !named && above > 0 => above -= 1,
            _ => return Err(UnsafeArchive::LinkOutside),
        }
    }
    Ok(())
}
