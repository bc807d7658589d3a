//! `[pip]` and `[wheel]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    choices,
    shorthand::Shorthand,
    written::{File, PinnedFile, When},
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
    /// What may not change: `runtime`, all that the runtime ships; or `off`. Default: runtime.
    pub guard: Option<Guard>,
    /// Distributions that may change although the runtime ships them.
    #[serde(default)]
    pub allow_change: Vec<String>,
    /// The package index. Default: what the node is configured for.
    pub index_url: Option<String>,
    /// Further package indexes.
    #[serde(default)]
    pub extra_index_urls: Vec<String>,
    /// Modules to import when all is installed; one that cannot be imported fails the step.
    #[serde(default)]
    pub smoke: Vec<String>,
    /// The environment's interpreter. Default: /databricks/python/bin/python.
    pub python: Option<String>,
    /// Which program installs: `auto` takes uv when it can be had, else pip; `pip`. Default: auto.
    pub installer: Option<Installer>,
    /// A uv binary or wheel from the file store, to be used when the node has none.
    pub uv: Option<Shorthand<PinnedFile>>,
    /// Whether modules are byte-compiled when installed. Default: true.
    pub compile: Option<bool>,
    /// Whether nothing of this section needs what apt installs, so that both may run at once. Default: false.
    pub beside_apt: Option<bool>,
}

/// A Python requirement.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Requirement {
    /// The requirement, such as `spacy>=3.7`.
    pub name: String,
    /// On which nodes.
    pub when: Option<When>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub optional: bool,
    /// How long it may take, such as `90s` or `5m`.
    pub timeout: Option<String>,
}

/// Wheel files from the file store.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wheel {
    /// The files, resolved together with what `pip` asks for.
    #[serde(default)]
    pub files: Vec<Shorthand<File>>,
}
