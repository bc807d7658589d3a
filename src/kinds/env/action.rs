//! The actions of `[env]`.

use std::path::{Path, PathBuf};

use crate::{
    plan::{WriteFile, title::listed},
    profile::SecretRef,
};

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write a file without secrets.
    Write(WriteFile),
    /// Write the file with the secrets.
    Secrets(WriteSecrets),
}

/// The file with the secrets of Spark's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteSecrets {
    /// The profile's name.
    pub profile: String,
    /// The path on the node.
    pub file: PathBuf,
    /// The path, below the root of the file system.
    pub path: PathBuf,
    /// The variables.
    pub variables: Vec<SecretVariable>,
}

/// A variable whose value is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVariable {
    /// Its name.
    pub name: String,
    /// The secret.
    pub secret: SecretRef,
}

impl From<WriteFile> for Action {
    fn from(file: WriteFile) -> Self {
        Self::Write(file)
    }
}

impl Action {
    /// The file, below the root.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Write(file) => &file.path,
            Self::Secrets(file) => &file.path,
        }
    }

    /// The work in one line.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Write(file) => file.title(),
            Self::Secrets(file) => {
                let names = listed(file.variables.iter().map(|variable| variable.name.clone()));
                format!("write {names} from secrets to {}", file.path.display())
            }
        }
    }

    /// The changes, one line each.
    pub(super) fn describe(&self) -> Vec<String> {
        match self {
            Self::Write(file) => file.describe(),
            Self::Secrets(file) => {
                let line = |variable: &SecretVariable| {
                    format!("the secret `{}` becomes the variable {}", variable.secret.key, variable.name)
                };
                file.variables.iter().map(line).collect()
            }
        }
    }
}
