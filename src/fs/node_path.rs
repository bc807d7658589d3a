//! Paths of the node as open folders. A path is opened without links in one call, otherwise one component at a time, so
//! that no other user can replace a folder by a link in the meantime.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, ResolveFlag, open, openat, readlinkat, renameat},
    sys::stat::{FileStat, Mode, fstat, mkdirat},
    unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat},
};

use super::{
    error::{FsError, file_name},
    folder::{DIRECTORY, Folder, is_link},
    openat2::openat2,
};

/// With more links than this, the path contains a loop.
const MAX_LINKS: usize = 40;
/// The mode for missing folders on the path: `Some` creates them with these permissions, `None` does not.
type Missing = Option<u32>;

/// Opens a folder. Creates it and the folders above it if necessary.
pub(super) fn open_or_create(path: &Path, mode: u32) -> Result<Folder, FsError> {
    walk(path, Some(mode)).map(|(folder, _)| folder)
}

/// Opens a folder that exists.
pub(super) fn open_existing(path: &Path) -> Result<Folder, FsError> {
    walk(path, None).map(|(folder, _)| folder)
}

/// Opens the folder for a file to write, and returns it with the file's name. Links of root and of this user are
/// followed; other links are an error.
pub(super) fn resolve(path: &Path) -> Result<(Folder, OsString), FsError> {
    resolve_with(path, Some(0o755))
}

/// The same for reading: nothing is created, and the folders need no read permission.
pub(super) fn resolve_existing(path: &Path) -> Result<(Folder, OsString), FsError> {
    resolve_with(path, None)
}

fn resolve_with(path: &Path, missing: Missing) -> Result<(Folder, OsString), FsError> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let name = file_name(&path)?.to_owned();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (folder, real) = walk(parent, missing)?;
        let failed = |error: Errno| FsError::new(&path, "written")(error.into());
        match folder.stat(&name).map_err(failed)? {
            Some(found) if is_link(&found) => {
                trusted(&real.join(&name), &found)?;
                path = real.join(readlinkat(folder.fd(), name.as_os_str()).map_err(failed)?);
            }
            _ => return Ok((folder, name)),
        }
    }
    Err(FsError::new(&path, "written")(Errno::ELOOP.into()))
}

/// Opens the folder of a path, and returns it with the last component, which is not followed.
pub(super) fn parent_of(path: &Path, missing: Missing) -> Result<(Folder, OsString), FsError> {
    let name = file_name(path)?.to_owned();
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((walk(parent, missing)?.0, name))
}

/// Opens a folder. Returns it with its path without links.
fn walk(path: &Path, missing: Missing) -> Result<(Folder, PathBuf), FsError> {
    let flags = if missing.is_some() { DIRECTORY } else { DIRECTORY.union(OFlag::O_PATH) };
    let verb = if missing.is_some() { "created" } else { "read" };
    let failed = |error: Errno| FsError::new(path, verb)(error.into());
    let start = |at: &Path| open(at, flags, Mode::empty()).map_err(failed);
    let mut real = if path.is_absolute() { PathBuf::from("/") } else { PathBuf::from(".") };
    match openat2(AT_FDCWD, path, flags, ResolveFlag::RESOLVE_NO_SYMLINKS) {
        Ok(fd) => {
            real.extend(names(path));
            return Ok((fd.into(), real));
        }
        Err(error @ Errno::ENOENT) if missing.is_none() => return Err(failed(error)),
        // The path has links, or folders are missing.
        Err(_) => {}
    }
    let mut fd = start(&real)?;
    let mut names: VecDeque<OsString> = names(path).collect();
    let mut links = 0;
    while let Some(name) = names.pop_front() {
        let folder = Folder::from(fd);
        match folder.stat(&name).map_err(failed)? {
            Some(found) if is_link(&found) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(failed(Errno::ELOOP));
                }
                trusted(&real.join(&name), &found)?;
                let target = PathBuf::from(readlinkat(folder.fd(), name.as_os_str()).map_err(failed)?);
                for part in self::names(&target).collect::<Vec<_>>().into_iter().rev() {
                    names.push_front(part);
                }
                if target.is_absolute() {
                    real = PathBuf::from("/");
                    fd = start(&real)?;
                } else {
                    fd = folder.into();
                }
                continue;
            }
            Some(_) => fd = openat(folder.fd(), name.as_os_str(), flags, Mode::empty()).map_err(failed)?,
            None => {
                let mode = missing.ok_or_else(|| failed(Errno::ENOENT))?;
                fd = create(&folder, &name, Mode::from_bits_truncate(mode)).map_err(failed)?;
            }
        }
        real.push(name);
    }
    Ok((fd.into(), real))
}

/// Creates and opens a folder. If root creates it in the home of a user, the user gets it. Otherwise the user's
/// programs could not write there.
fn create(above: &Folder, name: &OsStr, mode: Mode) -> Result<OwnedFd, Errno> {
    let owner = fstat(above.fd())?;
    if !Uid::effective().is_root() || owner.st_uid == 0 {
        return make(above, name, mode);
    }
    // Under its own name only when the user has it: a kill would leave a folder of root, which looks like one that root
    // wants.
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".nodeagent");
    let folder = make(above, &temporary, mode)?;
    if fstat(&folder)?.st_uid == 0 {
        // The user may have given this name to another folder of root.
        if !Folder::names_in(&folder)?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        fchown(&folder, Some(Uid::from_raw(owner.st_uid)), Some(Gid::from_raw(owner.st_gid)))?;
    }
    match renameat(above.fd(), temporary.as_os_str(), above.fd(), name) {
        Ok(()) => Ok(folder),
        // Another program or thread has created it.
        Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOENT) => {
            let _ = unlinkat(above.fd(), temporary.as_os_str(), UnlinkatFlags::RemoveDir);
            openat(above.fd(), name, DIRECTORY, Mode::empty())
        }
        Err(error) => Err(error),
    }
}

/// Opens a folder, and creates it before if it is missing.
fn make(above: &Folder, name: &OsStr, mode: Mode) -> Result<OwnedFd, Errno> {
    match mkdirat(above.fd(), name, mode) {
        Ok(()) | Err(Errno::EEXIST) => openat(above.fd(), name, DIRECTORY, Mode::empty()),
        Err(error) => Err(error),
    }
}

fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

fn trusted(path: &Path, link: &FileStat) -> Result<(), FsError> {
    if link.st_uid == 0 || link.st_uid == Uid::effective().as_raw() {
        Ok(())
    } else {
        Err(FsError::ForeignLink { path: path.to_owned(), uid: link.st_uid })
    }
}
