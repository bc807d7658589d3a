//! Why a secret could not be had.

use std::{io, path::PathBuf};

use crate::cloud::CloudError;

/// Why a secret could not be had. Never holds any part of a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is not set, or set to nothing.
    #[error("the variable `{0}` is not set")]
    NotSet(String),
    /// The platform did not replace its own reference by the value.
    #[error("the variable `{variable}` still holds the reference `{reference}`: the platform did not resolve it")]
    Unresolved {
        /// The variable.
        variable: String,
        /// The reference, which is no secret.
        reference: String,
    },
    /// There is no folder for the scope.
    #[error("there is no scope `{scope}` below `{folder}`")]
    NoScope {
        /// The scope.
        scope: String,
        /// The folder of all scopes.
        folder: PathBuf,
    },
    /// There is no file for the key.
    #[error("there is no key `{key}` in `{scope}`")]
    NoKey {
        /// The key.
        key: String,
        /// The folder of the scope.
        scope: PathBuf,
    },
    /// The file is there and may not be read.
    #[error("`{path}` could not be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// The file is empty.
    #[error("`{0}` is empty")]
    Empty(PathBuf),
    /// The cloud it is in did not give it.
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

impl SecretError {
    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Cloud(error) => error.hint.clone().unwrap_or_default(),
            Self::NotSet(variable) => {
                format!(
                    "set `{variable}` in the cluster's environment variables, or name another with `env`; an access file \
                     has to grant that one by its place, as in `read = [\"env:MY_TOKEN\"]`"
                )
            }
            Self::Unresolved { .. } => {
                "check that the scope and key exist and that the cluster's owner may read them".to_owned()
            }
            Self::NoScope { .. } => "check `scope` and `path` in `[secrets]`".to_owned(),
            Self::NoKey { .. } => "check `key`, or ask whoever keeps the scope to add it".to_owned(),
            Self::Unreadable { .. } => "run nodeagent as root, or check the file's permissions".to_owned(),
            Self::Empty(_) => "an empty secret is taken for a mistake; write a value".to_owned(),
        }
    }
}
