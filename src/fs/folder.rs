//! An open folder. Names below it are reached without following any link, and cannot leave it.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Component, Path},
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, ResolveFlag, openat},
    sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat},
};

use super::openat2::{OpenAt2, openat2};

pub(super) const DIRECTORY: OFlag =
    OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_RDONLY).union(OFlag::O_CLOEXEC);
const BENEATH: ResolveFlag = ResolveFlag::RESOLVE_BENEATH.union(ResolveFlag::RESOLVE_NO_SYMLINKS);

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
}

impl From<OwnedFd> for Folder {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<Folder> for OwnedFd {
    fn from(folder: Folder) -> Self {
        folder.fd
    }
}

impl Folder {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The status of an entry, without following links; `None` if it does not exist.
    pub(super) fn stat(&self, name: &OsStr) -> Result<Option<FileStat>, Errno> {
        match fstatat(self.fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        nix::unistd::fsync(&self.fd).map_err(io::Error::from)
    }

    /// The names of the entries, in no order.
    pub(super) fn names(&self) -> Result<Vec<OsString>, Errno> {
        Self::names_in(&self.fd)
    }

    /// The same for a folder that was opened elsewhere.
    pub(super) fn names_in(folder: impl AsFd) -> Result<Vec<OsString>, Errno> {
        let mut folder = Dir::openat(folder, ".", DIRECTORY, Mode::empty())?;
        let mut names = Vec::new();
        for entry in folder.iter() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    /// Opens a folder below this one. `..` is an error.
    pub(super) fn open_below(&self, below: &Path) -> Result<Self, Errno> {
        self.open_with(openat2, below)
    }

    fn open_with(&self, openat2: OpenAt2, below: &Path) -> Result<Self, Errno> {
        if below.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(Errno::EXDEV);
        }
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        match openat2(self.fd(), below, DIRECTORY, BENEATH) {
            Err(Errno::ENOSYS) => self.open_each_below(below),
            opened => opened.map(Self::from),
        }
    }

    /// The same in one call for each component, for kernels without `openat2`.
    fn open_each_below(&self, below: &Path) -> Result<Self, Errno> {
        let mut folder = Self { fd: openat(self.fd(), ".", DIRECTORY, Mode::empty())? };
        for part in below.components() {
            let Component::Normal(name) = part else { continue };
            folder.fd = openat(folder.fd(), name, DIRECTORY, Mode::empty())?;
        }
        Ok(folder)
    }

    /// Opens a folder below this one. Missing folders are created with these permissions.
    pub(super) fn make_below(&self, below: &Path, mode: u32) -> Result<Self, Errno> {
        match self.open_below(below) {
            Err(Errno::ENOENT) => {}
            opened => return opened,
        }
        let (above, name) = below.parent().zip(below.file_name()).ok_or(Errno::EXDEV)?;
        let above = self.make_below(above, mode)?;
        match mkdirat(above.fd(), name, Mode::from_bits_truncate(mode)) {
            Ok(()) | Err(Errno::EEXIST) => above.open_below(Path::new(name)),
            Err(error) => Err(error),
        }
    }

    /// Opens an entry to read it. A link is not followed, and a pipe does not block.
    pub(super) fn open(&self, name: &OsStr) -> Result<File, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        openat(self.fd(), name, flags, Mode::empty()).map(File::from)
    }

    /// Creates a file that only its owner can read. The name must not exist.
    pub(super) fn create(&self, name: &OsStr) -> Result<File, Errno> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(self.fd(), name, flags, Mode::S_IRUSR | Mode::S_IWUSR).map(File::from)
    }
}

pub(super) fn type_of(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

pub(super) fn is_link(found: &FileStat) -> bool {
    type_of(found) == SFlag::S_IFLNK
}

pub(super) fn is_folder(found: &FileStat) -> bool {
    type_of(found) == SFlag::S_IFDIR
}

pub(super) fn is_regular(found: &FileStat) -> bool {
    type_of(found) == SFlag::S_IFREG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_open_a_folder_agree() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(temp.path().join("a/b")).expect("created");
        std::fs::create_dir(temp.path().join("c")).expect("created");
        crate::fs::put(&temp.path().join("a/file"), "");
        std::os::unix::fs::symlink("../c", temp.path().join("a/link")).expect("linked");
        std::os::unix::fs::symlink(temp.path(), temp.path().join("a/absolute")).expect("linked");
        let top = Folder::from(
            nix::fcntl::open(&temp.path().join("a"), DIRECTORY, Mode::empty()).expect("the folder can be opened"),
        );
        let older_kernel = |_: BorrowedFd<'_>, _: &Path, _: OFlag, _: ResolveFlag| Err(Errno::ENOSYS);
        for below in ["", ".", "b", "./b", "b/.", "file", "missing", "link", "link/.", "absolute", "..", "b/..", "/"] {
            let inode = |opened: Result<Folder, Errno>| {
                opened.ok().map(|folder| nix::sys::stat::fstat(&folder.fd).expect("it is open").st_ino)
            };
            let (one, each) = (top.open_below(Path::new(below)), top.open_with(older_kernel, Path::new(below)));
            let (one, each) = (inode(one), inode(each));
            assert_eq!(one.is_some(), ["", ".", "b", "./b", "b/."].contains(&below), "{below}");
            assert_eq!(one, each, "{below}");
        }
    }

    #[test]
    fn folders_are_made_only_below() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let top = temp.path().join("top");
        std::fs::create_dir(&top).expect("created");
        std::os::unix::fs::symlink(temp.path(), top.join("link")).expect("linked");
        let folder = Folder::from(nix::fcntl::open(&top, DIRECTORY, Mode::empty()).expect("opened"));
        folder.make_below(Path::new("a/b/c"), 0o750).expect("made");
        folder.make_below(Path::new("a/b"), 0o700).expect("it exists");
        assert!(top.join("a/b/c").is_dir());
        for outside in ["../x", "link/x", "a/../../x", "/x"] {
            assert!(folder.make_below(Path::new(outside), 0o755).is_err(), "{outside}");
        }
        assert_eq!(std::fs::read_dir(temp.path()).expect("readable").count(), 1);
    }
}
