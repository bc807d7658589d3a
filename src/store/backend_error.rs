//! What can be wrong with a shared place, told apart by what follows from it.

use std::io;

use crate::fs::FsError;

/// What is wrong.
#[derive(Debug)]
pub(super) enum BackendError {
    /// The place cannot be used: it is left alone.
    Unusable(String),
    /// Nothing can be written there; what it has can be read.
    NotWritable(String),
    /// It was given up before, and that was said.
    Disabled,
    /// What it has under a name is not what belongs there.
    BadContent(String),
    /// Our own disk failed; the place is not to blame.
    LocalDisk(FsError),
}

impl BackendError {
    /// What a shared folder's file system says about reading.
    pub(super) fn reading(error: &FsError) -> Self {
        let FsError::Io { source, .. } = error else { return Self::BadContent(error.to_string()) };
        match source.kind() {
            // A link, a pipe, a folder in the place of a file.
            io::ErrorKind::Other | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
                Self::BadContent(in_words(error, source))
            }
            _ => Self::Unusable(in_words(error, source)),
        }
    }

    /// What it says about writing.
    pub(super) fn writing(error: &FsError) -> Self {
        let FsError::Io { source, .. } = error else { return Self::NotWritable(error.to_string()) };
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::NotWritable("it can only be read".to_owned())
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NotWritable("it is full".to_owned()),
            io::ErrorKind::Other | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
                Self::NotWritable(in_words(error, source))
            }
            _ => Self::Unusable(in_words(error, source)),
        }
    }
}

impl BackendError {
    /// What is wrong, in one line.
    pub(super) fn in_words(self) -> String {
        match self {
            Self::Unusable(why) | Self::NotWritable(why) | Self::BadContent(why) => why,
            Self::LocalDisk(error) => error.to_string(),
            Self::Disabled => "it was given up before".to_owned(),
        }
    }
}

fn in_words(error: &FsError, source: &io::Error) -> String {
    format!("{error}: {source}")
}
