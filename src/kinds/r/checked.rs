//! `[r]` as checked: R packages, archives and repositories.

use std::path::PathBuf;

use url::Url;

use crate::{
    diagnostic::Origin,
    lock::GitCommit,
    profile::{AssetRef, Entry, Setting},
};

/// The R library, unless the profile names another.
pub(super) const DEFAULT_R_LIBRARY: &str = "/databricks/spark/R/lib";
/// The R repository, unless the profile names another.
pub(super) const DEFAULT_R_REPO: &str = "https://cloud.r-project.org/";

/// R packages and their repositories.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct R {
    /// The library.
    pub library: Option<Setting<PathBuf>>,
    /// Repositories.
    pub repos: Vec<Entry<Url>>,
    /// By name.
    pub packages: Vec<Entry<RPackage>>,
    /// Archives.
    pub sources: Vec<Entry<AssetRef>>,
}

/// A requested R package, and its exact version if pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RPackage {
    /// The name, checked.
    pub name: String,
    /// The exact version.
    pub version: Option<String>,
    /// The commit of a git repository that it comes from.
    pub git: Option<GitCommit>,
}

impl RPackage {
    /// A package of the repositories.
    #[cfg(test)]
    pub(super) fn named(name: &str, version: Option<&str>) -> Self {
        Self { name: name.to_owned(), version: version.map(str::to_owned), git: None }
    }
}

impl R {
    /// The line of the first requested package or archive.
    pub fn first(&self) -> Option<&Origin> {
        self.packages.first().map(|entry| &entry.origin).or(self.sources.first().map(|entry| &entry.origin))
    }
}
