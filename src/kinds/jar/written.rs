//! `[jar]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    asset_keys,
    shorthand::{OneOrMany, Shorthand},
    written::{Digests, SignedBy, entry},
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Jars on the class path of Spark.
    #[serde(default)]
    pub jar: Jar,
}

/// Jars on the class path of Spark.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Jar {
    /// Jars: paths in the file store, which may be globs, addresses, or coordinates of Maven.
    #[serde(default)]
    pub files: Vec<Shorthand<JarFile>>,
    /// Folders of the class path. Default: that of the platform.
    pub to: Option<OneOrMany<String>>,
    /// Maven repositories, tried in order. Default: Maven Central.
    #[serde(default)]
    pub repositories: Vec<String>,
}

entry! {
    /// A jar: exactly one of `path`, `url` and `maven`.
    pub struct JarFile {
        /// A path in the file store, which may be a glob, or an absolute path.
        pub path: Option<String>,
        /// An address, or a list of addresses that are tried in order.
        pub url: Option<OneOrMany<String>>,
        /// Coordinates: `group:artifact:version` or `group:artifact:version:classifier`.
        pub maven: Option<String>,
        /// The expected SHA-256, 64 hexadecimal digits, or one for each processor.
        pub sha256: Option<Shorthand<Digests>>,
        /// The signature of a file on a server, instead of `sha256`.
        pub signed_by: Option<SignedBy>,
        /// The file name on the node. Default: that of the jar.
        pub r#as: Option<String>,
        /// A glob of jars in the same folder that the jar replaces.
        pub replaces: Option<String>,
    } with when, optional, timeout
}

asset_keys!(JarFile);
