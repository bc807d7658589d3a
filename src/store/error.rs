//! Errors of the store. In a run they are warnings; the `store` commands report them as errors.

use std::{io, path::Path};

use crate::{diagnostic::in_words, digest::Digest, fs::FsError};

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file that should be added to the store cannot be read.
    #[error("`{path}` could not be read")]
    Unreadable {
        /// The file.
        path: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// An object whose bytes do not match its digest.
    #[error("the object `{name}` in {store} does not match its digest; it was {done}")]
    Corrupt {
        /// The first digits of the object's name.
        name: String,
        /// The store or file that has it, as shown to people.
        store: String,
        /// The reaction to the object: `removed` or `refused`.
        done: &'static str,
    },
    /// An entry that cannot be parsed.
    #[error("this version of nodeagent cannot read the entry `{name}` of the local store; it was removed")]
    NoEntry {
        /// The first digits of the entry's key.
        name: String,
    },
    /// The local store cannot be listed.
    #[error("the local store cannot be listed: {0}")]
    Unlisted(String),
    /// The shared store was disabled. The reason was in an earlier warning.
    #[error("the shared store `{name}` cannot be used")]
    Gone {
        /// The store's folder or address.
        name: String,
    },
    /// The shared store cannot be written.
    #[error("the shared store `{name}` cannot be written: {why}")]
    NotWritable {
        /// The store's folder or address.
        name: String,
        /// The reason.
        why: String,
    },
    /// No shared store is configured.
    #[error("no shared store is configured")]
    NothingShared,
    /// A file system error in the local store.
    #[error("the local store cannot be used")]
    Local(#[source] FsError),
}

impl StoreError {
    pub(super) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable { path: path.display().to_string(), source }
    }

    pub(super) fn corrupt(digest: &Digest, store: impl Into<String>, done: &'static str) -> Self {
        Self::Corrupt { name: digest.hex()[..12].to_owned(), store: store.into(), done }
    }

    /// The error and its causes, in one line.
    pub fn in_words(&self) -> String {
        in_words(self)
    }

    /// A hint for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Local(error) => error.hint(),
            Self::NotWritable { .. } => {
                Some("check that the folder or bucket exists and that you may write to it".to_owned())
            }
            Self::NothingShared => {
                Some("set `--store`, `NODEAGENT_STORE`, or `store` in /etc/nodeagent.toml".to_owned())
            }
            _ => None,
        }
    }
}

impl From<FsError> for StoreError {
    fn from(error: FsError) -> Self {
        Self::Local(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_next_step() {
        let local = FsError::ForeignLink { path: "/store".into(), uid: 7 };
        for (error, step) in [
            (StoreError::NothingShared, Some("`NODEAGENT_STORE`")),
            (StoreError::NotWritable { name: "/store".into(), why: "it is full".into() }, Some("you may write to it")),
            (local.into(), Some("replace the link")),
            (StoreError::Gone { name: "/store".into() }, None),
        ] {
            let hint = error.hint();
            assert_eq!(hint.as_deref().map(|hint| step.is_some_and(|step| hint.contains(step))), step.map(|_| true));
        }
    }
}
