//! `[pip]` and `[wheel]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    Cases, asset_keys, choices, conditional,
    shorthand::{OneOrMany, Shorthand},
    written::{Asset, Digests, File, SignedBy, entry},
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Python distributions.
    #[serde(default)]
    pub pip: Pip,
    /// Wheel files from the file store.
    #[serde(default)]
    pub wheel: Wheel,
}

impl Written {
    /// The interpreter of the environment.
    pub(in crate::kinds) fn interpreter(&self) -> Option<&str> {
        self.pip.python.as_deref()
    }
}

choices!(Guard, "kebab-case" { Runtime, Off });
choices!(Installer, "kebab-case" { Auto, Pip });

/// Python distributions.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pip {
    /// Requirements, such as `nltk` or `spacy[lookups]>=3.7`.
    #[serde(default)]
    pub packages: Vec<Shorthand<Requirement>>,
    /// Requirements files from the file store.
    #[serde(default)]
    pub requirements: Vec<Shorthand<File>>,
    /// The distributions that must not change: `runtime`, all distributions of the runtime, or `off`. Default: runtime.
    pub guard: Option<Guard>,
    /// Distributions that may change although the runtime contains them.
    #[serde(default)]
    pub allow_change: Vec<String>,
    /// The package index. Default: the index in the node's configuration.
    pub index_url: Option<String>,
    /// Further package indexes.
    #[serde(default)]
    pub extra_index_urls: Vec<String>,
    /// Pages and folders with links to distributions: `https://…` or an absolute path, as for pip.
    #[serde(default)]
    pub find_links: Vec<String>,
    /// Whether no package index is used, only `find-links` and files. Default: false.
    pub no_index: Option<bool>,
    /// Whether pre-releases are acceptable. Default: false.
    pub prereleases: Option<bool>,
    /// Virtual environments of their own, by the absolute path of their folder.
    #[serde(default)]
    pub venvs: BTreeMap<String, Cases<Venv>>,
    /// Distributions that must not be installed, by name.
    #[serde(default)]
    pub absent: Vec<Shorthand<AbsentDistribution>>,
    /// Modules to import after the installation. The step fails if an import fails.
    #[serde(default)]
    pub smoke: Vec<String>,
    /// The environment's interpreter. Default: /databricks/python/bin/python.
    pub python: Option<String>,
    /// The installer: `auto` uses uv if available, else pip; `pip` uses pip. Default: auto.
    pub installer: Option<Installer>,
    /// A uv binary or wheel from the file store, used if the node has no uv.
    pub uv: Option<Shorthand<Asset>>,
    /// Whether modules are byte-compiled when installed. Default: true.
    pub compile: Option<bool>,
    /// Whether this section is independent of the packages that apt installs, so that both may run at once. Default:
    /// false.
    pub beside_apt: Option<bool>,
}

entry! {
    /// A Python requirement.
    pub struct Requirement {
        /// The requirement, such as `spacy>=3.7`.
        pub name: String,
        /// Whether its dependencies are installed, too. Default: true.
        pub deps: Option<bool>,
    } with when, optional, timeout
}

entry! {
    /// A virtual environment. The guard of the runtime's packages does not apply to it.
    pub struct Venv {
        /// Requirements, such as `nltk` or `spacy[lookups]>=3.7`.
        #[serde(default)]
        pub packages: Vec<Shorthand<VenvRequirement>>,
        /// Requirements files.
        #[serde(default)]
        pub requirements: Vec<Shorthand<VenvFile>>,
        /// The interpreter that it is made with: an absolute path, or a version such as `3.12`. Default: that of
        /// `[pip]`, or `python3` of the node.
        pub python: Option<String>,
    } with when, optional, timeout, order
}

conditional!(Venv);

entry! {
    /// A requirement of a virtual environment.
    pub struct VenvRequirement {
        /// The requirement, such as `spacy>=3.7`.
        pub name: String,
        /// Whether its dependencies are installed, too. Default: true.
        pub deps: Option<bool>,
    } with when
}

entry! {
    /// A requirements file of a virtual environment.
    pub struct VenvFile {
        /// Its path: next to the profile, in the unit's tree or in Admin's, or absolute.
        pub path: Option<String>,
        /// Its address instead of a path, or a list of addresses that are tried in order.
        pub url: Option<OneOrMany<String>>,
        /// The expected SHA-256, 64 hexadecimal digits, or one for each processor.
        pub sha256: Option<Shorthand<Digests>>,
        /// The signature of a file on a server, instead of `sha256`.
        pub signed_by: Option<SignedBy>,
    } with when
}

asset_keys!(VenvFile);

entry! {
    /// A distribution that must not be installed.
    pub struct AbsentDistribution {
        /// Its name, without a version.
        pub name: String,
    } with when, optional, timeout
}

entry! {
    /// A wheel: a path in the file store, a path of the node, or an address.
    pub struct WheelFile {
        /// Its path: next to the profile, in the unit's tree or in Admin's, or absolute.
        pub path: Option<String>,
        /// Its address instead of a path, or a list of addresses that are tried in order.
        pub url: Option<OneOrMany<String>>,
        /// The expected SHA-256, 64 hexadecimal digits, or one for each processor.
        pub sha256: Option<Shorthand<Digests>>,
        /// The signature of a file on a server, instead of `sha256`.
        pub signed_by: Option<SignedBy>,
        /// Whether its dependencies are installed, too. Default: true.
        pub deps: Option<bool>,
    } with when, optional, timeout
}

asset_keys!(WheelFile);

/// Wheel files from the file store.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wheel {
    /// The files. They are resolved together with the requirements of `pip`.
    #[serde(default)]
    pub files: Vec<Shorthand<WheelFile>>,
}
