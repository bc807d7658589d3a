//! A folder for files that are moved to their places when they are complete.

use std::{
    ffi::OsStr,
    io::Read,
    os::fd::{AsFd as _, AsRawFd as _},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::renameat,
    sys::stat::{Mode, fchmod, fstat, mkdirat},
    unistd::Uid,
};

use super::{
    FsError,
    folder::Folder,
    merge::{first_conflict, merge},
    node_path,
    partial::unique,
    path_entry::{change_content, remove_in},
    unpack::{Limits, UnpackedNames, unpack_below},
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
    /// The path under which the folder was created.
    place: PathBuf,
    path: PathBuf,
    folder: Folder,
}

impl Staging {
    /// Makes a staging folder in a folder, which is created if it is missing. A run that was killed leaves it:
    /// [`remove_partial_files_of`](super::remove_partial_files_of) removes all staging folders with the path
    /// `destination` + `label`.
    ///
    /// # Errors
    /// If a folder cannot be created.
    pub fn create_in(destination: &Path, label: &str) -> Result<Self, FsError> {
        let parent = node_path::open_or_create(destination, 0o755)?;
        let name = PathBuf::from(format!(".{label}.{}.nodeagent", unique()));
        let create = || {
            mkdirat(parent.fd(), &name, Mode::S_IRWXU)?;
            let folder = parent.open_below(&name)?;
            let found = fstat(folder.fd())?;
            let is_own = found.st_uid == Uid::effective().as_raw() && found.st_mode & 0o777 == Mode::S_IRWXU.bits();
            if is_own { Ok(folder) } else { Err(Errno::EEXIST) }
        };
        let folder = create().map_err(|error| FsError::new(destination, "written")(error.into()))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.fd().as_raw_fd()));
        Ok(Self { place: destination.join(&name), parent, name, path, folder })
    }

    /// A path of the folder for this process. Other programs cannot use it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path under which the folder was created.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Unpacks a tar archive in the folder. Permission bits are those of the archive, without set-user-id and similar
    /// bits. All files belong to the user of nodeagent.
    ///
    /// Several archives may be unpacked at the same time. With the same `names` they are validated like one archive.
    /// The limits are for this archive.
    ///
    /// # Errors
    /// If the archive is damaged, or a file cannot be written; with [`UnsafeArchive`](super::UnsafeArchive) as the
    /// cause if it has entries other than files, folders and links inside the folder. Earlier entries remain.
    pub fn unpack(&self, archive: impl Read, limits: Limits, names: &UnpackedNames) -> Result<(), FsError> {
        unpack_below(archive, &self.folder, &self.place, limits, names)
    }

    /// Creates a file in the folder.
    ///
    /// # Errors
    /// If it exists, or cannot be created.
    pub fn create_file(&self, name: &Path) -> Result<std::fs::File, FsError> {
        let create = || {
            let file = self.folder.create(name.as_os_str())?;
            fchmod(file.as_fd(), Mode::from_bits_truncate(0o644))?;
            Ok(file)
        };
        create().map_err(|error: Errno| FsError::new(name, "created")(error.into()))
    }

    /// Sets permissions and owner of everything in the folder, as
    /// [`change_attributes`](super::change_attributes) does.
    ///
    /// # Errors
    /// If an entry cannot be changed.
    pub fn change_attributes(&self, mode: &dyn Fn(u32, bool) -> u32, owner: Option<(u32, u32)>) -> Result<(), FsError> {
        change_content(&self.folder, mode, owner).map_err(|error| FsError::new(&self.place, "changed")(error.into()))
    }

    /// Moves a file or a link to its place. A file that is there is replaced. Missing folders are created.
    ///
    /// # Errors
    /// If a folder is at the place, or the file cannot be moved.
    pub fn move_to(&self, from: &Path, to: &Path) -> Result<(), FsError> {
        let (folder, name) = node_path::parent_of(to, Some(0o755))?;
        let moved = renameat(self.folder.fd(), from, folder.fd(), name.as_os_str());
        moved.map_err(|error| FsError::new(to, "written")(error.into()))
    }

    /// Moves a folder into the destination, in place of the folder with the same name. Meanwhile, the older folder has
    /// the name `aside`. If the folder cannot be moved, the older one is restored.
    ///
    /// # Errors
    /// If a folder cannot be renamed or removed.
    pub fn replace_folder(&self, name: &OsStr, aside: &OsStr) -> Result<(), FsError> {
        let parent = &self.parent;
        let without = |name: &OsStr| match remove_in(parent, name, true) {
            Err(Errno::ENOENT) => Ok(()),
            removed => removed,
        };
        let replace = || -> Result<(), Errno> {
            without(aside)?;
            match renameat(parent.fd(), name, parent.fd(), aside) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(error) => return Err(error),
            }
            renameat(self.folder.fd(), name, parent.fd(), name).inspect_err(|_| {
                let _ = renameat(parent.fd(), aside, parent.fd(), name);
            })?;
            without(aside)
        };
        let place = self.place.with_file_name(name);
        replace().map_err(|error| FsError::new(&place, "written")(error.into()))
    }

    /// The first path below `to` that conflicts with the content: an existing entry that differs.
    /// [`merge_into`](Self::merge_into) would fail there.
    ///
    /// # Errors
    /// If a folder cannot be read.
    pub fn first_conflict(&self, to: &Path) -> Result<Option<PathBuf>, FsError> {
        match node_path::open_existing(to) {
            Err(FsError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            opened => first_conflict(&self.folder, &opened?, to),
        }
    }

    /// Moves the content to the same paths below `to`, on the same file system. Existing files stay and must be equal.
    ///
    /// `rank` orders the entries of a folder. Entries that mark a package as installed come last, so that a package is
    /// never marked as installed before it is complete, even after a kill.
    ///
    /// # Errors
    /// If an existing entry differs, or an entry cannot be moved. Entries that were moved before remain.
    pub fn merge_into(&self, to: &Path, rank: fn(&Path) -> u8) -> Result<(), FsError> {
        merge(&self.folder, &node_path::open_or_create(to, 0o755)?, to, rank)
    }

    /// Removes the folder and its content before it is dropped.
    pub fn clear(&self) {
        let remove = |name: &std::ffi::OsString| remove_in(&self.folder, name, true);
        // The content first: another user may have given the name to another folder.
        let _ = self.folder.names().map(|names| names.iter().try_for_each(remove));
        let _ = remove_in(&self.parent, self.name.as_os_str(), false);
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.clear();
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
        let staging = Staging::create_in(&destination, "x").expect("made");
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
        let staging = Staging::create_in(temp.path(), "x").expect("made");
        put(&staging.path().join("a/b"), "x");
        std::mem::forget(staging);
        super::super::remove_partial_files_of(&temp.path().join("x")).expect("removed");
        assert_eq!(std::fs::read_dir(temp.path()).expect("a folder").count(), 0);
    }
}
