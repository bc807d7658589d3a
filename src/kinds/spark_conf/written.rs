//! `[spark-conf]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::destination::Destination;
use crate::profile::{
    Cases, conditional,
    shorthand::{PlainOr, Scalar},
    written::When,
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Written {
    /// Settings of Spark.
    #[serde(default)]
    pub spark_conf: SparkConf,
}

/// Settings of Spark and their destinations.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SparkConf {
    /// The files of settings without `to`. Default: `driver` on the Databricks runtime, `defaults` on other nodes.
    pub to: Option<Vec<Destination>>,
    /// Settings, by key. A plain value is the `value`.
    #[serde(default)]
    pub settings: BTreeMap<String, Cases<PlainOr<Setting>>>,
}

/// A setting: exactly one of `value` and `secret`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setting {
    /// The value.
    pub value: Option<Scalar>,
    /// The key of a secret in the scope of `[secrets]`.
    pub secret: Option<String>,
    /// The files. Default: `to` of the section.
    pub to: Option<Vec<Destination>>,
    /// The nodes to which it applies.
    pub when: Option<When>,
}

conditional!(Setting);
