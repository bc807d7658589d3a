//! Programs as checked.

use std::{collections::BTreeMap, path::PathBuf};

use crate::profile::{AssetRef, Entry, SecretRef};

/// Programs in the order of the profile, a parent's first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Programs(pub Vec<Entry<Program>>);

/// A program that nodeagent runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The name of the entry.
    pub name: String,
    /// The program.
    pub source: Source,
    /// Arguments of a program of the file store or of a script.
    pub args: Vec<String>,
    /// The program that runs the script.
    pub interpreter: Option<Vec<String>>,
    /// Standard input.
    pub stdin: Option<Stdin>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Secrets, by the variable with the path of their file.
    pub secrets: BTreeMap<String, SecretRef>,
    /// The user that it runs as. `None` is root.
    pub user: Option<String>,
    /// The working directory.
    pub working_directory: Option<PathBuf>,
    /// The checks that the work is done.
    pub proof: Proof,
    /// Paths and globs whose change makes a hook run again.
    pub watch: Vec<String>,
    /// Exit statuses that mean success.
    pub ok_status: Vec<i32>,
}

/// The origin of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A program or script of the file store.
    File(AssetRef),
    /// A script in the profile.
    Text(String),
    /// Programs of the node, each with its arguments.
    Commands(Vec<Vec<String>>),
}

/// Standard input of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stdin {
    /// A text.
    Text(String),
    /// A secret.
    Secret(SecretRef),
}

/// The checks that the work is done. All of them must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// Paths and globs that must exist.
    pub creates: Vec<String>,
    /// A command that must exit with 0.
    pub unless: Option<Vec<String>>,
    /// A version.
    pub version: Option<VersionCheck>,
}

/// A check of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionCheck {
    /// The command that prints it.
    pub command: Vec<String>,
    /// The regular expression whose first group is the version.
    pub pattern: String,
    /// The condition on the version.
    pub is: String,
}

impl Proof {
    /// Whether there is no check.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Program {
    /// All secrets that it uses.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let stdin = self.stdin.iter().filter_map(|stdin| match stdin {
            Stdin::Secret(secret) => Some(secret),
            Stdin::Text(_) => None,
        });
        self.secrets.values().chain(stdin)
    }

    /// The same, to fill in their sources.
    pub fn secrets_mut(&mut self) -> impl Iterator<Item = &mut SecretRef> {
        let stdin = self.stdin.iter_mut().filter_map(|stdin| match stdin {
            Stdin::Secret(secret) => Some(secret),
            Stdin::Text(_) => None,
        });
        self.secrets.values_mut().chain(stdin)
    }
}
