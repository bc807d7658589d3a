//! Why a file could not be brought from a remote store.

use crate::{
    cloud::{CloudError, CloudErrorKind},
    fs::FsError,
};

/// A file or folder of a remote store that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileStoreError {
    /// The store did not give it.
    #[error("`{what}` could not be read: {error}{}", said(.error))]
    Refused {
        /// The file or folder, as people write it.
        what: String,
        /// The store's reason.
        error: CloudError,
    },
    /// It is larger than the interface gives out, or than any file of a profile is.
    #[error("`{what}` has {size} bytes, and at most {most} are read from there over the network")]
    TooLarge {
        /// The file.
        what: String,
        /// Its size.
        size: u64,
        /// The limit.
        most: u64,
    },
    /// More or fewer bytes than the store said.
    #[error("`{what}`: expected {expected} bytes, received {received}")]
    WrongSize {
        /// The file.
        what: String,
        /// As the store lists it.
        expected: u64,
        /// What came.
        received: u64,
    },
    /// Somebody wrote it meanwhile.
    #[error("`{0}` was changed while it was read")]
    Changed(String),
    /// A path that leaves the store.
    #[error("`{0}` is not a path in the file store")]
    Outside(String),
    /// The mirror could not be written.
    #[error("the mirror of the file store could not be written")]
    Disk(#[from] FsError),
}

impl FileStoreError {
    /// A store's refusal to give a file.
    pub(super) fn refused(what: String) -> impl FnOnce(CloudError) -> Self {
        move |error| Self::Refused { what, error }
    }

    /// Whether the store said that there is no such thing.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error.kind == CloudErrorKind::Absent)
    }

    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { error, .. } => error.hint.clone().or_else(|| match error.kind {
                CloudErrorKind::NotConfigured => Some(
                    "set `DATABRICKS_HOST` and a way to log in, or name a file store that is a folder of this node"
                        .into(),
                ),
                CloudErrorKind::Denied => {
                    Some("ask for READ on the folder for the identity that the node acts as".into())
                }
                _ => None,
            }),
            Self::TooLarge { .. } => Some("keep large files in a Volume".into()),
            Self::WrongSize { .. } | Self::Changed(_) => Some("run nodeagent again when nobody writes the file".into()),
            Self::Outside(_) => Some("name a file below the profile's folder, without `..`".into()),
            Self::Disk(error) => error.hint(),
        }
    }
}

/// The service's own words, when there are any.
fn said(error: &CloudError) -> String {
    error.said.as_ref().map(|said| format!(" ({said})")).unwrap_or_default()
}
