//! The only door that writes files. A file is whole or absent, and nothing is written through a symbolic link that
//! somebody else could have planted.

mod bounded;
mod compressed;
mod folder;
mod log;
mod memory;
mod merge;
mod mounts;
mod pack;
mod partial;
mod snapshot;
mod stamp;
mod tree;
mod unpack;

use std::{
    ffi::OsStr,
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

pub use bounded::read_bounded;
pub use compressed::{compress_contents, compress_files, open_compressed};
use folder::Folder;
pub use log::LineLog;
pub use memory::memory_file;
pub use merge::{first_conflict, merge};
pub use mounts::on_same_mount;
use nix::{
    fcntl::{AtFlags, OFlag},
    unistd::AccessFlags,
};
pub use pack::{pack, pack_some};
pub use partial::{
    PartialFile, remove_abandoned_partial_files_below, remove_partial_files_below, remove_partial_files_of,
};
pub use snapshot::{Snapshot, read};
pub use stamp::{Stamp, remove_if};
pub use tree::{FolderEntry, OpenFile, Tree};
pub use unpack::{
    Limits, UnpackedNames, UnsafeArchive, read_archive, unpack, unpack_sharing_names, unpack_with_limits,
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

/// A write that did not happen; the file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FsError {
    /// The operating system refused.
    #[error("`{path}` could not be {verb}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What was tried: `read`, `written`, `created`, `removed`, `packed`, `unpacked`.
        verb: &'static str,
        /// The operating system's words.
        source: io::Error,
    },
    /// A link on the way belongs to somebody else.
    #[error("`{path}` is a symbolic link owned by uid {uid}; it is not followed")]
    ForeignLink {
        /// The link.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
}

impl FsError {
    fn new(path: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, verb, source }
    }

    /// What to do, where the cause is one that people meet.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ForeignLink { .. } => {
                Some("replace the link by a file or folder, or name its target in the profile".into())
            }
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Some("run nodeagent as root".into()),
                io::ErrorKind::ReadOnlyFilesystem => {
                    Some("the file system is mounted read-only; name a writable path".into())
                }
                io::ErrorKind::IsADirectory => Some("a folder is in the way; move it, or name another path".into()),
                io::ErrorKind::StorageFull => Some("the disk is full; free some space and run nodeagent again".into()),
                _ => None,
            },
        }
    }
}

/// Writes a whole file: a temporary file in the same folder, fsync, rename, fsync of the folder.
pub fn replace(path: &Path, bytes: &[u8], attributes: Attributes) -> Result<(), FsError> {
    let mut partial = PartialFile::create(path, attributes)?;
    partial.write(bytes)?;
    partial.commit()
}

/// Opens a file for a child's output: what comes is added to its end.
pub fn append(path: &Path) -> io::Result<std::fs::File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    std::fs::OpenOptions::new().create(true).append(true).custom_flags(flags.bits()).open(path)
}

/// Opens a file whose only purpose is to be locked; its content is for people.
pub fn open_to_lock(path: &Path) -> io::Result<std::fs::File> {
    std::fs::OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
}

/// Creates a folder and the missing ones above it. Existing folders keep their permissions.
pub fn create_dirs(path: &Path, mode: u32) -> Result<(), FsError> {
    Folder::open_or_create(path, mode).map(drop)
}

/// Removes a file; one that is not there is fine.
pub fn remove(path: &Path) -> Result<(), FsError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FsError::new(path, "removed")(error)),
        _ => Ok(()),
    }
}

/// Removes a folder with all that is in it, never through a link; one that is not there is fine.
pub fn remove_tree(path: &Path) -> Result<(), FsError> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FsError::new(path, "removed")(error)),
        _ => Ok(()),
    }
}

/// Moves a file or folder inside one file system, replacing a file that is there.
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    std::fs::rename(from, to).map_err(FsError::new(to, "written"))
}

/// Gives a file a second name inside one file system, replacing a file that has that name.
pub fn hard_link(from: &Path, to: &Path) -> Result<(), FsError> {
    remove(to)?;
    std::fs::hard_link(from, to).map_err(FsError::new(to, "written"))
}

/// Whether files may be made in a folder.
pub fn is_writable(folder: &Path) -> bool {
    nix::unistd::access(folder, AccessFlags::W_OK).is_ok()
}

/// Bytes that are free for us on the file system of a path; `None` when that cannot be known.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    Some(found.blocks_available() * found.fragment_size())
}

/// Takes away, when dropped, a file that a program leaves where it was only asked to look: the file is gone if it was
/// not there before, and its folder has its time back.
#[derive(Debug)]
pub struct NewFileGuard {
    path: PathBuf,
    before: Option<(PathBuf, std::time::SystemTime)>,
}

impl NewFileGuard {
    /// Remembers how it is now.
    pub fn new(path: &Path) -> Self {
        let folder = path.parent().filter(|_| path.symlink_metadata().is_err());
        let time = |folder: &Path| folder.metadata().and_then(|found| found.modified()).ok();
        let before = folder.and_then(|folder| Some((folder.to_owned(), time(folder)?)));
        Self { path: path.to_owned(), before }
    }
}

