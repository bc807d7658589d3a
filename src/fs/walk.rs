//! The walk through a folder and the folders below it.

use std::{io, path::Path};

pub use walkdir::DirEntry;
use walkdir::WalkDir;

/// Iterates over a path and everything below it: a folder before its content, names in order. Links are not followed.
///
/// The walk reaches entries by their paths. It is for folders that only the agent's own user can write.
/// [`Tree`](super::Tree) lists shared folders: there, another user could replace a folder by a link between two steps
/// of the walk.
pub fn walk(path: &Path) -> impl Iterator<Item = io::Result<DirEntry>> {
    walk_except(path, Path::new(""))
}

/// The same without `except` and everything below it.
pub(super) fn walk_except(path: &Path, except: &Path) -> impl Iterator<Item = io::Result<DirEntry>> {
    let entries = WalkDir::new(path).follow_root_links(false).sort_by_file_name().into_iter();
    let entries = entries.filter_entry(move |entry| entry.path() != except);
    // An error without an `io::Error` is a loop of links, and no link is followed.
    entries.map(|entry| entry.map_err(|error| error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Attributes, replace};

    #[test]
    fn a_walk_is_in_order_and_follows_no_link() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        for name in ["b/z", "b/a", "a"] {
            replace(&temp.path().join("top").join(name), b"", Attributes::default()).expect("written");
        }
        std::os::unix::fs::symlink("..", temp.path().join("top/b/up")).expect("linked");
        let top = temp.path().join("top");
        let entries = walk(&top).map(|entry| entry.expect("readable").into_path());
        let names: Vec<String> =
            entries.map(|path| path.strip_prefix(temp.path()).expect("below").display().to_string()).collect();
        assert_eq!(names, ["top", "top/a", "top/b", "top/b/a", "top/b/up", "top/b/z"]);
    }
}
