//! The texts that were read from a file store, and the names of the originals of a copy.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::digest::Digest;

/// The texts that were read from a file store, by their absolute paths.
#[derive(Debug, Default)]
pub(super) struct ReadTexts(Mutex<BTreeMap<PathBuf, ReadText>>);

/// A text that was read: its path as it was asked for, and its digest.
#[derive(Debug)]
struct ReadText {
    path: PathBuf,
    digest: Digest,
}

impl ReadTexts {
    pub(super) fn note(&self, path: &Path, bytes: &[u8]) {
        let Ok(absolute) = std::path::absolute(path) else { return };
        let text = ReadText { path: path.to_owned(), digest: Digest::sha256(bytes) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(absolute, text);
    }

    /// The texts: their paths as they were asked for and their digests, by their absolute paths.
    pub(super) fn all(&self) -> BTreeMap<PathBuf, (PathBuf, Digest)> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().map(|(absolute, text)| (absolute.clone(), (text.path.clone(), text.digest.clone()))).collect()
    }
}

/// The names of the original files of a copy.
#[derive(Debug)]
pub(super) struct Originals {
    /// The folder of the copy. The path of each original file continues below it.
    folder: PathBuf,
    /// The names for messages, by the path of the copy.
    names: BTreeMap<PathBuf, String>,
}

impl Originals {
    /// The originals of a copy in a folder. `names` has names by the path of the copy.
    pub(super) fn of(folder: &Path, names: BTreeMap<PathBuf, String>) -> Self {
        Self { folder: folder.to_owned(), names }
    }

    pub(super) fn name(&self, path: &Path) -> Option<String> {
        let original = || Some(format!("/{}", path.strip_prefix(&self.folder).ok()?.display()));
        self.names.get(path).cloned().or_else(original)
    }
}
