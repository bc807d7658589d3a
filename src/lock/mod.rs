//! Locks: the exact files of a profile, with a section for each runtime. This module reads, writes and compares them.
//! The steps resolve the files, and the plan applies a lock to a node.

mod bucket_folder;
mod diff;
mod drift;
mod parse;
mod render;
mod update;
mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use url::Url;

pub use self::{
    bucket_folder::{MAX_FOLDER_BYTES, MAX_FOLDER_FILES, is_object_name, object_address},
    diff::{Change, Difference, SectionDifference, difference},
    drift::Drift,
    parse::{is_bare, is_subdir, json_schema},
};
use crate::digest::Digest;

/// The version of the format.
const SCHEMA: u32 = 1;

/// A validated lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// A number that grows with each change.
    pub serial: u64,
    /// The name of the profile.
    pub profile: String,
    /// The files of the profile and of the profiles that it extends.
    pub files: Vec<LockedFile>,
    /// The resolved files, one section for each runtime and set of requests.
    pub sections: Vec<Section>,
}

impl Lock {
    /// All digests in the lock.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.files.iter().map(|file| &file.sha256).chain(self.sections.iter().flat_map(Section::digests))
    }
}

/// A lock and its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFile {
    /// The path, as shown to people.
    pub label: String,
    /// The lock.
    pub lock: Lock,
}

/// The names of the files of folders in buckets, by the addresses of the folders. The address ends with `/`, and the
/// names are relative to it.
pub type BucketFolders = BTreeMap<String, Vec<String>>;

/// A locked file of a profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedFile {
    /// The path: below the file store, beside the profile, or in the binary.
    pub path: String,
    /// The digest.
    pub sha256: Digest,
}

/// The facts of a node that a resolution depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Runtime {
    /// Operating system and release, such as `debian 12`.
    pub os: String,
    /// The processor architecture, as Debian names it.
    pub arch: String,
    /// The version of the platform's runtime, if known.
    pub version: Option<String>,
    /// The minor version of Python, if the profile requests Python packages.
    pub python: Option<String>,
    /// The version of R, if the profile requests R packages.
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

/// The resolved files for one runtime.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// The runtime.
    pub runtime: Runtime,
    /// Further facts that the conditions of the profile use, by name.
    pub conditions: Vec<(String, String)>,
    /// The requests of the profile, one a line.
    pub asks: Vec<String>,
    /// Debian packages: the whole transaction.
    pub apt: Vec<LockedDeb>,
    /// Python distributions.
    pub python: Vec<LockedDistribution>,
    /// Distributions of virtual environments, by their folders.
    pub venvs: BTreeMap<String, Vec<LockedDistribution>>,
    /// R packages.
    pub r: Vec<LockedRPackage>,
    /// Commits of git repositories.
    pub git: Vec<LockedGit>,
    /// Folders in buckets.
    pub folders: BucketFolders,
    /// Files in the file store, on servers and in buckets.
    pub assets: Vec<LockedAsset>,
}

impl Section {
    /// Whether all distributions of Python are wheels.
    pub fn has_only_wheels(&self) -> bool {
        self.venvs.values().flatten().chain(&self.python).all(|file| !file.is_source())
    }

    fn digests(&self) -> impl Iterator<Item = &Digest> {
        let packages = self.apt.iter().map(|deb| &deb.sha256).chain(self.python.iter().map(|file| &file.sha256));
        let packages = packages.chain(self.venvs.values().flatten().map(|file| &file.sha256));
        packages
            .chain(self.r.iter().map(|package| &package.sha256))
            .chain(self.assets.iter().map(|asset| &asset.sha256))
    }
}

/// A Debian package file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedDeb {
    /// The package name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The architecture.
    pub arch: String,
    /// The file name, with the colon of an epoch written as `%3a`.
    pub file: String,
    /// The address it was resolved from.
    pub url: Url,
    /// The size in bytes.
    pub size: u64,
    /// The digest.
    pub sha256: Digest,
    /// The optional entries that need this package; empty if a required entry needs it.
    pub only_for: BTreeSet<String>,
}

