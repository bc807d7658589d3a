//! The files, folders and links of an unpacked archive, as they were after unpacking. A list of them is kept with the
//! copies of previous files.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::Previous;
use crate::fs::FsError;

/// The permission bits of `st_mode`. The other bits are the type.
const TYPE: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;

/// A path that an archive made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPath {
    /// The absolute path on the node.
    pub path: PathBuf,
    /// The type and the permission bits, as in `st_mode`.
    mode: u32,
    /// User and group ids.
    owner: (u32, u32),
    /// The size in bytes. 0 for a folder.
    size: u64,
    /// The modification time: seconds and nanoseconds. 0 for a folder.
    modified: (i64, i64),
}

impl ListedPath {
    /// A path with its present state.
    pub fn new(path: PathBuf, found: &Metadata) -> Self {
        let owner = (found.uid(), found.gid());
        if found.is_dir() {
            return Self { path, mode: found.mode(), owner, size: 0, modified: (0, 0) };
        }
        let modified = (found.mtime(), found.mtime_nsec());
        Self { path, mode: found.mode(), owner, size: found.len(), modified }
    }

    /// A folder with these permission bits.
    pub fn folder(path: PathBuf, mode: u32, owner: (u32, u32)) -> Self {
        Self { path, mode: FOLDER | mode, owner, size: 0, modified: (0, 0) }
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.mode & TYPE == FOLDER
    }

    /// Whether the path is now as it was listed.
    pub fn is_same(&self, found: &Metadata) -> bool {
        *self == Self::new(self.path.clone(), found)
    }

    /// Whether the type, the size and the time are as they were listed.
    pub fn has_same_content(&self, found: &Metadata) -> bool {
        let now = Self::new(self.path.clone(), found);
        (self.mode & TYPE, self.size, self.modified) == (now.mode & TYPE, now.size, now.modified)
    }

    /// Keeps a list.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(root: &Path, list: &[Self]) -> Result<Previous, FsError> {
        let bytes = serde_json::to_vec(list).expect("texts and numbers can be written");
        Previous::keep_bytes(root, &bytes, 0o600, (0, 0))
    }

    /// Reads a list. `None` if it was removed or changed.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(root: &Path, list: &Previous) -> Result<Option<Vec<Self>>, FsError> {
        Ok(list.content(root)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }
}
