//! Errors of fetching a secret.

use std::{io, path::PathBuf};

use crate::cloud::CloudError;

/// A secret could not be fetched. The error never contains any part of a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is not set or empty.
    #[error("the variable `{0}` is not set")]
    NotSet(String),
    /// The platform did not replace a reference with the value.
    #[error("the variable `{variable}` still holds the reference `{reference}`: the platform did not resolve it")]
    Unresolved {
        /// The variable.
        variable: String,
        /// The reference. It is not a secret.
        reference: String,
    },
    /// The scope has no folder.
    #[error("there is no scope `{scope}` below `{folder}`")]
    NoScope {
        /// The scope.
        scope: String,
        /// The folder of all scopes.
        folder: PathBuf,
    },
    /// The key has no file.
    #[error("there is no key `{key}` in `{scope}`")]
    NoKey {
        /// The key.
        key: String,
        /// The folder of the scope.
        scope: PathBuf,
    },
    /// The file exists and could not be read.
    #[error("`{path}` could not be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is empty.
    #[error("`{0}` is empty")]
    Empty(PathBuf),
    /// The cloud did not return the secret.
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

impl SecretError {
    /// A hint for the operator.
    pub fn hint(&self) -> String {
        match self {
            Self::Cloud(error) => error.hint.clone().unwrap_or_default(),
            Self::NotSet(variable) => {
                format!(
                    "set `{variable}` in the cluster's environment variables, or name another variable with `env`; an access file \
                     must grant that variable by its address, as in `read = [\"env:MY_TOKEN\"]`"
                )
            }
            Self::Unresolved { .. } => {
                "check that the scope and key exist and that the cluster's owner may read them".to_owned()
            }
            Self::NoScope { .. } => "check `scope` and `path` in `[secrets]`".to_owned(),
            Self::NoKey { .. } => "check `key`, or ask the owner of the scope to add it".to_owned(),
            Self::Unreadable { .. } => "run nodeagent as root, or check the file's permissions".to_owned(),
            Self::Empty(_) => "an empty secret counts as a mistake; write a value".to_owned(),
        }
    }
}
