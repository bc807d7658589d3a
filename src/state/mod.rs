//! The state on a node between runs: receipt, journal, run lock and serials.

mod journal;
mod lock;
mod receipt;
mod serials;

use std::path::{Path, PathBuf};

pub use journal::{Interrupted, Journal};
pub use lock::{LockError, RunLock, holder};
pub use receipt::{Delivered, PythonReceipt, Receipt, ServiceBefore, ServiceReceipt};
pub use serials::{Serials, UnreadSerials};

/// The folder, relative to the root.
const FOLDER: &str = "var/lib/nodeagent";

/// A copy of dpkg's status from before the first change. It does not exist before that.
pub fn shipped_dpkg(root: &Path) -> PathBuf {
    folder(root).join("dpkg-status-as-shipped")
}

/// The agent's folder on a node.
pub fn folder(root: &Path) -> PathBuf {
    root.join(FOLDER)
}
