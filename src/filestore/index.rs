//! The index of a mirror: version and digest of each file.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::remote_entry::RemoteEntry;
use crate::{
    digest::Digest,
    fs::{self, Attributes, FsError},
};

/// A file of the mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexedFile {
    size: u64,
    /// The version in the file store: a modification time or an `ETag`.
    version: String,
    sha256: String,
}

/// All files of the mirror, by their path in the file store.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index(BTreeMap<String, IndexedFile>);

impl Index {
    /// Reads an index. A missing or damaged index is empty, so that all files are fetched again.
    pub(super) fn read(path: &Path) -> Self {
        std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Writes the index.
    pub(super) fn write(&self, path: &Path) -> Result<(), FsError> {
        fs::replace(path, &serde_json::to_vec(self).unwrap_or_default(), Attributes::mode(0o644))
    }

    /// Whether the copy in the mirror has the version in the file store, and unchanged bytes.
    pub(super) fn is_fresh(&self, file: &str, entry: &RemoteEntry, copy: &Path) -> bool {
        let (Some(known), Some(version)) = (self.0.get(file), &entry.version) else { return false };
        known.version == *version
            && entry.size.is_none_or(|size| size == known.size)
            && copy.metadata().is_ok_and(|found| found.is_file() && found.len() == known.size)
            && Digest::sha256_of_file(copy).is_ok_and(|found| found.hex() == known.sha256)
    }

    /// Records a file that was fetched. A file without a version is not recorded, so it is fetched again each time.
    pub(super) fn insert(&mut self, file: &str, entry: &RemoteEntry, copy: &Path, digest: &Digest) {
        let size = copy.metadata().map_or(0, |found| found.len());
        match &entry.version {
            Some(version) => {
                let known = IndexedFile { size, version: version.clone(), sha256: digest.hex().to_owned() };
                self.0.insert(file.to_owned(), known);
            }
            None => drop(self.0.remove(file)),
        }
    }

    /// Removes a file from the index.
    pub(super) fn remove(&mut self, file: &str) {
        self.0.remove(file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_fresh_only_with_the_same_version_and_the_same_bytes() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let copy = temp.path().join("x");
        fs::replace(&copy, b"bytes", Attributes::default()).expect("written");
        let entry = RemoteEntry { name: "x".into(), is_folder: false, size: Some(5), version: Some("1".into()) };
        let mut index = Index::default();
        assert!(!index.is_fresh("a/x", &entry, &copy));
        index.insert("a/x", &entry, &copy, &Digest::sha256(b"bytes"));
        index.write(&temp.path().join("index")).expect("written");
        let index = Index::read(&temp.path().join("index"));
        assert!(index.is_fresh("a/x", &entry, &copy));
        assert!(!index.is_fresh("a/x", &RemoteEntry { version: Some("2".into()), ..entry.clone() }, &copy));
        assert!(!index.is_fresh("a/x", &RemoteEntry { version: None, ..entry.clone() }, &copy));
        fs::replace(&copy, b"other", Attributes::default()).expect("written");
        assert!(!index.is_fresh("a/x", &entry, &copy));
    }

    #[test]
    fn a_damaged_index_is_empty() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        fs::replace(&temp.path().join("index"), b"{", Attributes::default()).expect("written");
        assert!(Index::read(&temp.path().join("index")).0.is_empty());
    }
}
