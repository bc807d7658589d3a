//! Reads content, permissions and owner of a file from one open descriptor.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use nix::{
    sys::stat::{FileStat, fstat},
    unistd::Uid,
};

use super::{
    FsError, Stamp,
    folder::{Folder, is_regular},
    node_path,
};

/// The current state of a path. The last component is not followed if it is a link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The content, if it is a regular file.
    pub bytes: Option<Vec<u8>>,
    /// The permission bits.
    pub mode: u32,
    /// User and group ids.
    pub owner: (u32, u32),
    /// The identity and modification time, if it is a regular file.
    pub stamp: Option<Stamp>,
}

/// The largest file of another user that is read, in bytes: configuration files are much smaller.
const FOREIGN_LIMIT: u64 = 1 << 20;

/// Reads a small file with its attributes; `None` if it does not exist. Follows the same links as
/// [`replace`](super::replace): the target of another user's link must not be displayed.
///
/// # Errors
/// If it cannot be read; [`FsError::TooLarge`] for a file of another user with more than 1 MiB.
pub fn read(path: &Path) -> Result<Option<Snapshot>, FsError> {
    present(look(path, FOREIGN_LIMIT))
}

/// The same for a file of any size.
pub fn read_large(path: &Path) -> Result<Option<Snapshot>, FsError> {
    present(look(path, u64::MAX))
}

fn present(found: Result<Snapshot, FsError>) -> Result<Option<Snapshot>, FsError> {
    match found {
        Err(FsError::Io { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        found => found.map(Some),
    }
}

fn look(path: &Path, limit: u64) -> Result<Snapshot, FsError> {
    let failed = |error: io::Error| FsError::new(path, "read")(error);
    let (folder, name) = resolved(path)?;
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
        let (file, opened) = open_regular(&folder, &name).map_err(failed)?;
        found = with_attributes_of(&opened);
        let is_foreign = opened.st_uid != 0 && opened.st_uid != Uid::effective().as_raw();
        let limit = if is_foreign { limit } else { u64::MAX };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > limit {
            return Err(FsError::TooLarge { path: path.to_owned(), uid: opened.st_uid, limit });
        }
        found.bytes = Some(bytes);
        found.stamp = Some(Stamp::from(&opened));
    }
    Ok(found)
}

/// Opens a regular file to read it. Links of other users are not followed.
///
/// # Errors
/// If it is missing, is no regular file, or cannot be read.
pub fn open_file(path: &Path) -> Result<File, FsError> {
    let (folder, name) = resolved(path)?;
    Ok(open_regular(&folder, &name).map_err(FsError::new(path, "read"))?.0)
}

/// The folder and the name of a file that is read.
fn resolved(path: &Path) -> Result<(Folder, OsString), FsError> {
    node_path::resolve_existing(path).map_err(|error| match error {
        // The operation was a read, whatever `resolve_existing` calls it.
        FsError::Io { path, source, .. } => FsError::Io { path, verb: "read", source },
        other => other,
    })
}

/// Opens a regular file in a folder. Another file may have taken the name, so the attributes are those of the
/// descriptor that is open.
fn open_regular(folder: &Folder, name: &OsStr) -> io::Result<(File, FileStat)> {
    let file = folder.open(name)?;
    let opened = fstat(&file)?;
    if !is_regular(&opened) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok((file, opened))
}
