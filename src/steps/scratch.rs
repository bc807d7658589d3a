//! Folders of the cache for work that is under way.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::fs;

/// A folder of its own below another, gone when the last who works in it is done. What a killed run leaves is swept by the
/// next one.
#[derive(Debug)]
pub(crate) struct ScratchFolder(PathBuf);

impl ScratchFolder {
    /// One that nobody else has. It is made by the first who writes to it.
    pub(crate) fn below(folder: &Path) -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        Self(folder.join(COUNTER.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let _ = fs::remove_tree(&self.0);
    }
}
