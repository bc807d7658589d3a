//! A file in the making, and what is left of one that was never finished.

use std::{
    io::{self, Write as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, openat, renameat},
    sys::stat::{Mode, fchmod},
    unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat},
};

use super::{
    error::{FsError, is_unsupported},
    folder::{self, Folder},
    stamp::Stamp,
};

/// Permissions and owner of a file to write. What is `None` is kept from the file that is there; a new file gets 0644
/// and the agent's own user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Permission bits.
    pub mode: Option<u32>,
    /// User and group ids.
    pub owner: Option<(u32, u32)>,
}

impl Attributes {
    /// Only the permission bits are given.
    pub fn mode(mode: u32) -> Self {
        Self { mode: Some(mode), owner: None }
    }
}

/// Writes a whole file: a temporary file in the same folder, fsync, rename, fsync of the folder.
pub fn replace(path: &Path, bytes: &[u8], attributes: Attributes) -> Result<(), FsError> {
    let mut partial = PartialFile::create(path, attributes)?;
    partial.write(bytes)?;
    partial.commit()
}

/// A file in the making: invisible under its name until [`PartialFile::commit`], gone when dropped before.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    folder: Folder,
    name: PathBuf,
    temporary: PathBuf,
    pub(super) file: std::fs::File,
    committed: bool,
    /// The file system may be one that knows neither permissions nor fsync.
    lenient: bool,
}

impl PartialFile {
    /// Opens a temporary file beside `path`. Folders that are missing above it are created with mode 0755.
    pub fn create(path: &Path, attributes: Attributes) -> Result<Self, FsError> {
        let failed = |error: nix::Error| FsError::new(path, "written")(error.into());
        let (folder, name) = folder::resolve(path)?;
        let before = folder.stat(&name).map_err(failed)?;
        let partial = Self::begin(path, folder, name.into(), false)?;
        let mode = attributes.mode.or(before.map(|found| found.st_mode & 0o7777)).unwrap_or(0o644);
        let owner = attributes.owner.or(before.map(|found| (found.st_uid, found.st_gid)));
        if let Some((uid, gid)) = owner.filter(|&owner| !partial.is_owned_by(owner)) {
            fchown(partial.file.as_fd(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(failed)?;
        }
        fchmod(partial.file.as_fd(), Mode::from_bits_truncate(mode)).map_err(failed)?;
        Ok(partial)
    }

    /// The temporary file alone, which nobody else may read yet.
    pub(super) fn begin(path: &Path, folder: Folder, name: PathBuf, lenient: bool) -> Result<Self, FsError> {
        let failed = |error: nix::Error| FsError::new(path, "written")(error.into());
        let temporary = PathBuf::from(format!(".{}.{}.nodeagent", name.display(), unique()));
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(folder.fd(), &temporary, flags, Mode::from_bits_truncate(0o600)).map_err(failed)?;
        let file = std::fs::File::from(file);
        Ok(Self { path: path.to_owned(), folder, name, temporary, file, committed: false, lenient })
    }

    fn is_owned_by(&self, owner: (u32, u32)) -> bool {
        self.file.metadata().is_ok_and(|found| (found.uid(), found.gid()) == owner)
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.file.write_all(bytes).map_err(FsError::new(&self.path, "written"))
    }

    /// The stamp that the file will have under its name, when nothing more is written.
    pub fn stamp(&self) -> Result<Stamp, FsError> {
        let found = nix::sys::stat::fstat(self.file.as_fd());
        found.map(|found| Stamp::from(&found)).map_err(|error| FsError::new(&self.path, "written")(error.into()))
    }

    /// Makes the file appear under its name, whole and on disk.
    pub fn commit(mut self) -> Result<(), FsError> {
        self.synced(self.file.sync_all())?;
        self.appear()?;
        self.synced(self.folder.sync())
    }

    /// Makes the file appear under its name, whole, without waiting for the disk: for what is made again where it is lost.
    pub fn commit_unsynced(mut self) -> Result<(), FsError> {
        self.appear()
    }

    fn appear(&mut self) -> Result<(), FsError> {
        renameat(self.folder.fd(), &self.temporary, self.folder.fd(), &self.name)
            .map_err(|error| FsError::new(&self.path, "written")(error.into()))?;
        self.committed = true;
        Ok(())
    }

    fn synced(&self, result: io::Result<()>) -> Result<(), FsError> {
        match result {
            Err(error) if self.lenient && is_unsupported(&error) => Ok(()),
            result => result.map_err(FsError::new(&self.path, "written")),
        }
    }
}

impl io::Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.committed {
            let _ = unlinkat(self.folder.fd(), &self.temporary, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// A part of a name that no other file has; it begins with the process id.
pub(super) fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    // In a folder that nodes share, containers have the same few process ids.
    format!("{}-{}-{:08x}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed), fastrand::u32(..))
}
