//! Errors of a shared store, grouped by their consequence.

use std::io;

use crate::fs::FsError;

/// Why an operation of a shared store failed.
#[derive(Debug)]
pub(super) enum BackendError {
    /// The store cannot be used. It is disabled for the rest of the run.
    Unusable(String),
    /// The store can be read but not written.
    NotWritable(String),
    /// The store was disabled earlier, and the warning was already sent.
    Disabled,
    /// The file in the store is not the expected one, such as an object with another digest.
    BadContent(String),
    /// The local disk failed. The shared store is not the cause.
    LocalDisk(FsError),
}

impl BackendError {
    /// Classifies a file system error of a read.
    pub(super) fn reading(error: &FsError) -> Self {
        let FsError::Io { source, .. } = error else { return Self::BadContent(error.to_string()) };
        match source.kind() {
            // A link, a pipe, or a folder instead of a file.
            io::ErrorKind::Other | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
                Self::BadContent(in_words(error, source))
            }
            _ => Self::Unusable(in_words(error, source)),
        }
    }

    /// Classifies a file system error of a write.
    pub(super) fn writing(error: &FsError) -> Self {
        let FsError::Io { source, .. } = error else { return Self::NotWritable(error.to_string()) };
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::NotWritable("it is read-only for this user".to_owned())
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
    /// The reason, in one line.
    pub(super) fn in_words(self) -> String {
        match self {
            Self::Unusable(why) | Self::NotWritable(why) | Self::BadContent(why) => why,
            Self::LocalDisk(error) => error.to_string(),
            Self::Disabled => "it was disabled before".to_owned(),
        }
    }
}

fn in_words(error: &FsError, source: &io::Error) -> String {
    format!("{error}: {source}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: io::ErrorKind) -> FsError {
        FsError::Io { path: "/store/x".into(), verb: "read", source: kind.into() }
    }

    #[test]
    fn an_error_concerns_a_file_the_writing_or_the_whole_store() {
        use io::ErrorKind as Kind;
        for kind in [Kind::Other, Kind::NotADirectory, Kind::IsADirectory] {
            assert!(matches!(BackendError::reading(&of(kind)), BackendError::BadContent(_)), "{kind}");
            let writing = BackendError::writing(&of(kind));
            assert!(matches!(writing, BackendError::NotWritable(why) if why.starts_with("`/store/x`")), "{kind}");
        }
        let full = "it is full";
        for (kind, wanted) in [
            (Kind::ReadOnlyFilesystem, "it is read-only for this user"),
            (Kind::PermissionDenied, "it is read-only for this user"),
            (Kind::StorageFull, full),
            (Kind::QuotaExceeded, full),
        ] {
            assert!(matches!(BackendError::writing(&of(kind)), BackendError::NotWritable(why) if why == wanted));
            assert!(matches!(BackendError::reading(&of(kind)), BackendError::Unusable(_)), "{kind}");
        }
        assert!(matches!(BackendError::writing(&of(Kind::TimedOut)), BackendError::Unusable(_)));
        let foreign = FsError::ForeignLink { path: "/store".into(), uid: 7 };
        assert!(matches!(BackendError::reading(&foreign), BackendError::BadContent(_)));
        assert!(matches!(BackendError::writing(&foreign), BackendError::NotWritable(_)));
    }

    #[test]
    fn an_error_in_words_has_its_cause() {
        assert_eq!(
            BackendError::reading(&of(io::ErrorKind::TimedOut)).in_words(),
            "`/store/x` could not be read: timed out"
        );
        assert_eq!(BackendError::LocalDisk(of(io::ErrorKind::TimedOut)).in_words(), "`/store/x` could not be read");
        assert_eq!(BackendError::Disabled.in_words(), "it was disabled before");
    }
}