/// A file of a Python distribution: the one for this runtime.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedDistribution {
    /// The normalised name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The file name.
    pub file: String,
    /// The address it was resolved from.
    pub url: Url,
    /// The digest.
    pub sha256: Digest,
    /// The optional entries that need this package; empty if a required entry needs it.
    pub only_for: BTreeSet<String>,
}

impl LockedDistribution {
    /// Whether the file is a source archive, which has to be built.
    pub fn is_source(&self) -> bool {
        !self.file.ends_with(".whl")
    }
}

/// An archive of an R package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedRPackage {
    /// The package name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The source of the archive.
    pub from: ArchiveSource,
    /// The digest.
    pub sha256: Digest,
    /// Whether the archive contains an installed package instead of sources.
    pub binary: bool,
    /// The packages of this section that have to be installed before.
    pub needs: BTreeSet<String>,
    /// The optional entries that need this package; empty if a required entry needs it.
    pub only_for: BTreeSet<String>,
}

/// The source of an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArchiveSource {
    /// A server.
    Url(Url),
    /// The file store, with the path in the profile.
    Asset(String),
    /// A git repository. The digest of the package is that of its archive, which nodeagent packs.
    Git(GitCommit),
}

/// A folder in a git repository, at a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitCommit {
    /// The address of the repository.
    pub url: Url,
    /// The commit.
    pub commit: String,
    /// The folder in the repository, if it is not the top one.
    pub subdir: Option<String>,
}

impl GitCommit {
    /// The first digits of the commit, for messages.
    pub fn short(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }
}

impl LockedRPackage {
    /// The commit that it comes from.
    pub fn commit(&self) -> Option<&str> {
        match &self.from {
            ArchiveSource::Git(git) => Some(&git.commit),
            ArchiveSource::Url(_) | ArchiveSource::Asset(_) => None,
        }
    }
}

/// The commit of a branch or a tag of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedGit {
    /// The folder of the clone.
    pub folder: String,
    /// The address of the repository.
    pub url: Url,
    /// The branch or the tag, such as `branch main`.
    pub revision: String,
    /// The commit.
    pub commit: String,
}

impl LockedGit {
    /// Whether it is the commit of this revision of a repository, in this folder.
    pub fn is_of(&self, folder: &str, url: &Url, revision: &str) -> bool {
        self.folder == folder && self.revision == revision && self.url == bare(url)
    }
}

/// A file in the file store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedAsset {
    /// The path in the profile.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
    /// The digest.
    pub sha256: Digest,
}

/// Whether a locked package belongs to a group of entries: the required entries (`None`) or one optional entry.
pub fn is_for(only_for: &BTreeSet<String>, group: Option<&str>) -> bool {
    only_for.is_empty() || group.is_some_and(|group| only_for.contains(group))
}

/// Whether a locked package belongs to this group only.
pub fn is_own(only_for: &BTreeSet<String>, group: Option<&str>) -> bool {
    group.map_or(only_for.is_empty(), |group| only_for.contains(group))
}

impl Section {
    /// The distributions of a virtual environment.
    pub fn venv(&self, folder: &str) -> &[LockedDistribution] {
        self.venvs.get(folder).map_or(&[], Vec::as_slice)
    }

    /// The commit of a revision of a repository, in this folder.
    pub fn git_commit(&self, folder: &str, url: &Url, revision: &str) -> Option<&str> {
        self.git.iter().find(|git| git.is_of(folder, url, revision)).map(|git| git.commit.as_str())
    }

    /// The locked file with this path.
    pub fn asset(&self, path: &str) -> Option<&LockedAsset> {
        self.assets.iter().find(|asset| asset.path == path)
    }
}

/// An address without credentials: no user, password, query (which may be a signature) or fragment.
pub fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    // Setting them fails only for addresses that cannot contain credentials.
    // In `abfss://CONTAINER@ACCOUNT…`, the user name is the container.
    if url.scheme() != "abfss" {
        let _ = bare.set_username("");
    }
    let _ = bare.set_password(None);
    bare.set_query(None);
    bare.set_fragment(None);
    bare
}

#[cfg(test)]
mod tests;
