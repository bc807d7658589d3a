//! Moves the content of a folder into another folder without changing existing files. Both are open, and no link below
//! them is followed.

use std::{
    ffi::OsString,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{readlinkat, renameat},
    sys::stat::FileStat,
};

use super::{
    FsError,
    folder::{Folder, is_folder, is_link, is_regular},
};

/// The first path below `to` that conflicts with `from`: an existing entry that differs. [`merge`] would fail there.
pub(super) fn first_conflict(from: &Folder, to: &Folder, path: &Path) -> Result<Option<PathBuf>, FsError> {
    for entry in entries(from, path, |_| 0)? {
        let target = path.join(&entry.name);
        let found = match entry.compared_to(to, &target)? {
            Comparison::Missing | Comparison::Same => None,
            Comparison::Folders(from, to) => first_conflict(&from, &to, &target)?,
            Comparison::Different => Some(target),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Moves everything below `from` to the same names below `to`. Both are on the same file system. Existing files stay
/// and must be equal. `path` is the path of `to`, for messages.
///
/// `rank` orders the entries of a folder. Entries that mark a package as installed come last, so that a package is
/// never marked as installed before it is complete, even after a kill.
pub(super) fn merge(from: &Folder, to: &Folder, path: &Path, rank: fn(&Path) -> u8) -> Result<(), FsError> {
    for entry in entries(from, path, rank)? {
        let target = path.join(&entry.name);
        let failed = |error: Errno| FsError::new(&target, "written")(error.into());
        match entry.compared_to(to, &target)? {
            Comparison::Missing => {
                renameat(from.fd(), entry.name.as_os_str(), to.fd(), entry.name.as_os_str()).map_err(failed)?;
            }
            Comparison::Folders(from, to) => merge(&from, &to, &target, rank)?,
            Comparison::Same => {}
            Comparison::Different => return Err(failed(Errno::EEXIST)),
        }
    }
    Ok(())
}

/// An entry of the folder whose content is moved.
struct Entry<'a> {
    above: &'a Folder,
    name: OsString,
    found: FileStat,
}

/// An entry, compared to the entry of another folder with the same name.
enum Comparison {
    Missing,
    /// Both are folders, opened.
    Folders(Folder, Folder),
    Same,
    Different,
}

/// The entries of a folder, sorted by rank and name. `path` is for messages.
fn entries<'a>(above: &'a Folder, path: &Path, rank: impl Fn(&Path) -> u8) -> Result<Vec<Entry<'a>>, FsError> {
    let read = || -> Result<Vec<Entry<'a>>, Errno> {
        let mut entries = Vec::new();
        for name in above.names()? {
            let found = above.stat(&name)?.ok_or(Errno::ENOENT)?;
            entries.push(Entry { above, name, found });
        }
        Ok(entries)
    };
    let mut entries = read().map_err(|error| FsError::new(path, "read")(error.into()))?;
    let order = |entry: &Entry<'_>| rank(Path::new(&entry.name));
    entries.sort_by(|one, other| (order(one), &one.name).cmp(&(order(other), &other.name)));
    Ok(entries)
}

