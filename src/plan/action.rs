//! What a step does, as data. Each kind holds all it needs: acting never goes back to the profile.

use std::{collections::BTreeMap, path::PathBuf};

use url::Url;

use super::{
    layers::Layer,
    place::{PlaceSecrets, RemoveSecrets},
};
pub use crate::profile::{AptPackage, DebconfAnswer, RPackage};
use crate::{
    diagnostic::Origin,
    fs::Attributes,
    lock::{LockedDeb, LockedDistribution, LockedRPackage},
};

/// What a step does. The set is closed: `match` finds every case that was forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write package sources and fetch their lists.
    AptSources(AptSources),
    /// Install packages and local debs in one transaction.
    AptInstall(AptInstall),
    /// Install Python distributions and wheels in one resolution.
    PythonInstall(PythonInstall),
    /// Install R packages.
    RInstall(RInstall),
    /// Write one file of shell configuration.
    WriteFile(WriteFile),
    /// Deliver secrets to a file.
    PlaceSecrets(PlaceSecrets),
    /// Take secrets back that the profile no longer names.
    RemoveSecrets(RemoveSecrets),
    /// Take a file from the file store; planned only where it is not there and may be missing.
    TakeFile(PathBuf),
}

/// Package sources to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSources {
    /// The sources, in profile order.
    pub sources: Vec<AptSource>,
    /// Whether their lists are fetched: a lock needs none.
    pub fetch_lists: bool,
}

/// One package source: a deb822 file and the key its index is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Its name, that of the file without `.sources`.
    pub name: String,
    /// The deb822 stanza to write to `/etc/apt/sources.list.d/NAME.sources`.
    pub stanza: String,
    /// The key to write to `/etc/apt/keyrings/NAME.{asc,gpg}`, armoured or not, when there is one.
    pub key: Option<AptKey>,
}

/// An OpenPGP key file, and the fingerprint it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptKey {
    /// The bytes of the key file.
    pub bytes: Vec<u8>,
    /// Where it is written.
    pub path: PathBuf,
    /// Its fingerprint: 40 (or 64) hexadecimal digits, upper case, no spaces.
    pub fingerprint: String,
}

/// Packages to install in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AptInstall {
    /// Packages by name, those already there left out.
    pub packages: Vec<AptPackage>,
    /// Package files, as absolute paths.
    pub debs: Vec<PathBuf>,
    /// Answers given to debconf before.
    pub debconf: Vec<DebconfAnswer>,
    /// Whether recommended packages come along.
    pub recommends: bool,
    /// Whether dpkg waits for the disk after each file.
    pub wait_for_disk: bool,
    /// The files to install, and no others, when there is a lock.
    pub locked: Option<Vec<LockedDeb>>,
}

/// Python distributions to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonInstall {
    /// The environment's interpreter.
    pub interpreter: PathBuf,
    /// The folder that receives the distributions.
    pub site_packages: PathBuf,
    /// Whether the environment is a virtualenv; the system's own wants to be asked twice.
    pub virtualenv: bool,
    /// Requirements as pip reads them.
    pub requirements: Vec<PythonRequirement>,
    /// Requirements files, as absolute paths.
    pub requirement_files: Vec<PathBuf>,
    /// Wheel files, as absolute paths.
    pub wheels: Vec<Wheel>,
    /// SHA-256 of lines of requirements files that have no name; remembered when they are installed.
    pub opaque: Vec<String>,
    /// The package index; the tool's own default when `None`.
    pub index_url: Option<Url>,
    /// Further indexes.
    pub extra_index_urls: Vec<Url>,
    /// Distributions that may not change, with their versions.
    pub guarded: BTreeMap<String, String>,
    /// What the runtime shipped, by normalised name.
    pub shipped: BTreeMap<String, String>,
    /// Modules to import at the end.
    pub smoke: Vec<String>,
    /// Where the installer comes from.
    pub installer: PythonInstaller,
    /// Whether modules are byte-compiled at install time.
    pub compile: bool,
    /// Whether nothing but the files named here may be installed: no index is asked, not for what they need either.
    pub only_files: bool,
    /// The files to install beside the wheels, and no others, when there is a lock.
    pub locked: Option<Vec<LockedDistribution>>,
    /// What all of it is as a whole, when there is a lock.
    pub layer: Option<Layer>,
}

impl PythonInstall {
    /// Whether it asks for nothing but wheel files.
    pub fn is_only_wheels(&self) -> bool {
        self.requirements.is_empty() && self.requirement_files.is_empty()
    }
}

/// A requirement and where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonRequirement {
    /// The requirement, such as `spacy>=3.7`.
    pub text: String,
    /// The profile line.
    pub origin: Origin,
}

/// A wheel file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    /// The file.
    pub path: PathBuf,
    /// The distribution's normalised name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 the profile names.
    pub sha256: Option<String>,
    /// The profile line.
    pub origin: Origin,
}

/// Which program installs Python distributions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PythonInstaller {
    /// uv from the search path, this file, or the index; else pip.
    Automatic {
        /// A uv binary or wheel from the file store.
        uv: Option<PathBuf>,
    },
    /// The environment's own pip.
    Pip,
}

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
    /// Repositories, in order of preference; `contrib.url` is `REPO/src/contrib`.
    pub repos: Vec<Url>,
    /// Packages by name.
    pub packages: Vec<RPackage>,
    /// Local archives: source or binary packages.
    pub archives: Vec<PathBuf>,
    /// The archives to install, and no others, when there is a lock; those of the file store with their files.
    pub locked: Option<Vec<(LockedRPackage, Option<PathBuf>)>>,
    /// What all of it is as a whole, when there is a lock.
    pub layer: Option<Layer>,
}

/// An installed R package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RInstalled {
    /// Its version.
    pub version: String,
    /// The library it is in.
    pub library: PathBuf,
    /// Whether it belongs to R itself (priority base).
    pub base: bool,
}

/// A file of shell configuration, as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteFile {
    /// Where.
    pub path: PathBuf,
    /// The whole new content.
    pub bytes: Vec<u8>,
    /// The content it replaces, for showing the difference; `None` for a new file.
    pub before: Option<Vec<u8>>,
    /// Permissions and owner.
    pub attributes: Attributes,
}
