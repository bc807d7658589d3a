//! The run lock: one run at a time on a node. The kernel releases it when the process ends.

use std::{
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::{folder, stage_folder, stages_folder};
use crate::fs::{FsError, create_dirs_durably, open_private_lock};

/// The lock, held until this value is dropped.
#[derive(Debug)]
pub struct RunLock {
    #[expect(dead_code, reason = "held, not used")]
    held: Flock<File>,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another run holds it.
    #[error("another run is in progress: {holder}")]
    Held {
        /// The holder, such as `nodeagent (pid 812)`.
        holder: String,
    },
    /// The folder could not be created.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The lock file could not be opened or locked.
    #[error("`{path}` could not be locked")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

impl RunLock {
    /// Takes the lock of the node without waiting.
    pub fn take(root: &Path) -> Result<Self, LockError> {
        // The first file in the folder. The receipt and the journal rely on the name of the folder.
        create_dirs_durably(&folder(root), 0o755)?;
        Self::take_file(&folder(root).join("lock"))
    }

    /// Takes the lock of the post-start stage of a profile, without waiting. Its folder exists.
    pub fn take_stage(root: &Path, profile: &str) -> Result<Self, LockError> {
        Self::take_file(&stage_folder(root, profile).join("lock"))
    }

    fn take_file(path: &Path) -> Result<Self, LockError> {
        let failed = |source: std::io::Error| LockError::Io { path: path.to_owned(), source };
        let file = open_private_lock(path).map_err(failed)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut held) => {
                // The process ID in the file is only for messages.
                let _ = held.set_len(0).and_then(|()| write!(held, "{}", std::process::id()));
                Ok(Self { held })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                let _ = file.rewind().and_then(|()| file.read_to_string(&mut pid));
                Err(LockError::Held { holder: format!("nodeagent (pid {})", pid.trim()) })
            }
            Err((_, error)) => Err(failed(error.into())),
        }
    }
}

/// The process IDs of the present run, and of stages that wait.
pub fn holders(root: &Path) -> Vec<u32> {
    let stages = std::fs::read_dir(stages_folder(root)).into_iter().flatten().filter_map(Result::ok);
    let locks = stages.map(|stage| stage.path().join("lock"));
    std::iter::once(folder(root).join("lock")).chain(locks).filter_map(|lock| holder(&lock)).collect()
}

/// Only root can open the file. Other users find the holder in the kernel's list of locks.
fn holder(lock: &Path) -> Option<u32> {
    let Ok(mut file) = File::open(lock) else { return listed_holder(lock) };
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Err((_, Errno::EWOULDBLOCK)) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The holder of a lock in `/proc/locks`: lines such as `1: FLOCK ADVISORY WRITE 812 08:01:131 0 EOF` (proc(5)).
fn listed_holder(lock: &Path) -> Option<u32> {
    let inode = format!(":{}", lock.symlink_metadata().ok()?.ino());
    std::fs::read_to_string("/proc/locks").ok()?.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            [_, "FLOCK", _, "WRITE", pid, file, ..] if file.ends_with(&inode) => pid.parse().ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::create_dirs;

    #[test]
    fn other_users_cannot_open_the_lock_and_still_see_its_holder() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let file = folder(temp.path()).join("lock");
        create_dirs(&folder(temp.path()), 0o755).expect("created");
        crate::fs::replace(&file, b"", crate::fs::Attributes::mode(0o644)).expect("written");
        let held = RunLock::take(temp.path()).expect("free");
        assert_eq!(file.metadata().expect("there").mode() & 0o777, 0o600);
        assert_eq!(listed_holder(&file), Some(std::process::id()));
        drop(held);
        assert_eq!(listed_holder(&file), None);
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        create_dirs(&folder(temp.path()), 0o755).expect("created");
        std::os::unix::fs::symlink(temp.path().join("other"), folder(temp.path()).join("lock")).expect("created");
        assert!(matches!(RunLock::take(temp.path()), Err(LockError::Io { .. })));
        assert!(!temp.path().join("other").exists());
    }

    #[test]
    fn a_second_run_gets_the_lock_after_the_first() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let first = RunLock::take(temp.path()).expect("free");
        let error = RunLock::take(temp.path()).expect_err("held");
        assert!(
            matches!(&error, LockError::Held { holder } if holder.contains(&std::process::id().to_string())),
            "{error:?}"
        );
        assert_eq!(holders(temp.path()), [std::process::id()]);
        drop(first);
        assert_eq!(holders(temp.path()), [0; 0]);
        RunLock::take(temp.path()).expect("free again");
    }
}
