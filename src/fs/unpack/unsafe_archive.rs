//! Why an archive is refused: what no honest archive of packages holds.

use std::path::PathBuf;

/// What an archive tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsafeArchive {
    /// A name with `..` in it, or none.
    #[error("the archive tries to write outside its folder")]
    Outside,
    /// A name that begins at the root.
    #[error("the archive names an absolute path")]
    Absolute,
    /// A symbolic or hard link that leads out.
    #[error("the archive has a link that leads out of its folder")]
    LinkOutside,
    /// A hard link to something that is no file of the archive.
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
    /// Something else that is neither a file nor a folder nor a link.
    #[error("the archive has an entry that is neither a file nor a folder nor a link")]
    UnknownKind,
    /// A name that was there before.
    #[error("the archive has the name twice")]
    Twice,
    /// Two names that are one where case does not count.
    #[error("the archive has another name that differs in case only: `{}`", .0.display())]
    OnlyCase(PathBuf),
    /// More entries than foreseen.
    #[error("the archive has more than {0} entries")]
    TooMany(u64),
    /// More bytes than foreseen.
    #[error("the archive holds more than {0} bytes")]
    TooLarge(u64),
    /// A name, or what describes an entry, that does not end.
    #[error("the archive describes an entry with more than {0} bytes")]
    LongHeader(u64),
}
