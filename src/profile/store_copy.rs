//! A copy of the texts of a file store, as a file store of its own.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{FileStore, read_texts::Originals};
use crate::digest::Digest;

impl FileStore {
    /// The texts that were read: their names for messages and their digests, by their absolute paths.
    pub fn read_texts(&self) -> BTreeMap<PathBuf, (String, Digest)> {
        let texts = self.reads.all().into_iter();
        texts.map(|(absolute, (path, digest))| (absolute, (self.shown(&path), digest))).collect()
    }

    /// A store that is a copy of another one. The path of each file continues below `folder`; `names` has their names
    /// for messages, by the path of the copy. `root` is the root of the original.
    pub fn copy(folder: &Path, root: &Path, names: BTreeMap<PathBuf, String>) -> Self {
        let originals = Originals::of(folder, names);
        Self { originals: Some(Arc::new(originals)), ..Self::local(copied(folder, root)) }
    }
}

/// The path of the copy of a file.
pub fn copied(folder: &Path, path: &Path) -> PathBuf {
    // Dots are resolved by name, so that a copy stays in the folder.
    let mut to = folder.to_owned();
    let mut depth = 0_usize;
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                to.push(name);
                depth += 1;
            }
            Component::ParentDir if depth > 0 => {
                to.pop();
                depth -= 1;
            }
            _ => {}
        }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_names_of_the_originals() {
        let names = BTreeMap::from([(PathBuf::from("/copy/mirror/a"), "https://x/a".to_owned())]);
        let store = FileStore::copy(Path::new("/copy"), Path::new("/dbfs/x"), names);
        assert_eq!(store.root, PathBuf::from("/copy/dbfs/x"));
        assert_eq!(store.shown(Path::new("/copy/dbfs/x/b")), "/dbfs/x/b");
        assert_eq!(store.shown(Path::new("/copy/mirror/a")), "https://x/a");
        assert_eq!(store.shown(Path::new("/etc/c")), "/etc/c");
    }

    #[test]
    fn the_copy_of_a_file_stays_in_the_folder() {
        assert_eq!(copied(Path::new("/copy"), Path::new("/a/b/../c")), PathBuf::from("/copy/a/c"));
        assert_eq!(copied(Path::new("/copy"), Path::new("/../../etc/x")), PathBuf::from("/copy/etc/x"));
    }

    #[test]
    fn the_texts_of_a_store_are_noted() {
        let (temp, store) = super::super::find::tests::store(&[("Admin/init_scripts/x.toml", "text")]);
        store.profile("x", None, None).expect("found");
        let path = temp.path().join("Admin/init_scripts/x.toml");
        let name = path.display().to_string();
        assert_eq!(store.read_texts(), BTreeMap::from([(path, (name, Digest::sha256(b"text")))]));
    }
}