impl Entry<'_> {
    /// Compares an entry of another folder. `path` is its path, for messages.
    fn compared_to(&self, other: &Folder, path: &Path) -> Result<Comparison, FsError> {
        let compared = || -> io::Result<Comparison> {
            let Some(existing) = other.stat(&self.name)? else { return Ok(Comparison::Missing) };
            if is_folder(&self.found) && is_folder(&existing) {
                let name = Path::new(&self.name);
                return Ok(Comparison::Folders(self.above.open_below(name)?, other.open_below(name)?));
            }
            let is_same = self.has_facts_of(&existing) && self.has_content_of(other)?;
            Ok(if is_same { Comparison::Same } else { Comparison::Different })
        };
        compared().map_err(FsError::new(path, "read"))
    }

    /// Whether two files or links have the same type, permissions, owners, size and modification time. Times are
    /// compared in seconds, because byte code refers to the time of its source.
    fn has_facts_of(&self, other: &FileStat) -> bool {
        let facts = |of: &FileStat| (of.st_mode, of.st_size, of.st_uid, of.st_gid);
        let has_time = is_regular(other);
        facts(&self.found) == facts(other) && (!has_time || self.found.st_mtime == other.st_mtime)
    }

    fn has_content_of(&self, other: &Folder) -> io::Result<bool> {
        if is_link(&self.found) {
            let target = |folder: &Folder| readlinkat(folder.fd(), self.name.as_os_str());
            return Ok(target(self.above)? == target(other)?);
        }
        let open = |folder: &Folder| folder.open(&self.name).map(BufReader::new);
        let (mut one, mut other) = (open(self.above)?, open(other)?);
        loop {
            let (left, right) = (one.fill_buf()?, other.fill_buf()?);
            let count = left.len().min(right.len());
            if left[..count] != right[..count] {
                return Ok(false);
            }
            if count == 0 {
                return Ok(left.len() == right.len());
            }
            one.consume(count);
            other.consume(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Attributes, node_path, replace};

    fn first_conflict(from: &Path, to: &Path) -> Result<Option<PathBuf>, FsError> {
        super::first_conflict(&node_path::open_existing(from)?, &node_path::open_existing(to)?, to)
    }

    fn merge(from: &Path, to: &Path, rank: fn(&Path) -> u8) -> Result<(), FsError> {
        super::merge(&node_path::open_existing(from)?, &node_path::open_or_create(to, 0o755)?, to, rank)
    }

    fn write(path: &Path, text: &str) {
        replace(path, text.as_bytes(), Attributes::mode(0o644)).expect("written");
    }

    fn by_name(_: &Path) -> u8 {
        0
    }

    fn trees() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        write(&from.join("lib/a/x"), "x");
        write(&from.join("lib/b"), "b");
        write(&to.join("lib/shipped"), "s");
        (temp, from, to)
    }

    #[test]
    fn new_files_are_moved_and_existing_files_stay() {
        let (_temp, from, to) = trees();
        write(&to.join("lib/b"), "b");
        assert_eq!(first_conflict(&from, &to).expect("looked"), None);
        merge(&from, &to, by_name).expect("merged");
        let text = |path: &str| std::fs::read_to_string(to.join(path)).expect("there");
        assert_eq!((text("lib/a/x"), text("lib/b"), text("lib/shipped")), ("x".into(), "b".into(), "s".into()));
        merge(&from, &to, by_name).expect("a second time nothing is left to do");
    }

    #[test]
    fn existing_files_are_never_changed() {
        for other in ["B", "longer"] {
            let (_temp, from, to) = trees();
            write(&to.join("lib/b"), other);
            assert_eq!(first_conflict(&from, &to).expect("looked"), Some(to.join("lib/b")));
            assert!(merge(&from, &to, by_name).is_err());
            assert_eq!(std::fs::read_to_string(to.join("lib/b")).expect("there"), other);
        }
    }

    #[test]
    fn a_different_kind_mode_or_link_is_a_conflict() {
        let (_temp, from, to) = trees();
        replace(&to.join("lib/b"), b"b", Attributes::mode(0o755)).expect("written");
        assert!(first_conflict(&from, &to).expect("looked").is_some(), "another mode");
        super::super::remove(&to.join("lib/b")).expect("removed");
        std::os::unix::fs::symlink("shipped", to.join("lib/b")).expect("made");
        assert!(first_conflict(&from, &to).expect("looked").is_some(), "a link");
        super::super::remove(&to.join("lib/b")).expect("removed");
        std::os::unix::fs::symlink("shipped", to.join("lib/a")).expect("made");
        assert_eq!(
            first_conflict(&from, &to).expect("looked"),
            Some(to.join("lib/a")),
            "a link where a folder is to be"
        );
        assert!(merge(&from, &to, by_name).is_err());
    }

    #[test]
    fn entries_with_the_highest_rank_are_moved_last() {
        let (_temp, from, to) = trees();
        write(&from.join("lib/a.dist-info/RECORD"), "");
        write(&to.join("lib/b"), "other");
        // The merge stops at `b`, before the entries with the highest rank.
        let info_last = |name: &Path| u8::from(name.extension().is_some_and(|ending| ending == "dist-info"));
        assert!(merge(&from, &to, info_last).is_err());
        assert!(!to.join("lib/a.dist-info").exists() && to.join("lib/a").exists());
    }
}
