//! A file that a step writes whole.

use std::path::PathBuf;

use similar::TextDiff;

use crate::{fs::Attributes, state::Item};

/// The desired state of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteFile {
    /// The path, below the root of the file system.
    pub path: PathBuf,
    /// The complete new content.
    pub bytes: Vec<u8>,
    /// The present content, for the diff. `None` for a new file.
    pub before: Option<Vec<u8>>,
    /// Permissions and owner.
    pub attributes: Attributes,
    /// The item that the write makes, for the receipt. `None` if the file is not taken back.
    pub item: Option<PlannedItem>,
}

/// An item that a step makes, and the profile that it is recorded for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedItem {
    /// The name of the profile.
    pub profile: String,
    /// The path on the node.
    pub file: PathBuf,
    /// The record.
    pub item: Item,
}

impl WriteFile {
    /// The action of a step that always fails. Its content does not matter.
    pub fn impossible(path: PathBuf) -> Self {
        Self { path, bytes: Vec::new(), before: None, attributes: Attributes::default(), item: None }
    }

    /// The work in one line.
    pub fn title(&self) -> String {
        let verb = if self.before.is_some() { "change" } else { "write" };
        format!("{verb} {}", self.path.display())
    }

    /// The difference to the present content, as a unified diff.
    pub fn describe(&self) -> Vec<String> {
        let before = String::from_utf8_lossy(self.before.as_deref().unwrap_or_default());
        let after = String::from_utf8_lossy(&self.bytes);
        let path = self.path.display().to_string();
        let old = if self.before.is_some() { path.as_str() } else { "/dev/null" };
        let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
        diff.unified_diff().context_radius(0).header(old, &path).to_string().lines().map(str::to_owned).collect()
    }
}
