//! An entry of `[installers]` or `[hooks]` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::{
    conditional,
    shorthand::{OneOrMany, PlainOr, Scalar, Shorthand},
    written::{Asset, SecretKey, entry},
};

entry! {
    /// A program that nodeagent runs.
    pub struct ProgramEntry {
        /// A program or script: of the file store, of the node, or on a server.
        pub from: Option<Shorthand<Asset>>,
        /// A program of the node and its arguments, or a list of such commands. No shell replaces characters in them.
        pub command: Option<Vec<WordOrCommand>>,
        /// For hooks: the script itself.
        pub text: Option<String>,
        /// Arguments for `from` or `text`.
        #[serde(default)]
        pub args: Vec<String>,
        /// The program that runs the script. Default: as the `#!` line has it; for `text` without one `bash -eu`.
        pub interpreter: Option<Vec<String>>,
        /// Answers to questions of the program, or a secret. Default: no input.
        pub stdin: Option<PlainOr<SecretKey>>,
        /// Environment variables.
        #[serde(default)]
        pub environment: BTreeMap<String, Scalar>,
        /// Secrets by variable. The variable holds the path of a file with the secret.
        #[serde(default)]
        pub secrets: BTreeMap<String, String>,
        /// The user that the program runs as. Default: root.
        pub user: Option<String>,
        /// The working directory. Default: an empty folder, which is removed afterwards.
        pub working_directory: Option<String>,
        /// Paths and globs. If all exist, the work is done.
        #[serde(default)]
        pub creates: OneOrMany<String>,
        /// A program and its arguments. If it exits with 0, the work is done.
        pub unless: Option<Vec<String>>,
        /// A version that the work provides.
        pub version: Option<Version>,
        /// For hooks: paths and globs. If one of them changed, the hook runs again.
        #[serde(default)]
        pub watch: Vec<String>,
        /// Exit statuses that mean success. Default: 0.
        pub ok_status: Option<Vec<i64>>,
    } with when, optional, timeout, order, stage
}

conditional!(ProgramEntry, stage);

/// A word of a command, or a command among several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum WordOrCommand {
    /// A word of the only command.
    Word(String),
    /// One of several commands.
    Command(Vec<String>),
}

/// A check of a version.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Version {
    /// A program and its arguments, which print the version.
    pub command: Vec<String>,
    /// A regular expression. Its first group is the version. Default: the first number with a dot.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// The condition on the version, such as `1.5` or `>=1.5, <2`.
    pub is: String,
}
