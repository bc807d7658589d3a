//! Contents of files on the node, read before planning.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::below;
use crate::fs::{self, FsError, Snapshot};

/// Files by their absolute paths on the node. `None` is a file that does not exist.
#[derive(Debug, Default)]
pub struct Snapshots(BTreeMap<PathBuf, Result<Option<Snapshot>, FsError>>);

impl Snapshots {
    /// Reads files below a root.
    pub fn read(root: &Path, paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let read = |path: PathBuf| {
            let found = fs::read(&below(root, &path));
            (path, found)
        };
        Self(paths.into_iter().map(read).collect())
    }

    /// Adds a file that does not exist yet and will be a copy of another one.
    pub fn add_copy(&mut self, root: &Path, from: &Path, to: PathBuf) {
        self.0.insert(to, fs::read(&below(root, from)));
    }

    /// The content of a file at the time of the snapshot.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn get(&self, path: &Path) -> Result<Option<&Snapshot>, &FsError> {
        match self.0.get(path) {
            Some(found) => found.as_ref().map(Option::as_ref),
            None => Ok(None),
        }
    }

    /// Whether a file exists with this content.
    pub fn holds(&self, path: &Path, content: &[u8]) -> bool {
        self.get(path).ok().flatten().and_then(|found| found.bytes.as_deref()) == Some(content)
    }
}
