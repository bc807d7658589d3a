//! Writes the entries of an archive below an open folder. No link is followed, and no path leaves the folder.

use std::{
    ffi::OsStr,
    io::{self, Read},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::AtFlags,
    sys::{
        stat::{Mode, UtimensatFlags, fchmod, futimens, mkdirat, utimensat},
        time::TimeSpec,
    },
    unistd::{linkat, symlinkat},
};
use tar::EntryType;

use super::entries::ValidEntry;
use crate::fs::folder::Folder;

/// Mode of folders that are on the path of an entry and not in the archive.
const MISSING_FOLDER: u32 = 0o755;
/// The mode of a file whose header has none.
const UNKNOWN_MODE: u32 = 0o644;
/// The permission bits that files get from an archive: no set-user-id and similar bits.
const PERMISSIONS: u32 = 0o777;

/// An archive that is being unpacked.
pub(super) struct Extraction<'a> {
    top: &'a Folder,
    /// The folder of the entry before, which most entries share.
    last: Option<(PathBuf, Folder)>,
}

impl<'a> Extraction<'a> {
    pub(super) fn new(top: &'a Folder) -> Self {
        Self { top, last: None }
    }

    /// Writes an entry. Permission bits and times are those of the archive.
    pub(super) fn write(&mut self, entry: ValidEntry<'_, '_, impl Read>) -> io::Result<()> {
        let ValidEntry { path, kind, link, content } = entry;
        let top = self.top;
        let (above, name) = split(&path)?;
        let mode = content.header().mode().unwrap_or(if kind.is_dir() { MISSING_FOLDER } else { UNKNOWN_MODE });
        let mode = Mode::from_bits_truncate(mode & PERMISSIONS);
        let time = content.header().mtime().ok().and_then(|time| time.try_into().ok());
        let time = time.map_or(TimeSpec::UTIME_NOW, |seconds| TimeSpec::new(seconds, 0));
        let above = self.folder(above)?;
        match kind {
            EntryType::Directory => make_folder(above, name, mode)?,
            EntryType::Symlink => {
                symlinkat(&link, above.fd(), name)?;
                utimensat(above.fd(), name, &time, &time, UtimensatFlags::NoFollowSymlink)?;
            }
            EntryType::Link => {
                let (of_target, target) = split(&link)?;
                linkat(top.open_below(of_target)?.fd(), target, above.fd(), name, AtFlags::empty())?;
            }
            _ => {
                let mut file = above.create(name)?;
                if io::copy(content, &mut file)? != content.size() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                futimens(file.as_fd(), &time, &time)?;
                fchmod(file.as_fd(), mode)?;
            }
        }
        Ok(())
    }

    /// The folder of an entry. It is created if it is missing.
    fn folder(&mut self, path: &Path) -> Result<&Folder, Errno> {
        let opened = match self.last.take() {
            Some((last, folder)) if last == path => (last, folder),
            _ => (path.to_owned(), self.top.make_below(path, MISSING_FOLDER)?),
        };
        Ok(&self.last.insert(opened).1)
    }
}

fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    path.parent().zip(path.file_name()).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Makes a folder. Another archive, or the path of an entry, may have made it before.
fn make_folder(above: &Folder, name: &OsStr, mode: Mode) -> Result<(), Errno> {
    match mkdirat(above.fd(), name, mode) {
        Ok(()) | Err(Errno::EEXIST) => fchmod(above.open_below(Path::new(name))?.fd(), mode),
        Err(error) => Err(error),
    }
}
