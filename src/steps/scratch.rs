//! Temporary folders below the agent's cache.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::fs;

/// A unique folder that is removed when dropped. Folders of a killed run are removed by the next run.
#[derive(Debug)]
pub(crate) struct ScratchFolder(PathBuf);

impl ScratchFolder {
    /// A new unique folder below `folder`. It is created on the first write.
    pub(crate) fn below(folder: &Path) -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        Self(folder.join(COUNTER.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    /// The path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let _ = fs::remove_tree(&self.0);
    }
}
