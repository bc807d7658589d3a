//! The folders of a run on the node.

use std::path::{Path, PathBuf};

/// The folder for downloads and tools of the agent, below the root.
const CACHE: &str = "var/cache/nodeagent";

/// The agent's cache on a node.
pub fn cache(root: &Path) -> PathBuf {
    root.join(CACHE)
}
