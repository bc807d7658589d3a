//! A shared store in a folder: DBFS or a Volume through FUSE, NFS, or a plain folder. All functions block; callers run
//! them in a blocking thread and watch for stalls.

use std::{
    io::{self, Read as _},
    path::Path,
    time::{Duration, SystemTime},
};

use super::{
    backend_error::BackendError,
    local::{PIECE, small},
    receiver::Receiver,
    stall::TransferProgress,
    stored_file::{SmallFile, StoredFile, Version, WriteCondition},
};
use crate::{
    digest::Digest,
    fs::{FsError, OpenFile, Tree, create_dirs},
};

/// A lock file that is older than this was left by a killed process.
const STALE_LOCK_AGE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(super) struct FolderBackend {
    pub(super) tree: Tree,
}

impl FolderBackend {
    /// Checks that the folder exists. Creates it if its parent exists.
    pub(super) fn look(&self) -> Result<(), BackendError> {
        let root = self.tree.root();
        match std::fs::metadata(root) {
            Ok(found) if found.is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_be_created(root) => {
                create_dirs(root, 0o755).map_err(|error| BackendError::writing(&error))
            }
            Ok(_) => Err(BackendError::Unusable("it is not a folder".to_owned())),
            Err(error) => Err(BackendError::Unusable(error.to_string())),
        }
    }

    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, BackendError> {
        let opened = self.tree.open(name).map_err(|error| BackendError::reading(&error))?;
        Ok(opened.map(|opened| opened.size))
    }

    pub(super) fn read(
        &self,
        name: &str,
        mut to: Receiver,
        progress: &TransferProgress,
    ) -> Result<Option<Receiver>, BackendError> {
        let Some(mut opened) = self.opened(name)? else { return Ok(None) };
        to.announce(opened.size)?;
        let mut buffer = vec![0; PIECE];
        while !progress.is_given_up() {
            match opened.file.read(&mut buffer).map_err(|error| BackendError::Unusable(error.to_string()))? {
                0 => return Ok(Some(to)),
                count => {
                    to.take(&buffer[..count])?;
                    progress.moved(count);
                }
            }
        }
        Ok(None)
    }

    pub(super) fn content(&self, name: &str) -> Result<Option<SmallFile>, BackendError> {
        let Some(opened) = self.opened(name)? else { return Ok(None) };
        let modified = opened.modified;
        let bytes = small(opened).map_err(|error| BackendError::Unusable(error.to_string()))?;
        Ok(Some(SmallFile { version: Version::Bytes(bytes.clone()), bytes, modified }))
    }

    /// Copies a local object into the store.
    pub(super) fn publish(
        &self,
        name: &str,
        from: OpenFile,
        digest: &Digest,
        progress: &TransferProgress,
    ) -> Result<(), BackendError> {
        let writing = |error: FsError| BackendError::writing(&error);
        let mut partial = self.tree.create(name).map_err(writing)?;
        let (mut file, mut hasher) = (from.file, digest.hasher());
        let mut buffer = vec![0; PIECE];
        loop {
            if progress.is_given_up() {
                return Ok(());
            }
            match file.read(&mut buffer).map_err(|error| BackendError::BadContent(error.to_string()))? {
                0 => break,
                count => {
                    hasher.update(&buffer[..count]);
                    partial.write(&buffer[..count]).map_err(writing)?;
                    progress.moved(count);
                }
            }
        }
        if hasher.finish() != *digest {
            return Err(BackendError::BadContent("the local copy is damaged".to_owned()));
        }
        partial.commit().map_err(writing)
    }

    /// Writes a small file if the condition holds. Returns whether it was written.
    pub(super) fn write(&self, name: &str, bytes: &[u8], how: &WriteCondition) -> Result<bool, BackendError> {
        let writing = |error: FsError| BackendError::writing(&error);
        match how {
            WriteCondition::Always => {
                let mut partial = self.tree.create(name).map_err(writing)?;
                partial.write(bytes).map_err(writing)?;
                partial.commit().map_err(writing)?;
                Ok(true)
            }
            WriteCondition::IfAbsent => self.tree.create_new(name, bytes).map_err(writing),
            WriteCondition::IfUnchanged(Version::Bytes(before)) => {
                // Several nodes may have read the same version. The first one creates the lock file and continues; the
                // others find it.
                let hex = Digest::sha256(before);
                let mark = Path::new(name).with_file_name(format!(".{}.nodeagent", &hex.hex()[..32]));
                let mark = mark.to_str().expect("names are text");
                if !self.tree.create_new(mark, b"").map_err(writing)? {
                    let made = self.tree.open(mark).map_err(|error| BackendError::reading(&error))?;
                    if made.is_some_and(|made| age(made.modified) > STALE_LOCK_AGE) {
                        self.tree.remove(mark).map_err(writing)?;
                    }
                    return Ok(false);
                }
                let is_same = self.content(name).map(|now| now.is_some_and(|now| now.bytes == *before));
                let written =
                    is_same.and_then(|is_same| Ok(is_same && self.write(name, bytes, &WriteCondition::Always)?));
                self.tree.remove(mark).map_err(writing)?;
                written
            }
            WriteCondition::IfUnchanged(Version::Tag(_)) => Ok(false),
        }
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), BackendError> {
        self.tree.remove(name).map_err(|error| BackendError::writing(&error))
    }

