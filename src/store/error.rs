//! What can go wrong with a store. In a run it is a warning; whoever works on the store by hand sees it as it is.

use std::{io, path::Path};

use crate::{diagnostic::in_words, digest::Digest, fs::FsError};

/// Why the store did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file that was to be taken in cannot be read.
    #[error("`{path}` could not be read")]
    Unreadable {
        /// The file.
        path: String,
        /// The operating system's words.
        source: io::Error,
    },
    /// Bytes that are not those they are named for.
    #[error("the object `{name}` in {place} does not hold what its name says; it was {done}")]
    Corrupt {
        /// The beginning of its name.
        name: String,
        /// Whose.
        place: String,
        /// What became of it: `removed`, `refused`.
        done: &'static str,
    },
    /// What lies where an entry should.
    #[error(
        "the entry `{name}` of the store's place on this node is no entry that this release can read; it was removed"
    )]
    NoEntry {
        /// The beginning of its name.
        name: String,
    },
    /// What is there cannot be told.
    #[error("the store's place on this node cannot be listed: {0}")]
    Unlisted(String),
    /// Why was told when it happened.
    #[error("the shared store `{name}` cannot be used")]
    Gone {
        /// As people name it.
        name: String,
    },
    /// There is none.
    #[error("no shared store is named")]
    NothingShared,
    /// The file system refused.
    #[error("the store's place on this node cannot be used")]
    Local(#[source] FsError),
}

impl StoreError {
    pub(super) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable { path: path.display().to_string(), source }
    }

    pub(super) fn corrupt(digest: &Digest, place: impl Into<String>, done: &'static str) -> Self {
        Self::Corrupt { name: digest.hex()[..12].to_owned(), place: place.into(), done }
    }

    /// The error and what caused it, in one line.
    pub fn in_words(&self) -> String {
        in_words(self)
    }

    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Local(error) => error.hint(),
            Self::NothingShared => {
                Some("name it by --store, NODEAGENT_STORE, or `store = …` in /etc/nodeagent.toml".to_owned())
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
