//! The state on a node between runs: receipt, journal, run lock and serials.

mod changes;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod item_records;
mod items;
mod journal;
mod listed_path;
mod lock;
mod previous;
mod receipt;
mod serials;
mod system;
mod system_records;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use changes::Changes;
pub use items::{ATTRIBUTES, Item, Items, KeptFiles, PARENT_FOLDER, PostStartItems, WHOLE, block_of, part_of_block};
pub use journal::{Interrupted, Journal, boot_id};
pub use listed_path::ListedPath;
pub use lock::{LockError, RunLock, holders};
pub use previous::Previous;
pub use receipt::{
    Delivered, GitReceipt, JarRecord, KeystoreReceipt, ProgramReceipt, PythonReceipt, Receipt, ServiceBefore,
    ServiceReceipt,
};
pub use serials::{Serials, UnreadSerials};
pub use system::{MountRecord, Replaced, SystemReceipt};

use crate::fs::{self, Attributes, FsError};

/// The folder, relative to the root.
const FOLDER: &str = "var/lib/nodeagent";

/// A copy of dpkg's status from before the first change. It does not exist before that.
pub fn shipped_dpkg(root: &Path) -> PathBuf {
    folder(root).join("dpkg-status-as-shipped")
}

/// Replaces a JSON file in the agent's folder.
fn write_json(root: &Path, name: &str, value: &impl Serialize) -> Result<(), FsError> {
    let mut text = serde_json::to_string_pretty(value).expect("maps with text keys can be written");
    text.push('\n');
    fs::create_dirs_durably(&folder(root), 0o755)?;
    fs::replace(&folder(root).join(name), text.as_bytes(), Attributes::mode(0o644))
}

/// The folder of the stages after the launch.
fn stages_folder(root: &Path) -> PathBuf {
    folder(root).join("post-start")
}

/// The folder of the post-start stage of a profile.
pub fn stage_folder(root: &Path, profile: &str) -> PathBuf {
    stages_folder(root).join(profile)
}

/// The agent's folder on a node.
pub fn folder(root: &Path) -> PathBuf {
    root.join(FOLDER)
}
