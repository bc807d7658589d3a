//! A folder of this machine that nodes share, as a store; and what a run did with packages.

use std::path::{Path, PathBuf};

use crate::support::{Node, skipped};

/// A folder that nodes mount at `/shared`, gone when dropped.
pub(crate) struct Shared(PathBuf);

impl Shared {
    /// An empty one; `None` when the ring is skipped. `what` is a word of the test.
    pub(crate) fn new(what: &str) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("ring-shared-{what}-{}", std::process::id()));
        (!skipped()).then(|| {
            std::fs::create_dir_all(&path).expect("a folder");
            Self(path)
        })
    }

    /// Where it is on this machine.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A fresh node that mounts it, with options of `scripts/node start`.
    pub(crate) fn fresh(&self, what: &str, options: &[&str]) -> Option<Node> {
        let mount = format!("{}:/shared", self.0.display());
        Node::with(what, &[&["--mount", &mount], options].concat())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nodes wrote there as root.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
