//! `[r]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    shorthand::Shorthand,
    written::{File, entry},
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// R packages.
    #[serde(default)]
    pub r: R,
}

/// R packages.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct R {
    /// The library that receives them. Default: /databricks/spark/R/lib.
    pub library: Option<String>,
    /// Repositories, in order of preference. Default: <https://cloud.r-project.org/>.
    #[serde(default)]
    pub repos: Vec<String>,
    /// Packages by name; `name@version` pins one.
    #[serde(default)]
    pub packages: Vec<Shorthand<RPackage>>,
    /// Source or binary archives from the file store.
    #[serde(default)]
    pub sources: Vec<Shorthand<File>>,
}

entry! {
    /// An R package.
    pub struct RPackage {
        /// The package, `name` or `name@version`.
        pub name: String,
        /// The address of a git repository with the package, without a login.
        pub git: Option<String>,
        /// The commit of the git repository: 40 hexadecimal digits.
        pub commit: Option<String>,
        /// The folder of the package in the git repository. Default: its top.
        pub subdir: Option<String>,
    } with when, optional, timeout
}
