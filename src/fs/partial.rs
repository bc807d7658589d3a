//! Files that are written under a temporary name and then renamed.

use std::{
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, OFlag, fallocate, openat, renameat},
    sys::stat::{Mode, fchmod},
    unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat},
};

use super::{
    error::{FsError, is_unsupported},
    folder::Folder,
    node_path,
    stamp::Stamp,
};

/// Permissions and owner of a file to write. `None` keeps the value of the existing file. A new file gets 0644 and the
/// user of nodeagent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Permission bits.
    pub mode: Option<u32>,
    /// User and group ids.
    pub owner: Option<(u32, u32)>,
}

impl Attributes {
    /// Attributes with permission bits only.
    pub fn mode(mode: u32) -> Self {
        Self { mode: Some(mode), owner: None }
    }
}

/// Writes a file atomically: a temporary file in the same folder, fsync, rename, fsync of the folder.
pub fn replace(path: &Path, bytes: &[u8], attributes: Attributes) -> Result<(), FsError> {
    let mut partial = PartialFile::create(path, attributes)?;
    partial.write(bytes)?;
    match partial.commit() {
        // Nothing can be renamed to a mount point, such as `/etc/resolv.conf` in a container.
        Err(FsError::Io { source, .. }) if source.raw_os_error() == Some(Errno::EBUSY as i32) => {
            write_in_place(path, bytes, attributes)
        }
        committed => committed,
    }
}

/// Writes to a text file that cannot be replaced. The file is never empty in between: if nodeagent is killed before the
/// file has its new length, line feeds follow the new content.
fn write_in_place(path: &Path, bytes: &[u8], attributes: Attributes) -> Result<(), FsError> {
    let failed = |error: nix::Error| FsError::new(path, "written")(error.into());
    let (folder, name) = node_path::resolve(path)?;
    let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = std::fs::File::from(openat(folder.fd(), name.as_os_str(), flags, Mode::empty()).map_err(failed)?);
    let mut write = || {
        let before = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let padding = vec![b'\n'; before.saturating_sub(bytes.len())];
        file.write_all(&[bytes, &padding].concat())?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    write().map_err(FsError::new(path, "written"))?;
    if let Some((uid, gid)) = attributes.owner {
        fchown(file.as_fd(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(failed)?;
    }
    if let Some(mode) = attributes.mode {
        fchmod(file.as_fd(), Mode::from_bits_truncate(mode)).map_err(failed)?;
    }
    Ok(())
}

/// A file that is being written. It appears under its name at [`PartialFile::commit`]. If it is dropped before, it is
/// removed.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    folder: Folder,
    name: PathBuf,
    temporary: PathBuf,
    pub(super) file: std::fs::File,
    committed: bool,
    /// The file system may support neither permissions nor fsync.
    lenient: bool,
}

impl PartialFile {
    /// Creates a temporary file beside `path`. Missing folders above it are created with mode 0755.
    pub fn create(path: &Path, attributes: Attributes) -> Result<Self, FsError> {
        let failed = |error: nix::Error| FsError::new(path, "written")(error.into());
        let (folder, name) = node_path::resolve(path)?;
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

    /// Creates the temporary file. Only its owner can read it.
    pub(super) fn begin(path: &Path, folder: Folder, name: PathBuf, lenient: bool) -> Result<Self, FsError> {
        let failed = |error: nix::Error| FsError::new(path, "written")(error.into());
        let temporary = PathBuf::from(format!(".{}.{}.nodeagent", name.display(), unique()));
        let file = folder.create(temporary.as_os_str()).map_err(failed)?;
        Ok(Self { path: path.to_owned(), folder, name, temporary, file, committed: false, lenient })
    }

    fn is_owned_by(&self, owner: (u32, u32)) -> bool {
        self.file.metadata().is_ok_and(|found| (found.uid(), found.gid()) == owner)
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.file.write_all(bytes).map_err(FsError::new(&self.path, "written"))
    }

    /// Gives the file this length, with blocks of the disk.
    pub fn allocate(&mut self, length: u64) -> Result<(), FsError> {
        let failed = FsError::new(&self.path, "written");
        let size = nix::libc::off_t::try_from(length).map_err(|_| Errno::EFBIG);
        match size.and_then(|size| fallocate(self.file.as_fd(), FallocateFlags::empty(), 0, size)) {
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {
                io::copy(&mut io::repeat(0).take(length), &mut self.file).map(drop).map_err(failed)
            }
            allocated => allocated.map_err(|error| failed(error.into())),
        }
    }

    /// The name of the file until the commit, for a program that writes to it.
    pub fn temporary(&self) -> PathBuf {
        self.path.with_file_name(&self.temporary)
    }

    /// The stamp that the file will have after the commit if nothing more is written.
    pub fn stamp(&self) -> Result<Stamp, FsError> {
        let found = nix::sys::stat::fstat(self.file.as_fd());
        found.map(|found| Stamp::from(&found)).map_err(|error| FsError::new(&self.path, "written")(error.into()))
    }

    /// Renames the file to its name. The file and the name are on disk afterwards.
    pub fn commit(mut self) -> Result<(), FsError> {
        self.synced(self.file.sync_all())?;
        self.appear()?;
        self.synced(self.folder.sync())
    }

    /// Renames the file to its name without waiting for the disk, for content that can be created again.
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

/// A name component that no other file has. It starts with the process id.
pub(super) fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    // In a folder that nodes share, containers often have the same process ids.
    format!("{}-{}-{:08x}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed), fastrand::u32(..))
}
