//! `[r]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    shorthand::Shorthand,
    written::{File, When},
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

/// An R package.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RPackage {
    /// The package, `name` or `name@version`.
    pub name: String,
    /// The nodes to which it applies.
    pub when: Option<When>,
    /// Whether the run continues if it fails. Default: false.
    #[serde(default)]
    pub optional: bool,
    /// The time limit, such as `90s` or `5m`.
    pub timeout: Option<String>,
}
