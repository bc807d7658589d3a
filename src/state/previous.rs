//! Copies of files that profiles replaced, by their digests. Only root can read them. A copy stays until no item of the
//! receipt needs it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder;
use crate::{
    digest::Digest,
    fs::{self, Attributes, FsError, Snapshot},
};

/// The folder of the copies, in the agent's folder.
const FOLDER: &str = "previous";

/// A file as it was before a profile replaced it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Previous {
    /// The digest of its content: 64 hexadecimal digits.
    pub sha256: String,
    /// Its permission bits.
    pub mode: u32,
    /// User and group ids.
    pub owner: (u32, u32),
}

impl Previous {
    /// Keeps a copy of a file. `None` if it is not a regular file.
    ///
    /// # Errors
    /// If the copy cannot be written.
    pub fn keep(root: &Path, found: &Snapshot) -> Result<Option<Self>, FsError> {
        let Some(bytes) = &found.bytes else { return Ok(None) };
        Self::keep_bytes(root, bytes, found.mode, found.owner).map(Some)
    }

    /// Keeps a copy of bytes.
    ///
    /// # Errors
    /// If the copy cannot be written.
    pub fn keep_bytes(root: &Path, bytes: &[u8], mode: u32, owner: (u32, u32)) -> Result<Self, FsError> {
        let kept = Self { sha256: Digest::sha256(bytes).hex().to_owned(), mode, owner };
        let copy = kept.copy(root);
        if !copy.exists() {
            fs::create_dirs_durably(&folder(root).join(FOLDER), 0o700)?;
            fs::replace(&copy, bytes, Attributes::mode(0o600))?;
        }
        Ok(kept)
    }

    /// The content. `None` if the copy was removed or changed.
    ///
    /// # Errors
    /// If the copy cannot be read.
    pub fn content(&self, root: &Path) -> Result<Option<Vec<u8>>, FsError> {
        let bytes = fs::read(&self.copy(root))?.and_then(|found| found.bytes);
        Ok(bytes.filter(|bytes| self.is_content(bytes)))
    }

    /// Whether a file with this content is as it was before.
    pub fn is_content(&self, bytes: &[u8]) -> bool {
        Digest::sha256(bytes).hex() == self.sha256
    }

    /// Permissions and owner.
    pub fn attributes(&self) -> Attributes {
        Attributes { mode: Some(self.mode), owner: Some(self.owner) }
    }

    /// Removes the copy.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub(super) fn remove(&self, root: &Path) -> Result<(), FsError> {
        fs::remove(&self.copy(root))
    }

    fn copy(&self, root: &Path) -> PathBuf {
        folder(root).join(FOLDER).join(&self.sha256)
    }
}
