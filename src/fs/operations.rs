//! Operations on single files and folders.

use std::{
    ffi::OsStr,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, renameat},
    sys::stat::{Mode, umask},
    unistd::{AccessFlags, UnlinkatFlags, linkat, unlinkat},
};

use super::{
    error::FsError,
    folder::Folder,
    node_path,
    partial::{Attributes, replace},
    path_entry::remove_in,
};

const GROUP_WRITABLE: u32 = 0o020;
const WRITABLE_BY_ALL: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Opens a file for appending the output of a child.
pub fn append(path: &Path) -> io::Result<std::fs::File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    std::fs::OpenOptions::new().create(true).append(true).custom_flags(flags.bits()).open(path)
}

/// Gives new files of this process and of its programs the same permissions on every node: the umask of the platform or
/// of a user has no effect.
pub fn set_umask() {
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
}

/// Opens a lock file that only root can open, because other users could hold the lock of a file that they can open.
pub fn open_private_lock(path: &Path) -> io::Result<std::fs::File> {
    let file = open_to_lock(path)?;
    // An earlier version may have made it readable for all users.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Opens a lock file. Its content is informational. A new file has mode 0600. The name must not be a link.
pub fn open_to_lock(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)
}

/// Creates a folder and the missing folders above it. Existing folders keep their permissions.
pub fn create_dirs(path: &Path, mode: u32) -> Result<(), FsError> {
    node_path::open_or_create(path, mode).map(drop)
}

/// Creates a folder and the missing folders above it. Their names are on the disk afterwards.
pub fn create_dirs_durably(path: &Path, mode: u32) -> Result<(), FsError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|above| !above.exists()).collect();
    create_dirs(path, mode)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

/// Waits until the names in a folder are on the disk.
pub fn sync_folder(path: &Path) -> Result<(), FsError> {
    // The parent of a relative name is an empty path.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::fs::File::open(path).and_then(|folder| folder.sync_all()).map_err(FsError::new(path, "written"))
}

/// Waits until everything that was written to the file system of a path is on the disk. For files that a program or the
/// unpacking of an archive wrote, because an fsync of each of them takes much longer.
pub fn sync_file_system(path: &Path) -> Result<(), FsError> {
    let failed = || FsError::new(path, "written");
    let opened = std::fs::File::open(path).map_err(failed())?;
    nix::unistd::syncfs(&opened).map_err(|error| failed()(error.into()))
}

/// Gives a folder that only root can replace to a user. `None` keeps the owner.
pub fn set_owner(folder: &Path, owner: Option<(u32, u32)>) -> Result<(), FsError> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    std::os::unix::fs::lchown(folder, Some(uid), Some(gid)).map_err(FsError::new(folder, "written"))
}

/// The user and group ids of this process: those of new files.
pub fn own_ids() -> (u32, u32) {
    (nix::unistd::Uid::effective().as_raw(), nix::unistd::Gid::effective().as_raw())
}

/// Whether only root, or this user, can change a file or folder, also by renaming a folder above it. The folders up to
/// `root` count.
pub fn is_writable_only_by_root(root: &Path, path: &Path) -> bool {
    let Ok(real) = std::fs::canonicalize(path) else { return false };
    let top = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let own = nix::unistd::Uid::effective().as_raw();
    let is_of_root = |(depth, path): (usize, &Path)| {
        path.symlink_metadata().is_ok_and(|found| {
            let of_group = if found.gid() == 0 { 0 } else { GROUP_WRITABLE };
            // Others can add entries to a sticky folder such as `/tmp`, but exchange none.
            let is_sticky = depth > 0 && found.mode() & STICKY != 0;
            (found.uid() == 0 || found.uid() == own) && (is_sticky || found.mode() & (of_group | WRITABLE_BY_ALL) == 0)
        })
    };
    real.ancestors().take_while(|above| above.starts_with(&top)).enumerate().all(is_of_root)
}

/// Removes a file. A missing file is not an error.
pub fn remove(path: &Path) -> Result<(), FsError> {
    removed(path, |folder, name| unlinkat(folder.fd(), name, UnlinkatFlags::NoRemoveDir))
}

/// Removes a folder and its content without following links. A missing folder is not an error.
pub fn remove_tree(path: &Path) -> Result<(), FsError> {
    removed(path, |folder, name| remove_in(folder, name, true))
}

/// Removes an entry of a folder. A missing folder or entry is not an error.
fn removed(path: &Path, remove: impl FnOnce(&Folder, &OsStr) -> Result<(), Errno>) -> Result<(), FsError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(FsError::new(path, "removed")(error)),
    };
    match node_path::parent_of(path, None) {
        Ok((folder, name)) => remove(&folder, &name).or_else(|error| failed(error.into())),
        Err(FsError::Io { source, .. }) => failed(source),
        Err(error) => Err(error),
    }
}

/// Renames a file or folder within a file system. An existing file is replaced.
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    let ((old, from), (new, name)) = (node_path::parent_of(from, None)?, node_path::parent_of(to, None)?);
    renameat(old.fd(), from.as_os_str(), new.fd(), name.as_os_str())
        .map_err(|error| FsError::new(to, "written")(error.into()))
}

/// Creates a hard link to a file. An existing file with that name is replaced.
pub fn hard_link(from: &Path, to: &Path) -> Result<(), FsError> {
    remove(to)?;
    let ((old, from), (new, name)) = (node_path::parent_of(from, None)?, node_path::parent_of(to, None)?);
    linkat(old.fd(), from.as_os_str(), new.fd(), name.as_os_str(), AtFlags::empty())
        .map_err(|error| FsError::new(to, "written")(error.into()))
}

/// Copies a file with its modification time.
pub fn copy_with_time(from: &Path, to: &Path, attributes: Attributes) -> Result<(), FsError> {
    let bytes = std::fs::read(from).map_err(FsError::new(from, "read"))?;
    replace(to, &bytes, attributes)?;
    let modified = std::fs::metadata(from).and_then(|found| found.modified()).map_err(FsError::new(from, "read"))?;
    let times = std::fs::FileTimes::new().set_modified(modified);
    std::fs::File::open(to).and_then(|file| file.set_times(times)).map_err(FsError::new(to, "written"))
}

/// Writes a value to a file of the kernel, such as `/proc/sys/vm/swappiness`, in one piece.
pub fn set_kernel_value(path: &Path, value: &str) -> Result<(), FsError> {
    let flags = OFlag::O_NOFOLLOW.bits();
    let opened = std::fs::OpenOptions::new().write(true).truncate(true).custom_flags(flags).open(path);
    opened.and_then(|mut file| file.write_all(value.as_bytes())).map_err(FsError::new(path, "written"))
}

/// The reason why this user cannot write to an existing file. `None` if it can.
pub fn write_refusal(path: &Path) -> Option<io::Error> {
    nix::unistd::access(path, AccessFlags::W_OK).err().map(io::Error::from)
}

/// Whether this user can create files in a folder.
pub fn is_writable(folder: &Path) -> bool {
    write_refusal(folder).is_none()
}

/// The free bytes for this user on the file system of a path; `None` if they are unknown.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    Some(found.blocks_available() * found.fragment_size())
}

/// Whether the file system of a path has hardly any inodes left for this user. Some file systems have no limit.
pub fn has_few_inodes(path: &Path) -> bool {
    const FEW: u64 = 16;
    nix::sys::statvfs::statvfs(path).is_ok_and(|found| found.files() > 0 && found.files_available() < FEW)
}
