//! `[pip]` and `[wheel]` as checked: Python requirements, requirements files, wheels and settings.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use url::Url;

use super::{
    package::{Package, WheelFile},
    venvs::Venv,
};
use crate::profile::{AssetRef, Entry, Setting};

/// The environment's interpreter, unless the profile names another.
pub(in crate::kinds) const DEFAULT_PYTHON: &str = "/databricks/python/bin/python";

/// Python distributions: the entries of `[pip]` and `[wheel]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Python {
    /// `[pip]`.
    pub pip: Pip,
    /// The files of `[wheel]`.
    pub wheels: Vec<Entry<WheelFile>>,
}

/// Python distributions and how they are installed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pip {
    /// Requirements.
    pub packages: Vec<Entry<Package>>,
    /// Requirements files.
    pub requirements: Vec<Entry<AssetRef>>,
    /// Whether the distributions of the runtime must not change.
    pub guard: Option<Setting<bool>>,
    /// Distributions that may change all the same, by normalised name.
    pub allow_change: Vec<Entry<String>>,
    /// The package index.
    pub index_url: Option<Setting<Url>>,
    /// Further indexes.
    pub extra_index_urls: Vec<Entry<Url>>,
    /// Pages and folders with links to distributions.
    pub find_links: Vec<Entry<String>>,
    /// Whether no index is used.
    pub no_index: Option<Setting<bool>>,
    /// Whether pre-releases are acceptable.
    pub prereleases: Option<Setting<bool>>,
    /// Distributions that must not be installed, by normalised name.
    pub absent: Vec<Entry<String>>,
    /// Modules to import at the end.
    pub smoke: Vec<Entry<String>>,
    /// The interpreter.
    pub python: Option<Setting<PathBuf>>,
    /// Whether only pip may be used.
    pub only_pip: Option<Setting<bool>>,
    /// The source of uv.
    pub uv: Option<Setting<AssetRef>>,
    /// Whether modules are byte-compiled.
    pub compile: Option<Setting<bool>>,
    /// Virtual environments of their own, by their folders.
    pub venvs: BTreeMap<PathBuf, Entry<Venv>>,
    /// Whether it may run while apt does.
    pub beside_apt: Option<Setting<bool>>,
}

impl Python {
    /// The interpreter of the environment.
    pub(in crate::kinds) fn interpreter(&self) -> &Path {
        self.pip.python.as_ref().map_or(DEFAULT_PYTHON.as_ref(), |python| python.value.as_path())
    }
}

impl Pip {
    /// The distributions that may not change, with their versions.
    pub(super) fn guarded(&self, shipped: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let is_on = self.guard.as_ref().is_none_or(|guard| guard.value);
        let is_guarded = |name: &String| is_on && self.allow_change.iter().all(|entry| entry.value != *name);
        let guarded = shipped.iter().filter(|(name, _)| is_guarded(name));
        guarded.map(|(name, version)| (name.clone(), version.clone())).collect()
    }
}
