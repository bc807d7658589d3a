//! `[files]` as checked.

use std::{collections::BTreeMap, path::PathBuf};

use crate::profile::Entry;

/// Files that the profile writes, by their absolute path on the node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files(pub BTreeMap<PathBuf, Entry<File>>);

/// A file that the profile writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The complete content.
    pub text: String,
    /// Permission bits. `None` keeps those of an existing file.
    pub mode: Option<u32>,
}
