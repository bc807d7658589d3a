//! Why an archive is rejected. No valid package archive contains such entries.

use std::path::PathBuf;

/// The reason for a rejection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsafeArchive {
    /// A name with `..`, or an empty name.
    #[error("the archive contains a path outside its folder")]
    Outside,
    /// An absolute name.
    #[error("the archive contains an absolute path")]
    Absolute,
    /// A symbolic or hard link to a path outside.
    #[error("the archive contains a link to a path outside its folder")]
    LinkOutside,
    /// A hard link to a path that is not a file of the archive.
    #[error("the archive contains a hard link to a path that is not one of its files")]
    LinkToOther,
    /// A name below a symbolic link.
    #[error("the archive contains a path below one of its links")]
    ThroughLink,
    /// A character or block device.
    #[error("the archive contains a device")]
    Device,
    /// A named pipe.
    #[error("the archive contains a named pipe")]
    Pipe,
    /// An entry other than a file, folder or link.
    #[error("the archive contains an entry that is neither a file nor a folder nor a link")]
    UnknownKind,
    /// A name that occurred before.
    #[error("the archive contains this name twice")]
    Twice,
    /// Two names that differ only in case.
    #[error("the archive contains another name that differs only in case: `{}`", .0.display())]
    OnlyCase(PathBuf),
    /// Too many entries.
    #[error("the archive contains more than {0} entries")]
    TooMany(u64),
    /// Too many bytes.
    #[error("the archive contains more than {0} bytes")]
    TooLarge(u64),
    /// A path that is longer than the kernel allows.
    #[error("the archive contains a path of more than {0} bytes")]
    LongName(u64),
    /// Names that need too much memory.
    #[error("the names in the archive need more than {0} bytes")]
    LongNames(u64),
    /// A name or header that is too long.
    #[error("the header of an entry has more than {0} bytes")]
    LongHeader(u64),
}
