//! A folder for files that are moved to their places when they are complete.

use std::{
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, openat, renameat},
    sys::stat::{Mode, fstat, mkdirat},
    unistd::Uid,
};

use super::{
    FsError,
    folder::{self, Folder},
    partial::unique,
    path_entry::{change_content, remove_in},
};

/// A folder in the destination, so that it is on the same file system. Only its owner can look into it. It is removed
/// when it is dropped.
///
/// Another user may own the destination, and rename or replace the staging folder. So it is used by its open file, not
/// by its name.
#[derive(Debug)]
pub struct Staging {
    parent: Folder,
    name: PathBuf,
    path: PathBuf,
    folder: OwnedFd,
}

impl Staging {
    /// The name of staging folders between the leading dot and the part that makes them unique. A run that was killed
    /// leaves one: [`remove_partial_files_of`](super::remove_partial_files_of) removes it.
    pub const NAME: &str = "unpack";

    /// Makes a staging folder in a folder, which is created if it is missing.
    ///
    /// # Errors
    /// If a folder cannot be created.
    pub fn create_in(destination: &Path) -> Result<Self, FsError> {
        let failed = |error: Errno| FsError::new(destination, "written")(error.into());
        let parent = Folder::open_or_create(destination, 0o755)?;
        let name = PathBuf::from(format!(".{}.{}.nodeagent", Self::NAME, unique()));
        mkdirat(parent.fd(), &name, Mode::S_IRWXU).map_err(failed)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let folder = openat(parent.fd(), &name, flags, Mode::empty()).map_err(failed)?;
        let found = fstat(&folder).map_err(failed)?;
        if found.st_uid != Uid::effective().as_raw() || found.st_mode & 0o777 != Mode::S_IRWXU.bits() {
            return Err(failed(Errno::EEXIST));
        }
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        Ok(Self { parent, name, path, folder })
    }

    /// A path of the folder for this process.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a file in the folder.
    ///
    /// # Errors
    /// If it exists, or cannot be created.
    pub fn create_file(&self, name: &Path) -> Result<std::fs::File, FsError> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let created = openat(&self.folder, name, flags, Mode::from_bits_truncate(0o644));
        created.map(std::fs::File::from).map_err(|error| FsError::new(name, "created")(error.into()))
    }

    /// Sets permissions and owner of everything in the folder, as
    /// [`change_attributes`](super::change_attributes) does.
    ///
    /// # Errors
    /// If an entry cannot be changed.
    pub fn change_attributes(&self, mode: &dyn Fn(u32, bool) -> u32, owner: Option<(u32, u32)>) -> Result<(), FsError> {
        change_content(self.folder.as_fd(), mode, owner)
            .map_err(|error| FsError::new(&self.name, "changed")(error.into()))
    }

    /// Moves a file or a link to its place. A file that is there is replaced. Missing folders are created.
    ///
    /// # Errors
    /// If a folder is at the place, or the file cannot be moved.
    pub fn move_to(&self, from: &Path, to: &Path) -> Result<(), FsError> {
        let (folder, name) = folder::parent_of(to, Some(0o755))?;
        let moved = renameat(&self.folder, from, folder.fd(), name.as_os_str());
        moved.map_err(|error| FsError::new(to, "written")(error.into()))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = remove_in(self.parent.fd(), self.name.as_os_str(), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn files_are_moved_and_the_rest_is_removed() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let destination = temp.path().join("opt/x");
        let staging = Staging::create_in(&destination).expect("made");
        put(&staging.path().join("a/b"), "new");
        put(&staging.path().join("rest"), "");
        put(&destination.join("c/b"), "old");
        staging.move_to(Path::new("a/b"), &destination.join("c/b")).expect("moved");
        assert!(staging.move_to(Path::new("rest"), &destination.join("c")).is_err(), "a folder is not replaced");
        drop(staging);
        let names: Vec<_> =
            std::fs::read_dir(&destination).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["c"]);
        assert_eq!(std::fs::read_to_string(destination.join("c/b")).expect("there"), "new");
    }

    #[test]
    fn a_staging_folder_of_a_killed_run_is_removed() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let staging = Staging::create_in(temp.path()).expect("made");
        put(&staging.path().join("a/b"), "x");
        std::mem::forget(staging);
        super::super::remove_partial_files_of(&temp.path().join(Staging::NAME)).expect("removed");
        assert_eq!(std::fs::read_dir(temp.path()).expect("a folder").count(), 0);
    }
}
