//! What is at a path: content, permissions and owner, of one and the same file.

use std::{
    io::{self, Read as _},
    path::Path,
};

use nix::{
    fcntl::{OFlag, openat},
    sys::stat::{FileStat, Mode, SFlag, fstat},
};

use super::{FsError, Stamp, folder};

/// What is at a path now, links not followed in its last part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Content, when it is a regular file.
    pub bytes: Option<Vec<u8>>,
    /// Permission bits, when anything is there.
    pub mode: u32,
    /// User and group ids.
    pub owner: (u32, u32),
    /// Which file it is and when its content last changed, when it is a regular file.
    pub stamp: Option<Stamp>,
}

/// Reads a small file with its attributes; `None` when nothing is there. A link is followed if [`replace`](super::replace) would: what
/// another user's link points to is not for us to show.
pub fn read(path: &Path) -> Result<Option<Snapshot>, FsError> {
    match look(path) {
        Err(FsError::Io { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        found => found.map(Some),
    }
}

fn look(path: &Path) -> Result<Snapshot, FsError> {
    let failed = |error: io::Error| FsError::new(path, "read")(error);
    let (folder, name) = folder::resolve_existing(path).map_err(|error| match error {
        // Whatever stood in the way, nothing was to be written.
        FsError::Io { path, source, .. } => FsError::Io { path, verb: "read", source },
        other => other,
    })?;
    let before = folder.stat(&name).map_err(|error| failed(error.into()))?;
    let before = before.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let with_attributes_of = |stat: &FileStat| Snapshot {
        bytes: None,
        mode: stat.st_mode & 0o7777,
        owner: (stat.st_uid, stat.st_gid),
        stamp: None,
    };
    let mut found = with_attributes_of(&before);
    if is_regular(&before) {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = openat(folder.fd(), name.as_os_str(), flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        // Another file may have the name by now: whose it is, and what is in it, are of the one that is open.
        let opened = fstat(&file).map_err(|error| failed(error.into()))?;
        if !is_regular(&opened) {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        }
        found = with_attributes_of(&opened);
        let mut bytes = Vec::new();
        std::fs::File::from(file).read_to_end(&mut bytes).map_err(failed)?;
        found.bytes = Some(bytes);
        found.stamp = Some(Stamp::from(&opened));
    }
    Ok(found)
}

fn is_regular(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
}
