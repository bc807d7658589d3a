//! What the agent remembers on a node between runs: the receipt, the journal, the lock, serials.

mod journal;
mod lock;
mod receipt;
mod serials;

use std::path::{Path, PathBuf};

pub use journal::{Interrupted, Journal};
pub use lock::{LockError, RunLock, holder};
pub use receipt::{Delivered, PythonReceipt, Receipt};
pub use serials::{Serials, UnreadSerials};

/// The folder, below the root.
const FOLDER: &str = "var/lib/nodeagent";

/// dpkg's status as it was before the first change, below the root; not there while nothing was changed.
pub fn shipped_dpkg(root: &Path) -> PathBuf {
    folder(root).join("dpkg-status-as-shipped")
}

/// The agent's folder on a node.
pub fn folder(root: &Path) -> PathBuf {
    root.join(FOLDER)
}
