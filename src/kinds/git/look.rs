//! The state of a folder, read from git's files. git is not started.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::inventory::below;

/// The folders of the profile, by their paths.
#[derive(Debug, Default)]
pub struct Look(pub(super) BTreeMap<PathBuf, FolderState>);

/// The state of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FolderState {
    /// It does not exist, or it is empty.
    Empty,
    /// It has files, and is not the top of a repository.
    Other,
    /// It is the top of a repository.
    Repository {
        /// The commit of `HEAD`.
        head: Option<String>,
        /// The address of the remote `origin`.
        origin: Option<String>,
        /// The user id of the folder.
        uid: u32,
    },
}

/// Reads the state of a folder.
pub(super) fn state(root: &Path, folder: &Path) -> FolderState {
    let folder = below(root, folder);
    let git = folder.join(".git");
    if git.is_dir() {
        let uid = folder.metadata().map(|found| found.uid()).unwrap_or_default();
        return FolderState::Repository { head: head(&git), origin: origin(&git), uid };
    }
    let is_empty = match std::fs::read_dir(&folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => folder.symlink_metadata().is_err(),
    };
    if is_empty { FolderState::Empty } else { FolderState::Other }
}

/// The commit of `HEAD`: a detached one, or that of a branch in its own file or in `packed-refs`.
fn head(git: &Path) -> Option<String> {
    let text = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = text.trim().strip_prefix("ref: ") else { return Some(text.trim().to_owned()) };
    if name.contains("..") || name.starts_with('/') {
        return None;
    }
    if let Ok(text) = std::fs::read_to_string(git.join(name)) {
        return Some(text.trim().to_owned());
    }
    let packed = std::fs::read_to_string(git.join("packed-refs")).ok()?;
    let commit = packed.lines().find_map(|line| line.split_once(' ').filter(|(_, packed)| *packed == name));
    commit.map(|(commit, _)| commit.to_owned())
}

/// The address of the remote `origin` in git's configuration.
fn origin(git: &Path) -> Option<String> {
    let text = std::fs::read_to_string(git.join("config")).ok()?;
    let mut is_origin = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            is_origin = line == "[remote \"origin\"]";
        } else if let Some((key, value)) = line.split_once('=').filter(|_| is_origin)
            && key.trim() == "url"
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn head_and_origin_are_read_from_files() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let read = || state(temp.path(), Path::new("/opt/x"));
        assert_eq!(read(), FolderState::Empty);
        put(&temp.path().join("opt/x/a"), "");
        assert_eq!(read(), FolderState::Other);
        let git = |name: &str, text: &str| put(&temp.path().join("opt/x/.git").join(name), text);
        git("config", "[core]\n\turl = no\n[remote \"origin\"]\n\turl = https://git.example/x.git\n\tfetch = +x\n");
        git("HEAD", "1234\n");
        let found = || match read() {
            FolderState::Repository { head, origin, .. } => (head.unwrap_or_default(), origin.unwrap_or_default()),
            other => panic!("{other:?}"),
        };
        assert_eq!(found(), ("1234".to_owned(), "https://git.example/x.git".to_owned()));
        git("HEAD", "ref: refs/heads/main\n");
        git("packed-refs", "# pack-refs\n5678 refs/heads/main\n");
        assert_eq!(found().0, "5678");
        git("refs/heads/main", "9abc\n");
        assert_eq!(found().0, "9abc");
    }
}
