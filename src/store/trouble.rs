//! What can be wrong with a shared place, told apart by what follows from it.

use std::io;

use crate::fs::FsError;

/// What is wrong.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The place cannot be used: it is left alone.
    Place(String),
    /// Nothing can be written there; what it has can be read.
    Closed(String),
    /// It was given up before, and that was said.
    Left,
    /// What it has under a name is not what belongs there.
    Refused(String),
    /// Our own disk failed; the place is not to blame.
    Ours(FsError),
}

impl Trouble {
    /// What a shared folder's file system says about reading.
    pub(super) fn reading(error: &FsError) -> Self {
        let FsError::Io { source, .. } = error else { return Self::Refused(error.to_string()) };
        match source.kind() {
            // A link, a pipe, a folder in the place of a file.
            io::ErrorKind::Other | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
                Self::Refused(in_words(error, source))
            }
            _ => Self::Place(in_words(error, source)),
        }
    }

    /// What it says about writing.
    pub(super) fn writing(error: &FsError) -> Self {
        let FsError::Io { source, .. } = error else { return Self::Closed(error.to_string()) };
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::Closed("it can only be read".to_owned())
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Closed("it is full".to_owned()),
            io::ErrorKind::Other | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
                Self::Closed(in_words(error, source))
            }
            _ => Self::Place(in_words(error, source)),
        }
    }
}

impl Trouble {
    /// What is wrong, in one line.
    pub(super) fn in_words(self) -> String {
        match self {
            Self::Place(why) | Self::Closed(why) | Self::Refused(why) => why,
            Self::Ours(error) => error.to_string(),
            Self::Left => "it was given up before".to_owned(),
        }
    }
}

fn in_words(error: &FsError, source: &io::Error) -> String {
    format!("{error}: {source}")
}
