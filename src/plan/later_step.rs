//! A step of the post-start stage, as the launch knows it. Its work is planned when the stage runs, because it
//! depends on the node at that time.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Origin;

/// A step of the post-start stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LaterStep {
    /// The entry, as in `after`.
    pub entry: String,
    /// Whether the stage continues if it fails.
    pub optional: bool,
    /// The profile lines that request it.
    pub origins: Vec<Origin>,
    /// The entries that come first, with the reasons.
    pub order: Vec<LaterNeed>,
}

/// An entry that comes before another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaterNeed {
    /// The entry that comes first.
    pub entry: String,
    /// The reason.
    pub reason: String,
}
