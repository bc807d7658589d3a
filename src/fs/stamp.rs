//! Detects whether a file was changed since nodeagent wrote it, without reading its content.

use std::path::Path;

use nix::{
    sys::stat::FileStat,
    unistd::{UnlinkatFlags, unlinkat},
};
use serde::{Deserialize, Serialize};

use super::{FsError, node_path};

/// The inode and the modification time of a file. A replaced or changed file has a different stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl From<&FileStat> for Stamp {
    fn from(found: &FileStat) -> Self {
        Self { inode: found.st_ino, seconds: found.st_mtime, nanoseconds: found.st_mtime_nsec }
    }
}

/// Removes a file if it has one of these stamps. Links of other users are not followed. Returns whether it was removed.
pub fn remove_if(path: &Path, stamps: &[Stamp]) -> Result<bool, FsError> {
    let failed = |error: nix::Error| FsError::new(path, "removed")(error.into());
    let (folder, name) = node_path::resolve_existing(path)?;
    let found = folder.stat(&name).map_err(failed)?;
    if !found.is_some_and(|found| stamps.contains(&Stamp::from(&found))) {
        return Ok(false);
    }
    unlinkat(folder.fd(), name.as_os_str(), UnlinkatFlags::NoRemoveDir).map_err(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use crate::fs::{Attributes, PartialFile, read, remove_if, replace};

    #[test]
    fn a_stamp_is_known_before_the_commit() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("x");
        let mut partial = PartialFile::create(&path, Attributes::mode(0o400)).expect("begun");
        partial.write(b"one").expect("written");
        let stamp = partial.stamp().expect("it is there");
        partial.commit().expect("committed");
        assert_eq!(read(&path).expect("readable").expect("there").stamp, Some(stamp));
    }

    #[test]
    fn a_changed_file_is_not_removed() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("x");
        let write = |bytes: &[u8]| {
            replace(&path, bytes, Attributes::mode(0o600)).expect("written");
            read(&path).expect("readable").expect("there").stamp.expect("a file")
        };
        let (first, second) = (write(b"one"), write(b"one"));
        assert!(!remove_if(&path, &[first]).expect("looked") && path.exists());
        assert!(remove_if(&path, &[first, second]).expect("removed") && !path.exists());
    }
}