impl Drop for NewFileGuard {
    fn drop(&mut self) {
        let Some((folder, time)) = self.before.take() else { return };
        if std::fs::remove_file(&self.path).is_ok() {
            let times = std::fs::FileTimes::new().set_modified(time);
            let _ = std::fs::File::open(folder).and_then(|folder| folder.set_times(times));
        }
    }
}

/// The last part of a path, which must be a name.
fn file_name(path: &Path) -> Result<&OsStr, FsError> {
    path.file_name().ok_or_else(|| FsError::new(path, "written")(io::ErrorKind::InvalidFilename.into()))
}

const NO_FOLLOW: AtFlags = AtFlags::AT_SYMLINK_NOFOLLOW;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .expect("the folder is there")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_killed_runs_left_is_swept_away_and_nothing_else() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let put = |name: &str| replace(&temp.path().join(name), b"", Attributes::default()).expect("written");
        let is_there = |name: &str| temp.path().join(name).exists();
        for name in ["a", ".a.12-0.nodeagent", ".b.12-1.nodeagent", "below/.c.12-2.nodeagent", "uv/.d.12-3.nodeagent"] {
            put(name);
        }
        remove_partial_files_of(&temp.path().join("a")).expect("removed");
        assert!(is_there("a") && !is_there(".a.12-0.nodeagent") && is_there(".b.12-1.nodeagent"));
        remove_partial_files_below(temp.path(), &temp.path().join("uv")).expect("removed");
        assert!(is_there("a") && !is_there(".b.12-1.nodeagent") && !is_there("below/.c.12-2.nodeagent"));
        assert!(is_there("uv/.d.12-3.nodeagent"));
    }

    #[test]
    fn a_temporary_file_stays_while_its_process_runs() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        // Process ids end at 4,194,304; process 1 runs another program.
        let ours = format!(".report.json.{}-4-0badc0de.nodeagent", std::process::id());
        for name in
            ["x/.report.json.4194305-4-0badc0de.nodeagent", ".report.json.1-4-0badc0de.nodeagent", &ours, "kept"]
        {
            replace(&temp.path().join(name), b"", Attributes::default()).expect("written");
        }
        remove_abandoned_partial_files_below(temp.path()).expect("removed");
        assert_eq!(names(temp.path()), [&ours, "kept", "x"]);
        assert_eq!(names(&temp.path().join("x")), [""; 0]);
    }

    #[test]
    fn what_only_looked_leaves_no_trace() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let time = || temp.path().metadata().expect("there").modified().expect("a time");
        let (before, path) = (time(), temp.path().join(".lock"));
        let trace = NewFileGuard::new(&path);
        std::thread::sleep(std::time::Duration::from_millis(20));
        replace(&path, b"", Attributes::default()).expect("written");
        drop(trace);
        assert!(!path.exists() && time() == before);
        replace(&path, b"", Attributes::default()).expect("written");
        drop(NewFileGuard::new(&path));
        assert!(path.exists(), "what was there before stays");
    }

    #[test]
    fn a_new_file_is_whole_and_leaves_no_temporary_file() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("deep/er/x");
        replace(&path, b"hello", Attributes::mode(0o400)).expect("it can be written");
        let found = read(&path).expect("readable").expect("there");
        assert_eq!((found.bytes.as_deref(), found.mode), (Some(&b"hello"[..]), 0o400));
        assert_eq!(names(&temp.path().join("deep/er")), ["x"]);
    }

    #[test]
    fn a_file_that_is_there_keeps_its_permissions() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("x");
        replace(&path, b"1", Attributes::mode(0o640)).expect("it can be written");
        replace(&path, b"2", Attributes::default()).expect("it can be replaced");
        assert_eq!(read(&path).expect("readable").expect("there").mode, 0o640);
    }

    #[test]
    fn a_file_in_the_making_is_invisible_and_vanishes_when_dropped() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("x");
        let mut partial = PartialFile::create(&path, Attributes::default()).expect("it can be begun");
        partial.write(b"half").expect("it can be written");
        assert!(!path.exists());
        drop(partial);
        assert_eq!(names(temp.path()), Vec::<String>::new());
    }

    #[test]
    fn our_own_links_are_followed_and_stay_links() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(temp.path().join("real")).expect("created");
        symlink("real", temp.path().join("alias")).expect("linked");
        symlink("target", temp.path().join("real/x")).expect("linked");
        replace(&temp.path().join("alias/x"), b"hello", Attributes::default()).expect("it can be written");
        assert_eq!(std::fs::read(temp.path().join("real/target")).expect("written"), b"hello");
        assert!(temp.path().join("real/x").is_symlink());
    }

    #[test]
    fn a_foreign_link_is_not_followed() {
        if !nix::unistd::Uid::effective().is_root() {
            return; // only root can give a link away
        }
        let temp = tempfile::tempdir().expect("a temporary folder");
        let link = temp.path().join("planted");
        symlink("/etc", &link).expect("linked");
        std::os::unix::fs::lchown(&link, Some(12_345), Some(12_345)).expect("root may");
        for path in [link.join("x"), link.clone()] {
            let error = replace(&path, b"", Attributes::default()).expect_err("a planted link");
            assert!(matches!(error, FsError::ForeignLink { uid: 12_345, .. }), "{error:?}");
        }
    }

    #[test]
    fn removing_what_is_not_there_is_fine() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        remove(&temp.path().join("x")).expect("fine");
        remove_tree(&temp.path().join("x")).expect("fine");
    }
}
