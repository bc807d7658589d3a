//! The changes of `[system]` that no file of the node tells: the state before them, to take them back.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::fs::Mount;

/// The changes of `[system]` for a profile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SystemReceipt {
    /// Kernel parameters, by their paths below `/proc/sys`.
    pub sysctl: BTreeMap<String, Replaced>,
    /// The host name.
    pub hostname: Option<Replaced>,
    /// The selected programs of alternatives, by name. `before` is `None` if the selection was automatic.
    pub alternatives: BTreeMap<String, Replaced>,
    /// Mounts, by their folders.
    pub mounts: BTreeMap<PathBuf, MountRecord>,
    /// The text of the file with the folders of libraries.
    pub ldconfig: Option<String>,
}

/// A value that a profile set, and the value before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Replaced {
    /// The value.
    pub value: String,
    /// The value before the first change.
    pub before: Option<String>,
}

impl Replaced {
    /// The record of a change. The state before the first change stays.
    pub fn renewing(value: String, before: Option<String>, earlier: Option<&Self>) -> Self {
        Self { value, before: earlier.map_or(before, |earlier| earlier.before.clone()) }
    }
}

/// A mount that a profile made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct MountRecord {
    /// Its line in fstab.
    pub line: String,
    /// The mount as the kernel shows it. `None` if the run ended before it was made.
    pub seen: Option<Mount>,
    /// Whether nodeagent mounted it. Otherwise, only the line is its work.
    pub is_ours: bool,
    /// Whether nodeagent created the folder.
    pub created_folder: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_before_the_first_change_is_kept() {
        let first = Replaced::renewing("10".into(), Some("60".into()), None);
        let second = Replaced::renewing("20".into(), Some("10".into()), Some(&first));
        assert_eq!(second, Replaced { value: "20".into(), before: Some("60".into()) });
    }
}
