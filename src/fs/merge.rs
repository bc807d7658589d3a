//! Moves a tree of files into another tree without changing existing files.

use std::{
    fs::{File, Metadata},
    io::{self, BufRead as _, BufReader},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{FsError, create_dirs, rename};

/// The first path below `to` that conflicts with `from`: an existing entry that differs. [`merge`] would fail there.
pub fn first_conflict(from: &Path, to: &Path) -> Result<Option<PathBuf>, FsError> {
    for (new, name) in entries(from, |_| 0)? {
        let target = to.join(&name);
        let Some(existing) = found(&target)? else { continue };
        let changed = match (new.is_dir(), existing.is_dir()) {
            (true, true) => first_conflict(&from.join(&name), &target)?,
            (false, false) if is_same(&from.join(&name), &new, &target, &existing)? => None,
            _ => Some(target),
        };
        if changed.is_some() {
            return Ok(changed);
        }
    }
    Ok(None)
}

/// Moves everything below `from` to the same paths below `to`. Both are on the same file system. Existing files stay
/// and must be equal.
///
/// `rank` orders the entries of a folder. Entries that mark a package as installed come last, so that a package is
/// never marked as installed before it is complete, even after a kill.
pub fn merge(from: &Path, to: &Path, rank: fn(&Path) -> u8) -> Result<(), FsError> {
    create_dirs(to, 0o755)?;
    for (new, name) in entries(from, rank)? {
        let (source, target) = (from.join(&name), to.join(&name));
        match found(&target)? {
            None => rename(&source, &target)?,
            Some(existing) if new.is_dir() && existing.is_dir() => merge(&source, &target, rank)?,
            Some(existing) if !new.is_dir() && !existing.is_dir() && is_same(&source, &new, &target, &existing)? => {}
            Some(_) => return Err(FsError::new(&target, "written")(io::ErrorKind::AlreadyExists.into())),
        }
    }
    Ok(())
}

/// The entries of a folder, sorted by rank and name.
fn entries(folder: &Path, rank: impl Fn(&Path) -> u8) -> Result<Vec<(Metadata, PathBuf)>, FsError> {
    let failed = || FsError::new(folder, "read");
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        entries.push((entry.metadata().map_err(failed())?, PathBuf::from(entry.file_name())));
    }
    entries.sort_by(|(_, left), (_, right)| (rank(left), left).cmp(&(rank(right), right)));
    Ok(entries)
}

fn found(path: &Path) -> Result<Option<Metadata>, FsError> {
    match path.symlink_metadata() {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FsError::new(path, "read")(error)),
    }
}

/// Whether two files or links have the same permissions, owners, content and modification time. Times are compared in
/// seconds, because byte code refers to the time of its source.
fn is_same(one: &Path, of_one: &Metadata, other: &Path, of_other: &Metadata) -> Result<bool, FsError> {
    let facts = |of: &Metadata| (of.mode(), of.len(), of.uid(), of.gid());
    if facts(of_one) != facts(of_other) || of_one.is_file() && of_one.mtime() != of_other.mtime() {
        return Ok(false);
    }
    let failed = || FsError::new(other, "read");
    if of_one.is_symlink() {
        let target = |path: &Path| std::fs::read_link(path).map_err(failed());
        return Ok(target(one)? == target(other)?);
    }
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(failed());
    let (mut one, mut other) = (open(one)?, open(other)?);
    loop {
        let (left, right) = (one.fill_buf().map_err(failed())?, other.fill_buf().map_err(failed())?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Attributes, replace};

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
