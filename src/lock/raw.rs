//! A lock as written: the types that define its format.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

/// The exact files that a profile stands for, a section each runtime. Written by `nodeagent lock`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "nodeagent lock")]
pub(super) struct RawLock {
    /// Version of the format; this is 1.
    pub(super) schema: u32,
    /// Counts up with each change.
    pub(super) serial: u64,
    /// The name of the profile it was made for.
    pub(super) profile: String,
    /// The profile and what it extends.
    #[serde(default)]
    pub(super) files: Vec<RawFile>,
    /// What was resolved, a section each runtime and each set of things asked for.
    #[serde(default)]
    pub(super) runtimes: Vec<RawSection>,
}

/// A file of the profile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawFile {
    /// Its path: below the file store, beside the profile, or in the binary.
    pub(super) path: String,
    /// SHA-256 of its bytes.
    pub(super) sha256: String,
}

/// What a profile stands for on one runtime.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawSection {
    /// Operating system and its release, such as `debian 12`.
    pub(super) os: String,
    /// Processor, as Debian calls it.
    pub(super) arch: String,
    /// The version of the platform's runtime, where it is known.
    pub(super) runtime: Option<String>,
    /// The minor version of Python, where anything is asked of it.
    pub(super) python_version: Option<String>,
    /// The version of R, where anything is asked of it.
    pub(super) r_version: Option<String>,
    /// Facts of the node that conditions of the profile speak of.
    #[serde(default)]
    pub(super) conditions: BTreeMap<String, String>,
    /// What was asked for, a line each.
    #[serde(default)]
    pub(super) asks: Vec<String>,
    /// Debian packages.
    #[serde(default)]
    pub(super) apt: Vec<RawDeb>,
    /// Python distributions.
    #[serde(default)]
    pub(super) python: Vec<RawDistribution>,
    /// R packages.
    #[serde(default)]
    pub(super) r: Vec<RawRPackage>,
    /// Files of the file store.
    #[serde(default)]
    pub(super) assets: Vec<RawAsset>,
}

/// A Debian package file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawDeb {
    /// The package.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its architecture.
    pub(super) arch: String,
    /// The file's name.
    pub(super) file: String,
    /// Where it was.
    pub(super) url: String,
    /// Its size in bytes.
    pub(super) size: u64,
    /// SHA-256 of its bytes.
    pub(super) sha256: String,
    /// The optional entries that alone need it.
    #[serde(default)]
    pub(super) only_for: BTreeSet<String>,
}

/// A file of a Python distribution.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawDistribution {
    /// Its normalised name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// The file's name.
    pub(super) file: String,
    /// Where it was.
    pub(super) url: String,
    /// SHA-256 of its bytes.
    pub(super) sha256: String,
    /// The optional entries that alone need it.
    #[serde(default)]
    pub(super) only_for: BTreeSet<String>,
}

/// An archive of an R package.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawRPackage {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Where it was.
    pub(super) url: Option<String>,
    /// The file of the file store it is, in the place of an address.
    pub(super) file: Option<String>,
    /// SHA-256 of its bytes.
    pub(super) sha256: String,
    /// Whether it holds an installed package, not a source.
    #[serde(default)]
    pub(super) binary: bool,
    /// The packages of this section that are installed before it.
    #[serde(default)]
    pub(super) needs: BTreeSet<String>,
    /// The optional entries that alone need it.
    #[serde(default)]
    pub(super) only_for: BTreeSet<String>,
}

/// A file of the file store.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawAsset {
    /// The path as the profile names it.
    pub(super) path: String,
    /// Its size in bytes.
    pub(super) size: u64,
    /// SHA-256 of its bytes.
    pub(super) sha256: String,
}
