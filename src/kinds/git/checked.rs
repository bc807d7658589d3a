//! `[git]` as checked.

use std::{collections::BTreeMap, path::PathBuf};

use url::Url;

use crate::profile::Entry;
pub use crate::steps::git::Revision;

/// Clones of git repositories, by their folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Git(pub BTreeMap<PathBuf, Entry<Repository>>);

/// A clone of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The address of the repository.
    pub url: Url,
    /// The revision.
    pub revision: Revision,
    /// The number of commits to fetch.
    pub depth: u32,
    /// Whether submodules are fetched, too.
    pub submodules: bool,
    /// The owner of all files.
    pub owner: Option<String>,
}
