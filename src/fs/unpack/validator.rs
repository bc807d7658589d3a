//! Validates the entries of an archive before anything is written: names, types, links, and limits.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tar::EntryType;

use super::unsafe_archive::UnsafeArchive;

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

/// The header of an entry.
pub(super) struct ArchiveEntry<'a> {
    pub(super) kind: EntryType,
    pub(super) link: Option<&'a Path>,
    pub(super) size: u64,
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
pub(super) struct EntryValidator<'a> {
    limits: Limits,
    entries: u64,
    bytes: u64,
    /// The memory for the names so far, in bytes.
    names: u64,
    seen: &'a UnpackedNames,
}

impl<'a> EntryValidator<'a> {
    pub(super) fn new(limits: Limits, seen: &'a UnpackedNames) -> Self {
        Self { limits, entries: 0, bytes: 0, names: 0, seen }
    }

    /// Validates an entry. Returns its path without `.` components; `None` for the folder itself and for headers that
    /// describe other entries.
    pub(super) fn validate(&mut self, path: &Path, found: &ArchiveEntry<'_>) -> Result<Option<PathBuf>, UnsafeArchive> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(UnsafeArchive::TooMany(self.limits.entries));
        }
        match found.kind {
            EntryType::XGlobalHeader | EntryType::XHeader => return Ok(None),
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
            return if is_folder { Ok(None) } else { Err(UnsafeArchive::Outside) };
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
                seen.links.insert(path.clone());
            }
            EntryType::Link => {
                let target =
                    inside(found.link.ok_or(UnsafeArchive::LinkOutside)?).map_err(|_| UnsafeArchive::LinkOutside)?;
                if !seen.files.contains(&target) {
                    return Err(UnsafeArchive::LinkToOther);
                }
                seen.files.insert(path.clone());
            }
            _ => {
                self.bytes = self.bytes.saturating_add(found.size);
                if self.bytes > self.limits.bytes {
                    return Err(UnsafeArchive::TooLarge(self.limits.bytes));
                }
                seen.files.insert(path.clone());
            }
        }
        Ok(Some(path))
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
pub(super) fn inside(path: &Path) -> Result<PathBuf, UnsafeArchive> {
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
pub(super) fn stays_inside(path: &Path, target: &Path) -> Result<(), UnsafeArchive> {
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
