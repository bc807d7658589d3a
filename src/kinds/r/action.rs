//! The action of an R step, as data.

use std::{collections::BTreeMap, path::PathBuf};

use url::Url;

use super::checked::RPackage;
use crate::{
    lock::LockedRPackage,
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
}

impl RInstall {
    /// The work in one line.
    pub fn title(&self) -> String {
        let packages = self.packages.iter().map(RPackage::pinned);
        format!("install {}", listed(packages.chain(self.archives.iter().map(|archive| file_name(archive)))))
    }

    /// The work as commands, one line each.
    pub fn describe(&self, store: &FileStore) -> Vec<String> {
        let packages = self.packages.iter().map(RPackage::pinned);
        let words: Vec<String> = packages.chain(self.archives.iter().map(|file| store.shown(file))).collect();
        let library = self.library.display();
        let mut lines = vec![format!("R CMD INSTALL --library={library} {} and what they require", words.join(" "))];
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
