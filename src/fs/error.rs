//! The error of file operations.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use nix::errno::Errno;

/// The hint for a full disk. The system reports a lack of inodes with the same error.
pub const DISK_FULL: &str =
    "the disk is full (`df -h`) or has no free inodes (`df -i`); free some space and run nodeagent again";

/// An operation that failed. The file is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FsError {
    /// The operating system returned an error.
    #[error("`{path}` could not be {verb}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The operation: `read`, `written`, `created`, `removed`, `packed`, `unpacked`.
        verb: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file of another user is too large to be read.
    #[error("`{path}` belongs to uid {uid} and has more than {limit} bytes; it is not read")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The owner of the file.
        uid: u32,
        /// The largest size of such a file, in bytes.
        limit: u64,
    },
    /// A symbolic link on the path belongs to another user.
    #[error("`{path}` is a symbolic link owned by uid {uid}; it is not followed")]
    ForeignLink {
        /// The link.
        path: PathBuf,
        /// The owner of the link.
        uid: u32,
    },
}

impl FsError {
    pub(super) fn new(path: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, verb, source }
    }

    /// A hint for common causes.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooLarge { .. } => Some("make the file smaller, or remove it".into()),
            Self::ForeignLink { .. } => {
                Some("replace the link by a file or folder, or name its target in the profile".into())
            }
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Some("run nodeagent as root".into()),
                io::ErrorKind::ReadOnlyFilesystem => {
                    Some("the file system is mounted read-only; name a writable path".into())
                }
                io::ErrorKind::IsADirectory => Some("a folder is in the way; move it, or name another path".into()),
                io::ErrorKind::StorageFull => Some(DISK_FULL.into()),
                _ => None,
            },
        }
    }
}

/// The last component of a path. It must be a name.
pub(super) fn file_name(path: &Path) -> Result<&OsStr, FsError> {
    path.file_name().ok_or_else(|| FsError::new(path, "written")(io::ErrorKind::InvalidFilename.into()))
}

/// Whether a file system reports that it does not support an operation.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    let known = error.raw_os_error().map(Errno::from_raw);
    matches!(known, Some(Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EINVAL | Errno::EPERM))
}
