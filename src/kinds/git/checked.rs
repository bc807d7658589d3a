//! `[git]` as checked.

use std::{collections::BTreeMap, path::PathBuf};

use url::Url;

use crate::profile::Entry;

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

/// A revision of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// A commit.
    Commit(String),
    /// A tag.
    Tag(String),
}

impl Revision {
    /// The revision for messages and for the receipt.
    pub fn label(&self) -> String {
        match self {
            Self::Commit(commit) => format!("commit {commit}"),
            Self::Tag(tag) => format!("tag {tag}"),
        }
    }
}
