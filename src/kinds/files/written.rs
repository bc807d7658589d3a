//! `[files]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::written::When;

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Files, by their absolute path.
    #[serde(default)]
    pub files: BTreeMap<String, File>,
}

/// A file that the profile writes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// The complete content.
    pub text: String,
    /// Its permissions, in octal. Default: 0644 for a new file. An existing file keeps its own.
    pub mode: Option<String>,
    /// The nodes to which it applies.
    pub when: Option<When>,
    /// Whether the run continues if it fails. Default: false.
    #[serde(default)]
    pub optional: bool,
    /// The time limit, such as `90s` or `5m`.
    pub timeout: Option<String>,
    /// Sections and entries that come first, such as `pip` or `files./etc/x`.
    #[serde(default)]
    pub after: Vec<String>,
    /// Sections and entries that come later.
    #[serde(default)]
    pub before: Vec<String>,
}
