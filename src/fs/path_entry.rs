//! Paths that are not only files: links, folders, their permissions and owners. The last component is not followed,
//! unless the function says so.

use std::{
    ffi::OsStr,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, readlinkat, renameat},
    sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, mkdirat},
    unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, symlinkat, unlinkat},
};

use super::{
    error::FsError,
    folder::{Folder, is_folder, type_of},
    node_path,
    partial::unique,
};

const NO_FOLLOW: AtFlags = AtFlags::AT_SYMLINK_NOFOLLOW;

/// The type of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathType {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link with this target.
    Link(PathBuf),
    /// A pipe, a socket or a device.
    Other,
}

/// A path that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathEntry {
    /// The type.
    pub kind: PathType,
    /// The permission bits.
    pub mode: u32,
    /// User and group ids.
    pub owner: (u32, u32),
}

/// The path, without following a link. `None` if it does not exist.
pub fn look_at(path: &Path) -> Result<Option<PathEntry>, FsError> {
    let (folder, name) = match node_path::parent_of(path, None) {
        Err(FsError::Io { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        found => found?,
    };
    let failed = |error: Errno| FsError::new(path, "read")(error.into());
    let Some(found) = folder.stat(&name).map_err(failed)? else { return Ok(None) };
    let kind = match type_of(&found) {
        SFlag::S_IFREG => PathType::File,
        SFlag::S_IFDIR => PathType::Folder,
        SFlag::S_IFLNK => PathType::Link(readlinkat(folder.fd(), name.as_os_str()).map_err(failed)?.into()),
        _ => PathType::Other,
    };
    Ok(Some(PathEntry { kind, mode: found.st_mode & 0o7777, owner: (found.st_uid, found.st_gid) }))
}

/// Makes a symbolic link. A file or another link at the path is replaced at once.
pub fn make_link(path: &Path, target: &Path, owner: Option<(u32, u32)>) -> Result<(), FsError> {
    let failed = |error: Errno| FsError::new(path, "written")(error.into());
    let (folder, name) = node_path::parent_of(path, Some(0o755))?;
    let temporary = PathBuf::from(format!(".{}.{}.nodeagent", name.display(), unique()));
    symlinkat(target, folder.fd(), &temporary).map_err(failed)?;
    let changed = owner.map_or(Ok(()), |(uid, gid)| {
        fchownat(folder.fd(), &temporary, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), NO_FOLLOW)
    });
    if let Err(error) = changed.and_then(|()| renameat(folder.fd(), &temporary, folder.fd(), name.as_os_str())) {
        let _ = unlinkat(folder.fd(), &temporary, UnlinkatFlags::NoRemoveDir);
        return Err(failed(error));
    }
    folder.sync().map_err(FsError::new(path, "written"))
}

/// Makes a folder, and the missing folders above it with mode 0755. An existing folder gets the attributes.
pub fn make_folder(path: &Path, mode: Option<u32>, owner: Option<(u32, u32)>) -> Result<(), FsError> {
    let failed = |error: Errno| FsError::new(path, "created")(error.into());
    let (folder, name) = node_path::parent_of(path, Some(0o755))?;
    match mkdirat(folder.fd(), name.as_os_str(), Mode::from_bits_truncate(mode.unwrap_or(0o755))) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(failed(error)),
    }
    let wanted = |current, _| mode.unwrap_or(current);
    let change = Change { recursive: false, links: false, mode: &wanted, owner, write: true };
    change.at(&folder, &name).map(drop).map_err(failed)
}

/// Removes a file, a link or an empty folder. With `recursive`, also a folder with its content. A missing path is not
/// an error.
pub fn remove_path(path: &Path, recursive: bool) -> Result<(), FsError> {
    let failed = |error: Errno| FsError::new(path, "removed")(error.into());
    if look_at(path)?.is_none() {
        return Ok(());
    }
    let (folder, name) = node_path::parent_of(path, None)?;
    remove_in(&folder, &name, recursive).map_err(failed)
}

/// Removes an entry of an open folder.
pub(super) fn remove_in(folder: &Folder, name: &OsStr, recursive: bool) -> Result<(), Errno> {
    let found = folder.stat(name)?.ok_or(Errno::ENOENT)?;
    if !is_folder(&found) {
        return unlinkat(folder.fd(), name, UnlinkatFlags::NoRemoveDir);
    }
    if recursive {
        let inner = folder.open_below(Path::new(name))?;
        inner.names()?.iter().try_for_each(|entry| remove_in(&inner, entry, true))?;
    }
    unlinkat(folder.fd(), name, UnlinkatFlags::RemoveDir)
}

