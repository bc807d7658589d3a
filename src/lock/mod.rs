//! A lock: the exact files that a profile stands for, a section each runtime. Reads, writes and compares; what a profile
//! stands for is found out by the steps, and what a lock means for a node is decided by the plan.

mod diff;
mod drift;
mod parse;
mod raw;
mod render;
mod update;

use std::{collections::BTreeSet, fmt};

use url::Url;

pub use self::{
    diff::{Change, Difference, SectionDifference, difference},
    drift::Drift,
    parse::{is_bare, json_schema},
};
use crate::digest::Digest;

/// The version of the format that this agent understands.
const SCHEMA: u32 = 1;

/// A checked lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Counts up with each change.
    pub serial: u64,
    /// The name of the profile it was made for.
    pub profile: String,
    /// The profile and what it extends.
    pub files: Vec<LockedFile>,
    /// What was resolved, a section each runtime and each set of things asked for.
    pub sections: Vec<Section>,
}

impl Lock {
    /// The digests of all that it names.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.files.iter().map(|file| &file.sha256).chain(self.sections.iter().flat_map(Section::digests))
    }
}

/// A lock, and the file it was read from as shown to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFile {
    /// The file.
    pub label: String,
    /// What it holds.
    pub lock: Lock,
}

/// A file whose bytes were locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedFile {
    /// Its path: below the file store, beside the profile, or in the binary.
    pub path: String,
    /// Its digest.
    pub sha256: Digest,
}

/// What a resolution depends on beside the profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Runtime {
    /// Operating system and its release, such as `debian 12`.
    pub os: String,
    /// Processor, as Debian calls it.
    pub arch: String,
    /// The version of the platform's runtime, where it is known.
    pub version: Option<String>,
    /// The minor version of Python, where anything is asked of it.
    pub python: Option<String>,
    /// The version of R, where anything is asked of it.
    pub r: Option<String>,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.os, self.arch)?;
        for (name, version) in [("runtime", &self.version), ("Python", &self.python), ("R", &self.r)] {
            if let Some(version) = version {
                write!(f, ", {name} {version}")?;
            }
        }
        Ok(())
    }
}

/// What a profile stands for on one runtime.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// The runtime.
    pub runtime: Runtime,
    /// The facts of the node that conditions of the profile speak of, beside those of the runtime.
    pub conditions: Vec<(String, String)>,
    /// What was asked for, a line each.
    pub asks: Vec<String>,
    /// Debian packages: the whole transaction.
    pub apt: Vec<LockedDeb>,
    /// Python distributions.
    pub python: Vec<LockedDistribution>,
    /// R packages.
    pub r: Vec<LockedRPackage>,
    /// Files of the file store.
    pub assets: Vec<LockedAsset>,
}

impl Section {
    fn digests(&self) -> impl Iterator<Item = &Digest> {
        let packages = self.apt.iter().map(|deb| &deb.sha256).chain(self.python.iter().map(|file| &file.sha256));
        packages
            .chain(self.r.iter().map(|package| &package.sha256))
            .chain(self.assets.iter().map(|asset| &asset.sha256))
    }
}

/// A Debian package file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedDeb {
    /// The package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub arch: String,
    /// The file's name, an epoch's colon written as `%3a`.
    pub file: String,
    /// Where it was.
    pub url: Url,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
    /// The optional entries that alone need it; empty for what is required.
    pub only_for: BTreeSet<String>,
}

/// A file of a Python distribution: the one that this runtime takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedDistribution {
    /// Its normalised name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The file's name.
    pub file: String,
    /// Where it was.
    pub url: Url,
    /// Its digest.
    pub sha256: Digest,
    /// The optional entries that alone need it; empty for what is required.
    pub only_for: BTreeSet<String>,
}

impl LockedDistribution {
    /// Whether it has to be built first.
    pub fn is_source(&self) -> bool {
        !self.file.ends_with(".whl")
    }
}

/// An archive of an R package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedRPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it is.
    pub from: ArchiveSource,
    /// Its digest.
    pub sha256: Digest,
    /// Whether it holds an installed package, not a source.
    pub binary: bool,
    /// The packages of this section that are installed before it.
    pub needs: BTreeSet<String>,
    /// The optional entries that alone need it; empty for what is required.
    pub only_for: BTreeSet<String>,
}

/// Where an archive is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArchiveSource {
    /// At a server.
    Url(Url),
    /// In the file store, by the path that the profile names.
    Asset(String),
}

/// A file of the file store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedAsset {
    /// The path as the profile names it.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// Whether a locked package is for a group of entries: the required ones (`None`), or one that is optional.
pub fn is_for(only_for: &BTreeSet<String>, group: Option<&str>) -> bool {
    only_for.is_empty() || group.is_some_and(|group| only_for.contains(group))
}

/// Whether a locked package is for this group alone.
pub fn is_own(only_for: &BTreeSet<String>, group: Option<&str>) -> bool {
    group.map_or(only_for.is_empty(), |group| only_for.contains(group))
}

impl Section {
    /// The digest of a file of the file store.
    pub fn asset(&self, path: &str) -> Option<&LockedAsset> {
        self.assets.iter().find(|asset| asset.path == path)
    }
}

/// An address without what only its owner may know: user, password, and a query, which may be a signature.
pub fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    // Addresses that cannot carry credentials have none to lose.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_query(None);
    bare.set_fragment(None);
    bare
}

#[cfg(test)]
mod tests;
