//! `[cron]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{Cases, conditional, shorthand::Scalar, written::entry};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Scheduled jobs, by name.
    #[serde(default)]
    pub cron: BTreeMap<String, Cases<Job>>,
}

entry! {
    /// A scheduled job.
    pub struct Job {
        /// The times: five fields as in crontab(5), or a word such as `@daily`.
        pub schedule: String,
        /// The program, an absolute path, and its arguments. No shell replaces characters in them.
        pub command: Vec<String>,
        /// The user that the program runs as. Default: root.
        pub user: Option<String>,
        /// Environment variables of the program.
        #[serde(default)]
        pub environment: BTreeMap<String, Scalar>,
        /// A file to which the output is appended. Default: cron sends it as mail.
        pub log: Option<String>,
    } with when, optional, timeout, order, stage
}

conditional!(Job, stage);
