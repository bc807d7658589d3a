//! The keys of a profile that belong to no kind, as written: its name, its parents, its variables.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    cases::{Cases, conditional},
    probe::ProbeKeys,
    shorthand::{PlainOr, Scalar},
    written::When,
};

/// A profile of a node: the packages, shell configuration and secrets of a business unit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "nodeagent profile")]
pub(crate) struct Head {
    /// Version of the grammar. It must be 1.
    pub(crate) schema: u32,
    /// The profile's name: lower-case letters, digits and dashes.
    pub(crate) name: String,
    /// The business unit. A cluster of another unit refuses the profile. Default: any cluster may use it.
    pub(crate) business_unit: Option<String>,
    /// A description in one line.
    #[expect(dead_code, reason = "part of the grammar, read by people only")]
    pub(crate) description: Option<String>,
    /// Profiles that this one extends, by name or path, in order. Values of this profile take precedence.
    #[serde(default)]
    pub(crate) extends: Vec<String>,
    /// Values for `${vars.NAME}`, plain or looked up on the node; `--set NAME=VALUE` overrides them.
    #[serde(default)]
    pub(crate) vars: BTreeMap<String, Cases<PlainOr<Lookup>>>,
    /// The start of entries with `stage = "post-start"`.
    pub(crate) post_start: Option<PostStartKeys>,
    /// The nodes to which this file applies.
    pub(crate) when: Option<When>,
}

/// `[post-start]` as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PostStartKeys {
    /// The test that the node is ready. Default on a Databricks driver: `/tmp/driver-env.sh` exists.
    pub(crate) ready: Option<ProbeKeys>,
}

/// A variable that is looked up on the node: exactly one of `value`, `env`, `file` and `metadata`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Lookup {
    /// A plain value.
    pub(crate) value: Option<Scalar>,
    /// An environment variable of nodeagent. It must not hold a credential.
    pub(crate) env: Option<String>,
    /// A file of the node. Without `match`, its text is the value.
    pub(crate) file: Option<String>,
    /// For `file`: a regular expression. Its first group is the value.
    #[serde(rename = "match")]
    pub(crate) pattern: Option<String>,
    /// A key of the instance's metadata.
    pub(crate) metadata: Option<String>,
    /// The value if the lookup finds nothing.
    pub(crate) default: Option<Scalar>,
    /// The nodes to which it applies.
    pub(crate) when: Option<When>,
}

conditional!(Lookup);
