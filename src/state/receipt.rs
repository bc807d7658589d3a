//! What a run left behind, where the node itself cannot tell: what the runtime shipped before the first change, and
//! which digest an installed file had. Without it, all that is there counts as shipped.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::folder;
use crate::fs::{self, Attributes, FsError, Stamp};

/// The version of the receipt's format.
const FORMAT: u32 = 1;

/// The receipt of a node. Fields that a later version adds have defaults here: old receipts always parse.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Receipt {
    format: u32,
    /// Python environments, by the folder of their packages.
    pub python: BTreeMap<String, PythonReceipt>,
    /// What R libraries held before the first change: versions by library and package.
    pub r: BTreeMap<String, BTreeMap<String, String>>,
    /// Where secrets were delivered: by the name of the profile that asked for it, and the file as the node calls it.
    pub delivered: BTreeMap<String, BTreeMap<PathBuf, Delivered>>,
}

/// A file that holds secrets. Nothing that could be computed from a value is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "kebab-case")]
pub enum Delivered {
    /// The whole file.
    File {
        /// What the file is known by: of the last delivery and the one before, which a kill may have left in place.
        stamps: Vec<Stamp>,
    },
    /// The profile's marked block in a file of others.
    Block,
    /// Lines in a file of others, by all of them but the password.
    Lines {
        /// The lines.
        of: Vec<String>,
    },
}

/// What is known of a Python environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct PythonReceipt {
    /// What the runtime shipped, by normalised name: recorded before the first change.
    pub shipped: BTreeMap<String, String>,
    /// SHA-256 of wheels that were installed from files, by normalised name.
    pub wheels: BTreeMap<String, String>,
    /// SHA-256 of the lines of requirements without a name that were installed.
    pub opaque: Vec<String>,
}

impl Receipt {
    /// Reads the receipt below a root. One that is not there or cannot be read is empty.
    pub fn read(root: &Path) -> Self {
        std::fs::read(folder(root).join("receipt.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// What was delivered to a file for a profile.
    pub fn delivered(&self, profile: &str, file: &Path) -> Option<&Delivered> {
        self.delivered.get(profile)?.get(file)
    }

    /// Notes what is delivered to a file for a profile.
    pub fn deliver(&mut self, profile: &str, file: &Path, delivered: Delivered) {
        self.delivered.entry(profile.to_owned()).or_default().insert(file.to_owned(), delivered);
    }

    /// Forgets a file of a profile.
    pub fn take_back(&mut self, profile: &str, file: &Path) {
        if let Some(files) = self.delivered.get_mut(profile) {
            files.remove(file);
            if files.is_empty() {
                self.delivered.remove(profile);
            }
        }
    }

    /// What a whole file is known by to other profiles; `None` when it is none of theirs.
    pub fn known_elsewhere(&self, profile: &str, file: &Path) -> Option<Vec<Stamp>> {
        let others = self.delivered.iter().filter(|(other, _)| *other != profile);
        let known = others.filter_map(|(_, files)| match files.get(file) {
            Some(Delivered::File { stamps }) => Some(stamps.clone()),
            _ => None,
        });
        known.reduce(|one, other| [one, other].concat())
    }

    /// Writes the receipt.
    pub fn write(&self, root: &Path) -> Result<(), FsError> {
        let current = Self { format: FORMAT, ..self.clone() };
        let mut text = serde_json::to_string_pretty(&current).expect("maps with text keys can be written");
        text.push('\n');
        fs::replace(&folder(root).join("receipt.json"), text.as_bytes(), Attributes::mode(0o644))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_comes_back_as_it_was_written() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let mut receipt = Receipt::default();
        receipt.python.entry("/x".into()).or_default().shipped.insert("numpy".into(), "2.1.3".into());
        receipt.write(temp.path()).expect("written");
        assert_eq!(Receipt::read(temp.path()).python, receipt.python);
    }

    #[test]
    fn what_was_delivered_is_known_by_profile_and_file() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (file, mut receipt) = (Path::new("/run/x"), Receipt::default());
        receipt.deliver("family", file, Delivered::File { stamps: Vec::new() });
        receipt.deliver("base", file, Delivered::Block);
        assert!(receipt.known_elsewhere("family", file).is_none() && receipt.known_elsewhere("base", file).is_some());
        receipt.write(temp.path()).expect("written");
        let mut receipt = Receipt::read(temp.path());
        assert_eq!(receipt.delivered("base", file), Some(&Delivered::Block));
        receipt.take_back("base", file);
        assert!(receipt.delivered("base", file).is_none() && receipt.delivered("family", file).is_some());
    }

    #[test]
    fn an_old_or_damaged_receipt_does_no_harm() {
        let old: Receipt = serde_json::from_str(r#"{"format":1,"python":{"/x":{}},"gone":1}"#).expect("it parses");
        assert!(old.python.contains_key("/x"));
        assert_eq!(Receipt::read(Path::new("/nowhere")), Receipt::default());
    }
}
