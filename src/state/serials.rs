//! The highest serials of signed files that this node has seen, so that an older file is refused.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{folder, write_json};
use crate::fs::FsError;

/// The name of the file.
const FILE: &str = "serials.json";
/// The version of the format.
const FORMAT: u32 = 1;

/// The highest serial of each signed file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Serials {
    format: u32,
    /// By name: `access`, `lock:PROFILE`.
    pub highest: BTreeMap<String, u64>,
}

/// The file with the serials is damaged, so older signed files cannot be detected.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` could not be read: {reason}")]
pub struct UnreadSerials {
    path: PathBuf,
    reason: String,
}

impl UnreadSerials {
    /// A hint for the user.
    pub fn hint(&self) -> String {
        "restore the file, or remove it: then older signed files are accepted until the next run".to_owned()
    }
}

impl Serials {
    /// Reads the serials. A missing file is empty, as on a new node; a damaged file is an error.
    pub fn read(root: &Path) -> Result<Self, UnreadSerials> {
        let path = folder(root).join(FILE);
        let unread = |reason: String| UnreadSerials { path: path.clone(), reason };
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| unread(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(unread(error.to_string())),
        }
    }

    /// Writes serials that are higher than before. Otherwise the file is not changed.
    pub fn remember(root: &Path, news: &BTreeMap<String, u64>) -> Result<(), FsError> {
        // Another run may have written since.
        let mut serials = Self::read(root).unwrap_or_default();
        let before = serials.highest.clone();
        for (what, serial) in news {
            let highest = serials.highest.entry(what.clone()).or_default();
            *highest = (*highest).max(*serial);
        }
        if serials.highest == before {
            return Ok(());
        }
        serials.format = FORMAT;
        write_json(root, FILE, &serials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_only_grow_and_are_written_only_after_growth() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let serial = |serial| BTreeMap::from([("access".to_owned(), serial)]);
        assert_eq!(Serials::read(temp.path()).expect("a new node").highest, BTreeMap::new());
        Serials::remember(temp.path(), &BTreeMap::new()).expect("nothing to write");
        assert!(!folder(temp.path()).exists());
        Serials::remember(temp.path(), &serial(7)).expect("written");
        Serials::remember(temp.path(), &serial(6)).expect("nothing to write");
        assert_eq!(Serials::read(temp.path()).expect("readable").highest, serial(7));
    }

    #[test]
    fn damaged_serials_are_an_error() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = folder(temp.path()).join("serials.json");
        crate::fs::put(&path, "{");
        assert!(Serials::read(temp.path()).is_err());
    }
}
