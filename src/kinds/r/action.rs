//! The action of an R step, as data.

use std::{collections::BTreeMap, path::PathBuf};

use url::Url;

use super::checked::RPackage;
use crate::{
    lock::{ArchiveSource, GitCommit, LockedRPackage},
    plan::{
        Layer,
        title::{by_lock, file_name, listed, pinned},
    },
    profile::FileStore,
};

/// R packages to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RInstall {
    /// The R program, such as `/usr/bin/R`.
    pub program: PathBuf,
    /// The version of R, such as `4.2.2`.
    pub r_version: String,
    /// The library that receives the packages.
    pub library: PathBuf,
    /// Every package that is installed in any library R searches, the receiving library first.
    pub installed: BTreeMap<String, RInstalled>,
    /// Repositories, in order of preference. Packages are at `REPO/src/contrib`.
    pub repos: Vec<Url>,
    /// Packages by name.
    pub packages: Vec<RPackage>,
    /// Packages of git repositories.
    pub git: Vec<GitPackage>,
    /// Local archives: source or binary packages.
    pub archives: Vec<PathBuf>,
    /// The archives to install if there is a lock, with their files if they are in the file store. No others are
    /// installed.
    pub locked: Option<Vec<(LockedRPackage, Option<PathBuf>)>>,
    /// The layer of all locked packages, if there is a lock.
    pub layer: Option<Layer>,
}

/// An installed R package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RInstalled {
    /// Its version.
    pub version: String,
    /// The library it is in.
    pub library: PathBuf,
    /// Whether it is part of R itself (priority base).
    pub base: bool,
    /// The commit of the git repository that it was built from.
    pub commit: Option<String>,
}

/// A package of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitPackage {
    /// The name of the package.
    pub name: String,
    /// Its commit.
    pub from: GitCommit,
}

impl GitPackage {
    /// The package for messages.
    pub(super) fn label(&self) -> String {
        format!("{} ({})", self.name, self.from.short())
    }
}

impl RInstall {
    /// Whether git fetches this package. It may use credentials of the node.
    pub(super) fn is_of_git(&self, name: &str) -> bool {
        let is_locked = |(package, _): &(LockedRPackage, Option<PathBuf>)| {
            package.name == name && matches!(package.from, ArchiveSource::Git(_))
        };
        self.git.iter().any(|package| package.name == name) || self.locked.iter().flatten().any(is_locked)
    }

    /// Whether git fetches a package.
    pub(super) fn uses_git(&self) -> bool {
        match &self.locked {
            Some(locked) => locked.iter().any(|(package, _)| matches!(package.from, ArchiveSource::Git(_))),
            None => !self.git.is_empty(),
        }
    }

    /// The work in one line.
    pub fn title(&self) -> String {
        let packages = self.packages.iter().map(RPackage::pinned).chain(self.git.iter().map(GitPackage::label));
        format!("install {}", listed(packages.chain(self.archives.iter().map(|archive| file_name(archive)))))
    }

    /// The work as commands, one line each.
    pub fn describe(&self, store: &FileStore) -> Vec<String> {
        let packages = self.packages.iter().map(RPackage::pinned);
        let packages = packages.chain(self.git.iter().map(|package| package.name.clone()));
        let words: Vec<String> = packages.chain(self.archives.iter().map(|file| store.shown(file))).collect();
        let library = self.library.display();
        let fetch = |package: &GitPackage| format!("git fetch {} {}", package.from.url, package.from.commit);
        let mut lines: Vec<String> = self.git.iter().map(fetch).collect();
        lines.push(format!("R CMD INSTALL --library={library} {} and what they require", words.join(" ")));
        lines.extend(self.locked.as_ref().map(|locked| by_lock(locked.len(), "package")));
        lines
    }
}

impl RPackage {
    /// The package with its pin: `plumber@1.2.1`.
    pub fn pinned(&self) -> String {
        pinned(&self.name, "@", self.version.as_deref())
    }
}
