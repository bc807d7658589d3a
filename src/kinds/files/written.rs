//! `[files]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::written::entry;

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Files, by their absolute path.
    #[serde(default)]
    pub files: BTreeMap<String, File>,
}

entry! {
    /// A file that the profile writes.
    pub struct File {
        /// The complete content.
        pub text: String,
        /// Its permissions, in octal. Default: 0644 for a new file. An existing file keeps its own.
        pub mode: Option<String>,
    } with when, optional, timeout, order
}