/// Compares permissions and owner of a path with the wanted ones, and sets them if `write` is true. Links of root on
/// the path are followed. With `recursive`, everything below a folder counts; links below it are not followed.
/// `mode` gets the present bits, and whether the path is a folder. Returns the number of paths that differed.
pub fn change_attributes(
    path: &Path,
    recursive: bool,
    mode: &dyn Fn(u32, bool) -> u32,
    owner: Option<(u32, u32)>,
    write: bool,
) -> Result<usize, FsError> {
    let (folder, name) = node_path::resolve_existing(path)?;
    let change = Change { recursive, links: false, mode, owner, write };
    change.at(&folder, &name).map_err(|error| FsError::new(path, "changed")(error.into()))
}

/// Sets permissions and owner of everything in an open folder, and the owner of links.
pub(super) fn change_content(
    folder: &Folder,
    mode: &dyn Fn(u32, bool) -> u32,
    owner: Option<(u32, u32)>,
) -> Result<(), Errno> {
    let change = Change { recursive: true, links: true, mode, owner, write: true };
    folder.names()?.iter().try_for_each(|name| change.at(folder, name).map(drop))
}

struct Change<'a> {
    recursive: bool,
    /// Whether links get the owner, too. Runs follow a link only if it belongs to root or to the user of nodeagent.
    links: bool,
    mode: &'a dyn Fn(u32, bool) -> u32,
    owner: Option<(u32, u32)>,
    write: bool,
}

impl Change<'_> {
    fn at(&self, folder: &Folder, name: &OsStr) -> Result<usize, Errno> {
        let found = folder.stat(name)?.ok_or(Errno::ENOENT)?;
        let is_folder = match type_of(&found) {
            SFlag::S_IFDIR => true,
            SFlag::S_IFREG => false,
            SFlag::S_IFLNK if self.links && self.write => {
                let (uid, gid) = self.owner.map_or((None, None), |(uid, gid)| (Some(uid), Some(gid)));
                let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
                return fchownat(folder.fd(), name, uid, gid, NO_FOLLOW).map(|()| 0);
            }
            // A link has no permissions of its own, and others do not change while a run looks at them.
            _ => return Ok(0),
        };
        let differs = |found: &FileStat| {
            let mode = found.st_mode & 0o7777;
            (self.mode)(mode, is_folder) != mode
                || self.owner.is_some_and(|owner| owner != (found.st_uid, found.st_gid))
        };
        let mut count = usize::from(differs(&found));
        if !(is_folder && self.recursive) && (count == 0 || !self.write) {
            return Ok(count);
        }
        let opened = folder.open(name)?;
        if count > 0 && self.write {
            let found = fstat(&opened)?;
            if let Some((uid, gid)) = self.owner.filter(|owner| *owner != (found.st_uid, found.st_gid)) {
                fchown(&opened, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            }
            let mode = (self.mode)(found.st_mode & 0o7777, is_folder);
            fchmod(&opened, Mode::from_bits_truncate(mode))?;
        }
        if is_folder && self.recursive {
            let inner = Folder::from(OwnedFd::from(opened));
            for entry in inner.names()? {
                count += self.at(&inner, &entry)?;
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::fs::{Attributes, replace};

    #[test]
    fn links_replace_files_and_are_not_followed() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("a/link");
        replace(&path, b"x", Attributes::mode(0o644)).expect("written");
        make_link(&path, Path::new("../target"), None).expect("made");
        let found = look_at(&path).expect("readable").expect("there");
        assert_eq!(found.kind, PathType::Link("../target".into()));
        make_link(&path, Path::new("/else"), None).expect("made");
        assert_eq!(std::fs::read_link(&path).expect("a link"), Path::new("/else"));
        remove_path(&path, false).expect("removed");
        assert_eq!(look_at(&path).expect("readable"), None);
        assert_eq!(look_at(&temp.path().join("a/b/c")).expect("readable"), None);
    }

    #[test]
    fn a_folder_with_content_is_removed_only_if_asked_and_links_in_it_are_not_followed() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (folder, outside) = (temp.path().join("d"), temp.path().join("outside"));
        replace(&outside, b"x", Attributes::mode(0o644)).expect("written");
        replace(&folder.join("e/f"), b"x", Attributes::mode(0o644)).expect("written");
        make_link(&folder.join("e/up"), Path::new("../.."), None).expect("made");
        assert!(remove_path(&folder, false).is_err());
        remove_path(&folder, true).expect("removed");
        assert!(!folder.exists() && outside.exists());
    }

    #[test]
    fn attributes_are_compared_and_set_also_below_a_folder() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let folder = temp.path().join("d");
        make_folder(&folder, Some(0o700), None).expect("made");
        replace(&folder.join("e/f"), b"x", Attributes::mode(0o600)).expect("written");
        let add = |mode, is_folder| mode | if is_folder { 0o055 } else { 0o044 };
        let change = |recursive, write| change_attributes(&folder, recursive, &add, None, write).expect("changed");
        assert_eq!((change(false, false), change(true, false)), (1, 2));
        assert_eq!((change(true, true), change(true, false)), (2, 0));
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o7777;
        assert_eq!((mode(&folder), mode(&folder.join("e/f"))), (0o755, 0o644));
    }
}
