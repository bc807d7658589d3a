//! Removes a file that a program creates as a side effect.

use std::path::{Path, PathBuf};

/// Removes a file on drop if it did not exist before, and restores the modification time of its folder. For programs
/// that create a lock file even when they only read.
#[derive(Debug)]
pub struct NewFileGuard {
    path: PathBuf,
    before: Option<(PathBuf, std::time::SystemTime)>,
}

impl NewFileGuard {
    /// Records whether the file exists.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Attributes, replace};

    #[test]
    fn a_new_file_is_removed_and_an_existing_file_stays() {
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
}
