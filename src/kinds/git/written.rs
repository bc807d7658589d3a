//! `[git]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{Cases, conditional, written::entry};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Clones of git repositories, by the absolute path of their folder.
    #[serde(default)]
    pub git: BTreeMap<String, Cases<Repository>>,
}

entry! {
    /// A clone of a git repository.
    pub struct Repository {
        /// The address of the repository, without a login.
        pub url: String,
        /// The commit: 40 hexadecimal digits.
        pub commit: Option<String>,
        /// The tag, instead of `commit`.
        pub tag: Option<String>,
        /// The branch, instead of `commit`. It can move, so the lock must have its commit.
        pub branch: Option<String>,
        /// The number of commits to fetch. Default: 1.
        pub depth: Option<i64>,
        /// Whether submodules are fetched, too. Default: false.
        #[serde(default)]
        pub submodules: bool,
        /// The owner of all files: `user` or `user:group`. Default: root.
        pub owner: Option<String>,
    } with when, optional, timeout, order, stage
}

conditional!(Repository, stage);
