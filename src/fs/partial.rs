//! A file in the making, and what is left of one that was never finished.

use std::{
    ffi::OsStr,
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
    Attributes, FsError, Stamp, file_name,
    folder::{self, Folder},
    remove, tree,
};

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
            Err(error) if self.lenient && tree::is_unsupported(&error) => Ok(()),
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

/// Removes what killed runs left of a file in the making.
pub fn remove_partial_files_of(path: &Path) -> Result<(), FsError> {
    let (Some(folder), Ok(name)) = (path.parent(), file_name(path)) else { return Ok(()) };
    let beginning = format!(".{}.", name.to_string_lossy());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        if is_partial(&found) && found.to_string_lossy().starts_with(&beginning) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes what killed runs left of all files in the making in a folder of ours, and in those below but for `except`.
/// Links are not followed.
pub fn remove_partial_files_below(folder: &Path, except: &Path) -> Result<(), FsError> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && path != except => remove_partial_files_below(&path, except)?,
            Ok(kind) if kind.is_file() && is_partial(&entry.file_name()) => remove(&path)?,
            _ => {}
        }
    }
    Ok(())
}

/// Removes the temporary files of processes that have ended, in a folder of the agent and in the folders below. The files of
/// a process that still runs this program stay: it will rename them. Links are not followed.
pub fn remove_abandoned_partial_files_below(folder: &Path) -> Result<(), FsError> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => remove_abandoned_partial_files_below(&entry.path())?,
            Ok(kind) if kind.is_file() && is_partial(&entry.file_name()) && !has_writer(&entry.file_name()) => {
                remove(&entry.path())?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the process that created a temporary file may still run. Another program that has got its process id does not
/// count.
fn has_writer(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let writer = name.rsplit('.').nth(1).and_then(|unique| unique.split('-').next()).unwrap_or_default();
    let program = |process: &str| std::fs::read(Path::new("/proc").join(process).join("comm"));
    match program("self") {
        Ok(own) => program(writer).is_ok_and(|other| other == own),
        // Without /proc nothing is known about other processes.
        Err(_) => true,
    }
}

fn is_partial(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.ends_with(".nodeagent")
}

/// A part of a name that no other file has; it begins with the process id.
pub(super) fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    // In a folder that nodes share, containers have the same few process ids.
    format!("{}-{}-{:08x}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed), fastrand::u32(..))
}
