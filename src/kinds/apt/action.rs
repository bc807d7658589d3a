//! The action of an apt step, as data.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    checked::{AptPackage, DebconfAnswer},
    source_files::{key_file, source_file},
};
use crate::{
    diagnostic::Origin,
    lock::LockedDeb,
    plan::title::{by_lock, file_name, listed, pinned},
    profile::FileStore,
};

/// The action of an apt step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write package sources and fetch their lists.
    Sources(AptSources),
    /// Install packages and local debs in one transaction.
    Install(AptInstall),
    /// Remove packages.
    Remove(AptRemoval),
}

/// Packages to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptRemoval {
    /// The packages of the step, by name.
    pub packages: Vec<String>,
    /// All packages that may be removed, because they depend on those of the step.
    pub removable: BTreeSet<String>,
}

/// Package sources to write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AptSources {
    /// The sources, in profile order.
    pub sources: Vec<AptSource>,
    /// Whether the step fetches their lists: a lock needs none, and an installation fetches all lists itself.
    pub fetch_lists: bool,
}

/// A package source: a deb822 file and the key that signs its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// The name of its file without `.sources`.
    pub name: String,
    /// The deb822 stanza to write to `/etc/apt/sources.list.d/NAME.sources`, without `Signed-By`.
    pub stanza: String,
    /// The key for `/etc/apt/keyrings/NAME.gpg`.
    pub key: AptKey,
}

/// An OpenPGP key file, and the fingerprints it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptKey {
    /// The content of the key file.
    pub content: KeyContent,
    /// The fingerprints of its keys: 40 (or 64) hexadecimal digits, upper case, no spaces.
    pub fingerprints: BTreeSet<String>,
    /// The profile line.
    pub origin: Origin,
}

/// The content of a key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyContent {
    /// It was read to plan.
    Known(Vec<u8>),
    /// A file on a server. It is copied to this path before the first change.
    Staged(PathBuf),
}

/// Packages to install in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AptInstall {
    /// Packages by name, without those that are installed already.
    pub packages: Vec<AptPackage>,
    /// Package files, as absolute paths.
    pub debs: Vec<PathBuf>,
    /// Answers for debconf.
    pub debconf: Vec<DebconfAnswer>,
    /// Whether recommended packages come along.
    pub recommends: bool,
    /// Whether dpkg waits for the disk after each file.
    pub wait_for_disk: bool,
    /// The sources that this run adds before the installation.
    pub added: Option<AptSources>,
    /// Whether other packages of the run are installed before. They may add a source, or satisfy a dependency.
    pub comes_later: bool,
    /// The files to install if there is a lock. No others are installed.
    pub locked: Option<Vec<LockedDeb>>,
}

impl Action {
    /// The work in one line.
    pub fn title(&self) -> String {
        match self {
            Self::Sources(sources) => {
                format!("add {}", listed(sources.sources.iter().map(|source| source.name.clone())))
            }
            Self::Install(install) => format!("install {}", listed(install.names())),
            Self::Remove(removal) => format!("remove {}", listed(removal.packages.iter().cloned())),
        }
    }

    /// The work as commands and files, one line each.
    pub fn describe(&self, store: &FileStore) -> Vec<String> {
        match self {
            Self::Sources(sources) => sources.sources.iter().flat_map(AptSource::describe).collect(),
            Self::Install(install) => install.describe(store),
            Self::Remove(removal) => vec![format!("apt-get remove -- {}", removal.packages.join(" "))],
        }
    }
}

impl AptSource {
    fn describe(&self) -> Vec<String> {
        let file = format!("write {}:", source_file(&self.name).display());
        let stanza = self.stanza_with(&key_file(&self.name));
        std::iter::once(file).chain(stanza.lines().map(|line| format!("+{line}"))).collect()
    }

    /// The whole stanza, with the path of the key.
    pub(super) fn stanza_with(&self, key: &Path) -> String {
        format!("{}Signed-By: {}\n", self.stanza, key.display())
    }
}

impl AptInstall {
    fn names(&self) -> impl Iterator<Item = String> {
        let packages = self.packages.iter().map(AptPackage::pinned);
        packages.chain(self.debs.iter().map(|deb| file_name(deb)))
    }

    fn describe(&self, store: &FileStore) -> Vec<String> {
        let names = self.packages.iter().map(AptPackage::pinned);
        let names: Vec<String> = names.chain(self.debs.iter().map(|deb| store.shown(deb))).collect();
        let recommends = if self.recommends { "--install-recommends" } else { "--no-install-recommends" };
        let mut lines = vec![format!("apt-get install {recommends} -- {}", names.join(" "))];
        lines.extend(self.locked.as_ref().map(|locked| by_lock(locked.len(), "package")));
        lines
    }
}

impl AptPackage {
    /// The package with its pin: `jq=1.6-2.1`.
    pub fn pinned(&self) -> String {
        pinned(&self.name, "=", self.version.as_deref())
    }
}
