//! Errors of remote file stores.

use crate::{
    cloud::{CloudError, CloudErrorKind},
    fs::FsError,
};

/// A file or folder of a remote file store could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileStoreError {
    /// The file store refused it.
    #[error("`{what}` could not be read: {error}{}", detail(.error))]
    Refused {
        /// The address of the file or folder.
        what: String,
        /// The reason.
        error: CloudError,
    },
    /// The file exceeds the limit of the API, or of files in a profile.
    #[error("`{what}` has {size} bytes; the limit over the network is {most}")]
    TooLarge {
        /// The file.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        most: u64,
    },
    /// The number of bytes differs from the listed size.
    #[error("`{what}`: expected {expected} bytes, received {received}")]
    WrongSize {
        /// The file.
        what: String,
        /// The listed size.
        expected: u64,
        /// The number of received bytes.
        received: u64,
    },
    /// The file was written while it was read.
    #[error("`{0}` changed while it was read")]
    Changed(String),
    /// A path outside the file store.
    #[error("`{0}` is not a path in the file store")]
    Outside(String),
    /// The folder of the trees cannot be searched.
    #[error("`{what}` could not be searched: {source}")]
    Closed {
        /// The folder.
        what: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The mirror could not be written.
    #[error("the mirror of the file store could not be written")]
    Disk(#[from] FsError),
}

impl FileStoreError {
    /// Wraps the error of a file store.
    pub(super) fn refused(what: String) -> impl FnOnce(CloudError) -> Self {
        move |error| Self::Refused { what, error }
    }

    /// Whether the file store answered that the file or folder does not exist, or that this node may not read it.
    pub fn is_refusal(&self) -> bool {
        let is_one = |kind| matches!(kind, CloudErrorKind::Denied | CloudErrorKind::Absent);
        matches!(self, Self::Refused { error, .. } if is_one(error.kind))
    }

    /// Whether the file or folder does not exist.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error.kind == CloudErrorKind::Absent)
    }

    /// A hint for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { error, .. } => error.hint.clone().or_else(|| match error.kind {
                CloudErrorKind::NotConfigured => {
                    Some("set `DATABRICKS_HOST` and credentials, or use a local folder as the file store".into())
                }
                CloudErrorKind::Denied => Some("ask for READ permission on the folder for the node's identity".into()),
                _ => None,
            }),
            Self::TooLarge { .. } => Some("keep large files in a Volume".into()),
            Self::WrongSize { .. } | Self::Changed(_) => {
                Some("run nodeagent again when the file is no longer being written".into())
            }
            Self::Outside(_) => Some("use a path below the profile's folder, without `..`".into()),
            Self::Closed { .. } => Some(
                "give the user of nodeagent read and search permission for the folder, or run nodeagent as root".into(),
            ),
            Self::Disk(error) => error.hint(),
        }
    }
}

/// The text of the service, if there is one.
fn detail(error: &CloudError) -> String {
    error.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default()
}
