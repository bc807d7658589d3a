//! The format of a lock: types as written in the file.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

/// The exact files of a profile, with a section for each runtime. Written by `nodeagent lock`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "nodeagent lock")]
pub(super) struct Lock {
    /// Version of the format; this is 1.
    pub(super) schema: u32,
    /// A number that grows with each change.
    pub(super) serial: u64,
    /// The name of the profile.
    pub(super) profile: String,
    /// The files of the profile and of the profiles that it extends.
    #[serde(default)]
    pub(super) files: Vec<File>,
    /// The resolved files, one section for each runtime and set of requests.
    #[serde(default)]
    pub(super) runtimes: Vec<Section>,
}

/// A file of the profile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    /// The path: below the file store, beside the profile, or in the binary.
    pub(super) path: String,
    /// SHA-256 of the file.
    pub(super) sha256: String,
}

/// The resolved files for one runtime.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Section {
    /// Operating system and release, such as `debian 12`.
    pub(super) os: String,
    /// The processor architecture, as Debian names it.
    pub(super) arch: String,
    /// The version of the platform's runtime, if known.
    pub(super) runtime: Option<String>,
    /// The minor version of Python, if the profile requests Python packages.
    pub(super) python_version: Option<String>,
    /// The version of R, if the profile requests R packages.
    pub(super) r_version: Option<String>,
    /// Facts of the node that the conditions of the profile use.
    #[serde(default)]
    pub(super) conditions: BTreeMap<String, String>,
    /// The requests of the profile, one a line.
    #[serde(default)]
    pub(super) asks: Vec<String>,
    /// Debian packages.
    #[serde(default)]
    pub(super) apt: Vec<Deb>,
    /// Python distributions.
    #[serde(default)]
    pub(super) python: Vec<Distribution>,
    /// R packages.
    #[serde(default)]
    pub(super) r: Vec<RPackage>,
    /// Commits of git repositories.
    #[serde(default)]
    pub(super) git: Vec<Git>,
    /// Folders in buckets.
    #[serde(default)]
    pub(super) folders: Vec<Folder>,
    /// Files in the file store, on servers and in buckets.
    #[serde(default)]
    pub(super) assets: Vec<Asset>,
}

/// A Debian package file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Deb {
    /// The package name.
    pub(super) name: String,
    /// The version.
    pub(super) version: String,
    /// The architecture.
    pub(super) arch: String,
    /// The file name.
    pub(super) file: String,
    /// The address it was resolved from.
    pub(super) url: String,
    /// The size in bytes.
    pub(super) size: u64,
    /// SHA-256 of the file.
    pub(super) sha256: String,
    /// The optional entries that need this package; empty if a required entry needs it.
    #[serde(default)]
    pub(super) only_for: BTreeSet<String>,
}

/// A file of a Python distribution.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Distribution {
    /// The folder of the virtual environment that it belongs to; none for the environment of `[pip]`.
    pub(super) venv: Option<String>,
    /// The normalised name.
    pub(super) name: String,
    /// The version.
    pub(super) version: String,
    /// The file name.
    pub(super) file: String,
    /// The address it was resolved from.
    pub(super) url: String,
    /// SHA-256 of the file.
    pub(super) sha256: String,
    /// The optional entries that need this package; empty if a required entry needs it.
    #[serde(default)]
    pub(super) only_for: BTreeSet<String>,
}

/// An archive of an R package.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RPackage {
    /// The package name.
    pub(super) name: String,
    /// The version.
    pub(super) version: String,
    /// The address it was resolved from.
    pub(super) url: Option<String>,
    /// The path in the file store, instead of an address.
    pub(super) file: Option<String>,
    /// The address of a git repository, instead of `url`.
    pub(super) git: Option<String>,
    /// The commit of the git repository.
    pub(super) commit: Option<String>,
    /// The folder in the git repository, if it is not the top one.
    pub(super) subdir: Option<String>,
    /// SHA-256 of the file.
    pub(super) sha256: String,
    /// Whether the archive contains an installed package instead of sources.
    #[serde(default)]
    pub(super) binary: bool,
    /// The packages of this section that have to be installed before.
    #[serde(default)]
    pub(super) needs: BTreeSet<String>,
    /// The optional entries that need this package; empty if a required entry needs it.
    #[serde(default)]
    pub(super) only_for: BTreeSet<String>,
}

/// The commit of a branch or a tag of a git repository.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Git {
    /// The folder of the clone.
    pub(super) folder: String,
    /// The address of the repository.
    pub(super) url: String,
    /// The branch or the tag: `branch main`, `tag v1`.
    pub(super) revision: String,
    /// The commit.
    pub(super) commit: String,
}

/// A folder in a bucket. Its files are among the assets.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Folder {
    /// The address of the folder, with `/` at its end.
    pub(super) path: String,
    /// The names of its files, relative to the folder.
    pub(super) files: Vec<String>,
}

/// A file in the file store, on a server or in a bucket.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Asset {
    /// The path in the profile.
    pub(super) path: String,
    /// The size in bytes.
    pub(super) size: u64,
    /// SHA-256 of the file.
    pub(super) sha256: String,
}
