//! `[apt]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    shorthand::{OneOrMany, Scalar, Shorthand},
    written::{Asset, File, When, entry},
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
    /// Packages that must not be installed.
    #[serde(default)]
    pub absent: Vec<Shorthand<AbsentPackage>>,
    /// Packages that may be removed although the runtime contains them, or although `absent` does not name them.
    #[serde(default)]
    pub allow_change: Vec<String>,
    /// Package files from the file store, installed with their dependencies.
    #[serde(default)]
    pub debs: Vec<Shorthand<File>>,
    /// Further package sources.
    #[serde(default)]
    pub sources: Vec<AptSource>,
    /// Answers to debconf questions of packages.
    #[serde(default)]
    pub debconf: Vec<Debconf>,
    /// Whether recommended packages are installed too. Default: false.
    pub recommends: Option<bool>,
    /// Whether dpkg calls fsync after each file, so that a crash of the machine loses no data. Default: false.
    pub wait_for_disk: Option<bool>,
}

entry! {
    /// A Debian package.
    pub struct AptPackage {
        /// The package, `name` or `name=version`.
        pub name: String,
    } with when, optional, timeout
}

entry! {
    /// A Debian package that must not be installed.
    pub struct AbsentPackage {
        /// The package.
        pub name: String,
    } with when, optional, timeout
}

/// A package source, as a deb822 file describes one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AptSource {
    /// The name of its file in `/etc/apt/sources.list.d`.
    pub name: String,
    /// Addresses of the repository.
    pub uris: OneOrMany<String>,
    /// Suites, such as `jammy` or `./`.
    pub suites: OneOrMany<String>,
    /// Components, such as `main`; none for a flat repository.
    #[serde(default)]
    pub components: Vec<String>,
    /// Architectures. Default: the node's own.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// The path of the key file in the file store, or its address.
    pub key: Shorthand<Asset>,
    /// The fingerprint of the key, or a list for a file with several keys: 40 hexadecimal digits; spaces are ignored.
    pub fingerprint: OneOrMany<String>,
    /// The nodes to which it applies.
    pub when: Option<When>,
}

/// An answer to a debconf question of a package.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Debconf {
    /// The package that owns the question.
    pub package: String,
    /// The question, such as `msodbcsql18/accept-eula`.
    pub question: String,
    /// Its type, such as `boolean`, `string` or `select`.
    pub r#type: String,
    /// The answer.
    pub value: Scalar,
    /// The nodes to which it applies.
    pub when: Option<When>,
}
