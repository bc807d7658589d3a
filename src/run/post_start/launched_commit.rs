//! The commit of a branch or a tag that the lock of a launch has, as a launch keeps it for its later stage.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::lock::LockedGit;

/// The commit of a branch or a tag of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LaunchedCommit {
    /// The folder of the clone.
    pub folder: String,
    /// The address of the repository.
    pub url: String,
    /// The branch or the tag, such as `branch main`.
    pub revision: String,
    /// The commit.
    pub commit: String,
}

impl LaunchedCommit {
    /// As in the lock. `None` if the address cannot be read.
    pub(super) fn locked(&self) -> Option<LockedGit> {
        let Self { folder, url, revision, commit } = self.clone();
        Some(LockedGit { folder, url: Url::parse(&url).ok()?, revision, commit })
    }
}

impl From<&LockedGit> for LaunchedCommit {
    fn from(git: &LockedGit) -> Self {
        let LockedGit { folder, url, revision, commit } = git.clone();
        Self { folder, url: url.to_string(), revision, commit }
    }
}
