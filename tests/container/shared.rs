//! A folder of this machine that nodes share as a store; and the tasks of a run.

use std::path::{Path, PathBuf};

use crate::support::{Node, PROFILES, skipped, wheel};

/// The lock of the profile.
pub(crate) const LOCK: &str = "/profiles/ring.lock";

/// A folder that nodes mount at `/shared`. It is removed when dropped.
pub(crate) struct Shared(PathBuf);

impl Shared {
    /// An empty folder; `None` when tests with nodes are skipped. `what` is a word of the test.
    pub(crate) fn new(what: &str) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("ring-shared-{what}-{}", std::process::id()));
        (!skipped()).then(|| {
            std::fs::create_dir_all(&path).expect("a folder");
            Self(path)
        })
    }

    /// Its path on this machine.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A fresh node with the folder, started with options of `scripts/node start`.
    pub(crate) fn fresh(&self, what: &str, options: &[&str]) -> Option<Node> {
        let mount = format!("{}:/shared", self.0.display());
        Node::with(what, &[&["--mount", &mount], options].concat())
    }

    /// A fresh node with the folder, a profile of these sections, a wheel beside it, and the lock.
    pub(crate) fn with_profile(&self, what: &str, sections: &str, lock: Option<&str>) -> Option<Node> {
        let node = self.fresh(what, &[])?;
        node.write(&format!("{PROFILES}/ringwheel-1.0-py3-none-any.whl"), wheel("ringwheel", "1.0", &["six"]));
        node.profile(sections);
        if let Some(lock) = lock {
            node.write(LOCK, lock);
        }
        Some(node)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The tasks of the last run of a node in order, without downloads.
pub(crate) fn tasks(node: &Node) -> Vec<String> {
    let events = node.sh("cat $(ls -d /var/log/nodeagent/*/ | tail -n 1)/events.jsonl");
    let task = |line: &str| line.split_once("\"task\":\"")?.1.split('"').next().map(str::to_owned);
    events.lines().filter_map(task).filter(|task| !task.starts_with("download")).collect()
}