    /// All files below a folder, with their full names. Links are not followed.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<StoredFile>, BackendError> {
        let mut held = Vec::new();
        for found in self.tree.list(folder).map_err(|error| BackendError::reading(&error))? {
            let name = format!("{folder}/{}", found.name);
            if found.is_folder {
                held.extend(self.list(&name)?);
            } else {
                held.push(StoredFile { name, size: found.size, modified: found.modified, is_plain: found.is_file });
            }
        }
        Ok(held)
    }

    fn opened(&self, name: &str) -> Result<Option<OpenFile>, BackendError> {
        self.tree.open(name).map_err(|error| BackendError::reading(&error))
    }
}

/// Whether a missing folder may be created: its parent exists, and the folder is not a mount point of the platform. A
/// folder in place of DBFS or a Volume would hide that it is not mounted.
fn may_be_created(root: &Path) -> bool {
    !is_mount_point(root) && root.parent().is_some_and(Path::is_dir)
}

/// Whether a path is `/dbfs`, `/Workspace`, or a Volume (`/Volumes/CATALOG/SCHEMA/VOLUME`) or above one.
fn is_mount_point(path: &Path) -> bool {
    let inner = path.strip_prefix("/dbfs").map_or_else(|_| path.to_owned(), |rest| Path::new("/").join(rest));
    let depth = inner.iter().count();
    depth == 1 || inner == Path::new("/Workspace") || inner.starts_with("/Volumes") && depth <= 5
}

/// The age of a file. The time stamp may come from another clock, so a time in the future counts as now.
pub(super) fn age(modified: SystemTime) -> Duration {
    SystemTime::now().duration_since(modified).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_created_below_an_existing_one_only() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let look = |path: &str| FolderBackend { tree: Tree::shared(temp.path().join(path)) }.look();
        assert!(look("store").is_ok() && temp.path().join("store").is_dir());
        assert!(look("store").is_ok(), "it exists now");
        assert!(matches!(look("absent/store"), Err(BackendError::Unusable(_))) && !temp.path().join("absent").exists());
        crate::fs::replace(&temp.path().join("file"), b"", crate::fs::Attributes::mode(0o644)).expect("written");
        assert!(matches!(look("file"), Err(BackendError::Unusable(why)) if why == "it is not a folder"));
    }

    #[test]
    fn a_file_is_replaced_only_if_it_is_unchanged() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let folder = FolderBackend { tree: Tree::shared(temp.path().to_owned()) };
        let if_unchanged = |before: &[u8]| WriteCondition::IfUnchanged(Version::Bytes(before.to_vec()));
        let content = || folder.content("v1/x").expect("readable").map(|file| file.bytes);
        assert!(folder.write("v1/x", b"one", &WriteCondition::IfAbsent).expect("writable"));
        assert!(!folder.write("v1/x", b"two", &WriteCondition::IfAbsent).expect("writable"));
        assert!(!folder.write("v1/x", b"two", &if_unchanged(b"other")).expect("writable"));
        assert_eq!(content(), Some(b"one".to_vec()));
        assert!(folder.write("v1/x", b"two", &if_unchanged(b"one")).expect("writable"));
        assert_eq!(content(), Some(b"two".to_vec()));
        assert_eq!(folder.list("v1").expect("listed").len(), 1, "no lock file remains");
        let mark = format!("v1/.{}.nodeagent", &Digest::sha256(b"two").hex()[..32]);
        assert!(folder.write(&mark, b"", &WriteCondition::IfAbsent).expect("writable"));
        assert!(!folder.write("v1/x", b"three", &if_unchanged(b"two")).expect("writable"), "another node writes it");
        assert_eq!(folder.size(&mark).expect("readable"), Some(0), "its lock file is recent");
        let then = SystemTime::now() - STALE_LOCK_AGE * 2;
        let opened = std::fs::File::open(temp.path().join(&mark)).expect("there");
        opened.set_times(std::fs::FileTimes::new().set_modified(then)).expect("ours");
        assert!(!folder.write("v1/x", b"three", &if_unchanged(b"two")).expect("writable"));
        assert!(folder.write("v1/x", b"three", &if_unchanged(b"two")).expect("writable"), "a stale one is removed");
    }

    #[test]
    fn mount_points_of_the_platform_are_recognized() {
        for path in
            ["/", "/dbfs", "/dbfs/", "/Workspace", "/Volumes", "/Volumes/a/b", "/Volumes/a/b/c", "/dbfs/Volumes/a/b/c"]
        {
            assert!(is_mount_point(Path::new(path)), "{path}");
        }
        for path in ["/store", "/dbfs/store", "/Workspace/store", "/Volumes/a/b/c/store", "/mnt/Volumes/a"] {
            assert!(!is_mount_point(Path::new(path)), "{path}");
        }
    }
}
