//! `[apt]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    shorthand::{OneOrMany, Scalar, Shorthand},
    written::{File, When},
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Debian packages.
    #[serde(default)]
    pub apt: Apt,
}

/// Debian packages.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Apt {
    /// Packages by name; `name=version` pins one.
    #[serde(default)]
    pub packages: Vec<Shorthand<AptPackage>>,
    /// Package files from the file store, installed with their dependencies.
    #[serde(default)]
    pub debs: Vec<Shorthand<File>>,
    /// Further package sources.
    #[serde(default)]
    pub sources: Vec<AptSource>,
    /// Answers to questions that packages ask.
    #[serde(default)]
    pub debconf: Vec<Debconf>,
    /// Whether recommended packages are installed too. Default: false.
    pub recommends: Option<bool>,
    /// Whether dpkg waits for the disk after each file, so that a crash of the machine loses nothing. Default: false.
    pub wait_for_disk: Option<bool>,
}

/// A Debian package.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AptPackage {
    /// The package, `name` or `name=version`.
    pub name: String,
    /// On which nodes.
    pub when: Option<When>,
    /// Whether the run goes on when it fails. Default: false.
    #[serde(default)]
    pub optional: bool,
    /// How long it may take, such as `90s` or `5m`.
    pub timeout: Option<String>,
}

/// A package source, as a deb822 file describes one.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AptSource {
    /// Its name, that of the file in `/etc/apt/sources.list.d`.
    pub name: String,
    /// Addresses of the repository.
    pub uris: OneOrMany<String>,
    /// Suites, such as `jammy` or `./`.
    pub suites: OneOrMany<String>,
    /// Components, such as `main`; none for a flat repository.
    #[serde(default)]
    pub components: Vec<String>,
    /// Architectures; the node's own when not given.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// The key file from the file store.
    pub key: String,
    /// The key's fingerprint, 40 hexadecimal digits; spaces are ignored.
    pub fingerprint: String,
    /// On which nodes.
    pub when: Option<When>,
}

/// An answer to a question that a package asks.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Debconf {
    /// The package that asks.
    pub package: String,
    /// The question, such as `msodbcsql18/accept-eula`.
    pub question: String,
    /// Its type, such as `boolean`, `string` or `select`.
    pub r#type: String,
    /// The answer.
    pub value: Scalar,
    /// On which nodes.
    pub when: Option<When>,
}
