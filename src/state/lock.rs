//! The run lock: one run at a time on a node. The kernel releases it when the process ends.

use std::{
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::{folder, stage_folder, stages_folder};
use crate::fs::{FsError, create_dirs, open_to_lock};

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
        create_dirs(&folder(root), 0o755)?;
        Self::take_file(&folder(root).join("lock"))
    }

    /// Takes the lock of the post-start stage of a profile, without waiting. Its folder exists.
    pub fn take_stage(root: &Path, profile: &str) -> Result<Self, LockError> {
        Self::take_file(&stage_folder(root, profile).join("lock"))
    }

    fn take_file(path: &Path) -> Result<Self, LockError> {
        let failed = |source: std::io::Error| LockError::Io { path: path.to_owned(), source };
        match Flock::lock(open_to_lock(path).map_err(failed)?, FlockArg::LockExclusiveNonblock) {
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

fn holder(lock: &Path) -> Option<u32> {
    let mut file = File::open(lock).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Err((_, Errno::EWOULDBLOCK)) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
