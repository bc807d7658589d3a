//! `[env]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::destinations::Destination;
use crate::profile::{
    Cases, conditional,
    shorthand::{PlainOr, Scalar},
    written::When,
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Environment variables.
    #[serde(default)]
    pub env: Env,
}

/// Environment variables and their destinations.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Env {
    /// The destinations of variables without `to`. A destination that the node does not have is skipped. Default:
    /// `spark`, `login` and `r`.
    pub to: Option<Vec<Destination>>,
    /// Variables, by name. A plain value is the `value`.
    #[serde(default)]
    pub variables: BTreeMap<String, Cases<PlainOr<Variable>>>,
}

/// A variable: exactly one of `value`, `secret`, `prepend`, `append` and `absent`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Variable {
    /// The value.
    pub value: Option<Scalar>,
    /// The key of a secret in the scope of `[secrets]`. It goes to `spark` only.
    pub secret: Option<String>,
    /// A path to add before those of the variable, joined by `:`.
    pub prepend: Option<String>,
    /// A path to add after those of the variable, joined by `:`.
    pub append: Option<String>,
    /// Whether lines of others that assign the variable are removed.
    #[serde(default)]
    pub absent: bool,
    /// The destinations. Each of them must exist on the node. Default: `to` of the section.
    pub to: Option<Vec<Destination>>,
    /// The nodes to which it applies.
    pub when: Option<When>,
}

conditional!(Variable);
