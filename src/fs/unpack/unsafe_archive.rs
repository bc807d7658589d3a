//! Why an archive is rejected. No valid package archive contains such entries.

use std::path::PathBuf;

/// The reason for a rejection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsafeArchive {
    /// A name with `..`, or an empty name.
    #[error("the archive tries to write outside its folder")]
    Outside,
    /// An absolute name.
    #[error("the archive names an absolute path")]
    Absolute,
    /// A symbolic or hard link to a path outside.
    #[error("the archive has a link that leads out of its folder")]
    LinkOutside,
    /// A hard link to a path that is not a file of the archive.
    #[error("the archive has a hard link to what is not a file of its own")]
    LinkToOther,
    /// A name below a symbolic link.
    #[error("the archive tries to write through a link")]
    ThroughLink,
    /// A character or block device.
    #[error("the archive has a device in it")]
    Device,
    /// A named pipe.
    #[error("the archive has a pipe in it")]
    Pipe,
    /// An entry other than a file, folder or link.
    #[error("the archive has an entry that is neither a file nor a folder nor a link")]
    UnknownKind,
    /// A name that occurred before.
    #[error("the archive has the name twice")]
    Twice,
    /// Two names that differ only in case.
    #[error("the archive has another name that differs in case only: `{}`", .0.display())]
    OnlyCase(PathBuf),
    /// Too many entries.
    #[error("the archive has more than {0} entries")]
    TooMany(u64),
    /// Too many bytes.
    #[error("the archive holds more than {0} bytes")]
    TooLarge(u64),
    /// A name or header that is too long.
    #[error("the archive describes an entry with more than {0} bytes")]
    LongHeader(u64),
}
