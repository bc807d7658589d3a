//! The receipt: facts about the node that it cannot tell itself, such as the packages that the runtime shipped and the
//! digests of installed files. Without a receipt, all installed packages count as shipped.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{Items, PostStartItems, SystemReceipt, folder, write_json};
use crate::fs::{FsError, Stamp};

/// The name of the file.
const FILE: &str = "receipt.json";
/// The version of the format.
const FORMAT: u32 = 1;

/// The receipt of a node. New fields need a default, so that old receipts can be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Receipt {
    format: u32,
    /// Python environments, by the folder of their packages.
    pub python: BTreeMap<String, PythonReceipt>,
    /// The virtual environments that nodeagent made, by their absolute paths on the node.
    pub venvs: BTreeSet<PathBuf>,
    /// The interpreters that these were made with, if the profile named a path. By the folder of the environment.
    pub venv_interpreters: BTreeMap<PathBuf, PathBuf>,
    /// Packages in R libraries before the first change: versions by library and package.
    pub r: BTreeMap<String, BTreeMap<String, String>>,
    /// Files with delivered secrets, by profile name and path.
    pub delivered: BTreeMap<String, BTreeMap<PathBuf, Delivered>>,
    /// Services, by profile name and service.
    pub services: BTreeMap<String, BTreeMap<String, ServiceReceipt>>,
    /// Clones of git repositories, by profile name and folder.
    pub git: BTreeMap<String, BTreeMap<PathBuf, GitReceipt>>,
    /// Programs that ran, by profile name and entry as in `after`.
    pub programs: BTreeMap<String, BTreeMap<String, ProgramReceipt>>,
    /// The users and groups that nodeagent created, by profile name, written as in `after`.
    pub accounts: BTreeMap<String, BTreeSet<String>>,
    /// The last run that changed an entry, by the entry as in `after`. Only for entries that another entry watches.
    pub changes: BTreeMap<String, String>,
    /// Jars in class path folders, by their paths on the node.
    pub jars: BTreeMap<PathBuf, JarRecord>,
    /// Java keystores with certificates of profiles, by their paths on the node.
    pub keystores: BTreeMap<PathBuf, KeystoreReceipt>,
    /// The fingerprints of certificates in files that were fetched from servers, by the SHA-256 of the file.
    pub fetched_certificates: BTreeMap<String, BTreeSet<String>>,
    /// The changes of `[system]`, by profile name.
    pub system: BTreeMap<String, SystemReceipt>,
    /// The items that profiles made, by profile name.
    pub items: BTreeMap<String, Items>,
    /// The items among them that the post-start stage makes, by profile name.
    pub post_start: BTreeMap<String, PostStartItems>,
}

/// A jar that was copied to a class path folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct JarRecord {
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// The identity of the file after the copy. If it is the same, the file need not be read again.
    pub stamp: String,
    /// The entry: its path, its address or its coordinates.
    pub from: String,
}

/// A Java keystore with certificates of profiles.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct KeystoreReceipt {
    /// Its SHA-256 when nodeagent last changed or read it, 64 hexadecimal digits.
    pub sha256: String,
    /// The profiles of each certificate, by fingerprint.
    pub certificates: BTreeMap<String, BTreeSet<String>>,
}

impl KeystoreReceipt {
    /// The certificates of a profile.
    pub fn of_profile(&self, profile: &str) -> BTreeSet<String> {
        let own = self.certificates.iter().filter(|(_, profiles)| profiles.contains(profile));
        own.map(|(fingerprint, _)| fingerprint.clone()).collect()
    }

    /// Whether no other profile has a certificate.
    pub fn is_only_of(&self, profile: &str, fingerprint: &str) -> bool {
        self.certificates.get(fingerprint).is_some_and(|profiles| profiles.iter().all(|other| other == profile))
    }

    /// Removes certificates of a profile.
    pub fn forget(&mut self, profile: &str, fingerprints: &BTreeSet<String>) {
        for fingerprint in fingerprints {
            if let Some(profiles) = self.certificates.get_mut(fingerprint) {
                profiles.remove(profile);
            }
        }
        self.certificates.retain(|_, profiles| !profiles.is_empty());
    }
}

/// A service that a profile defines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ServiceReceipt {
    /// The files that nodeagent wrote for it, with their digests. Files with secrets have none.
    pub files: BTreeMap<PathBuf, Option<String>>,
    /// The state of everything that causes a restart, when the service was last started or restarted.
    pub triggers: BTreeMap<String, String>,
    /// The stamps of the files among the triggers, so that an unchanged file is not read again.
    pub stamps: BTreeMap<PathBuf, String>,
    /// The package that the unit belongs to.
    pub package: Option<String>,
    /// Its state before nodeagent changed it. `None` for a service that nodeagent defined.
    pub before: Option<ServiceBefore>,
}

/// A clone of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct GitReceipt {
    /// The revision that the profile names.
    pub revision: String,
    /// The commit of this revision when it was cloned.
    pub commit: String,
}

/// The last successful run of a program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ProgramReceipt {
    /// The digest of its script, arguments, environment and watched files.
    pub content: String,
    /// The digest of its watched files.
    pub watched: String,
}

/// The state of a service before nodeagent changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ServiceBefore {
    /// Whether it ran.
    pub running: bool,
    /// Whether it was enabled.
    pub enabled: bool,
    /// Whether it was masked.
    pub masked: bool,
}

/// A file with secrets. Contains nothing that is derived from a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "kebab-case")]
pub enum Delivered {
    /// The whole file.
    File {
        /// The stamps of the last two deliveries: after a kill, the file may be the older one.
        stamps: Vec<Stamp>,
    },
    /// The profile's marked block in a shared file.
    Block,
    /// Lines in a shared file.
    Lines {
        /// The lines without the password.
        of: Vec<String>,
    },
}

/// Facts about a Python environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct PythonReceipt {
    /// Packages that the runtime shipped, by normalised name, recorded before the first change.
    pub shipped: BTreeMap<String, String>,
    /// SHA-256 of wheels that were installed from files, by normalised name.
    pub wheels: BTreeMap<String, String>,
    /// SHA-256 of installed requirement lines without a name.
    pub opaque: Vec<String>,
}

impl Receipt {
    /// Reads the receipt. A missing or damaged receipt is empty.
    pub fn read(root: &Path) -> Self {
        std::fs::read(folder(root).join(FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// The delivery of a profile to a file.
    pub fn delivered(&self, profile: &str, file: &Path) -> Option<&Delivered> {
        self.delivered.get(profile)?.get(file)
    }

    /// Records a delivery of a profile to a file.
    pub fn deliver(&mut self, profile: &str, file: &Path, delivered: Delivered) {
        self.delivered.entry(profile.to_owned()).or_default().insert(file.to_owned(), delivered);
    }

    /// Removes the record of a delivery.
    pub fn take_back(&mut self, profile: &str, file: &Path) {
        if let Some(files) = self.delivered.get_mut(profile) {
            files.remove(file);
            if files.is_empty() {
                self.delivered.remove(profile);
            }
        }
    }

    /// The stamps of a whole file that other profiles delivered, or `None` if no other profile did.
    pub fn known_elsewhere(&self, profile: &str, file: &Path) -> Option<Vec<Stamp>> {
        let others = self.delivered.iter().filter(|(other, _)| *other != profile);
        let known = others.filter_map(|(_, files)| match files.get(file) {
            Some(Delivered::File { stamps }) => Some(stamps.clone()),
            _ => None,
        });
        known.reduce(|one, other| [one, other].concat())
    }

    /// The record of a service of a profile.
    pub fn service(&self, profile: &str, name: &str) -> Option<&ServiceReceipt> {
        self.services.get(profile)?.get(name)
    }

    /// Whether another profile has a record of a service.
    pub fn has_service_elsewhere(&self, profile: &str, name: &str) -> bool {
        self.services.iter().any(|(other, services)| other != profile && services.contains_key(name))
    }

    /// The certificates of a profile in Java keystores, by the paths of the keystores.
    pub fn keystore_certificates(&self, profile: &str) -> BTreeMap<PathBuf, BTreeSet<String>> {
        let own = self.keystores.iter().map(|(path, record)| (path.clone(), record.of_profile(profile)));
        own.filter(|(_, fingerprints)| !fingerprints.is_empty()).collect()
    }

    /// Changes the record of a service of a profile.
    pub fn change_service(&mut self, profile: &str, name: &str, change: impl FnOnce(&mut ServiceReceipt)) {
        change(self.services.entry(profile.to_owned()).or_default().entry(name.to_owned()).or_default());
    }

    /// Removes the record of a service.
    pub fn forget_service(&mut self, profile: &str, name: &str) {
        if let Some(services) = self.services.get_mut(profile) {
            services.remove(name);
            if services.is_empty() {
                self.services.remove(profile);
            }
        }
    }

    /// The clone of a profile in a folder.
    pub fn git(&self, profile: &str, folder: &Path) -> Option<&GitReceipt> {
        self.git.get(profile)?.get(folder)
    }

    /// Records the clone of a profile in a folder.
    pub fn note_git(&mut self, profile: &str, folder: &Path, record: GitReceipt) {
        self.git.entry(profile.to_owned()).or_default().insert(folder.to_owned(), record);
    }

    /// The last successful run of a program. `entry` is written as in `after`.
    pub fn program(&self, profile: &str, entry: &str) -> Option<&ProgramReceipt> {
        self.programs.get(profile)?.get(entry)
    }

    /// Records a successful run of a program.
    pub fn note_program(&mut self, profile: &str, entry: String, record: ProgramReceipt) {
        self.programs.entry(profile.to_owned()).or_default().insert(entry, record);
    }

    /// Whether a run of a profile created a user or group. `entry` is written as in `after`.
    pub fn created_account(&self, profile: &str, entry: &str) -> bool {
        self.accounts.get(profile).is_some_and(|entries| entries.contains(entry))
    }

    /// Records that a run of a profile creates a user or group.
    pub fn note_account(&mut self, profile: &str, entry: String) {
        self.accounts.entry(profile.to_owned()).or_default().insert(entry);
    }

    /// Records that a run changes entries.
    pub fn note_change(&mut self, entries: &[String], run: &str) {
        self.changes.extend(entries.iter().map(|entry| (entry.clone(), run.to_owned())));
    }

    /// Changes the receipt. Steps that act at the same time change it one after another, so that no change is lost.
    /// Nothing is written when nothing changed.
    ///
    /// # Errors
    /// When the receipt cannot be written.
    pub fn update(root: &Path, change: impl FnOnce(&mut Self)) -> Result<(), FsError> {
        static CHANGES: Mutex<()> = Mutex::new(());
        let _one_at_a_time = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        let before = Self::read(root);
        let mut receipt = before.clone();
        change(&mut receipt);
        if receipt == before { Ok(()) } else { receipt.write(root) }
    }

    fn write(&self, root: &Path) -> Result<(), FsError> {
        write_json(root, FILE, &Self { format: FORMAT, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_steps_that_act_at_the_same_time_are_all_kept() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        std::thread::scope(|scope| {
            for number in 0..16 {
                let (root, name) = (temp.path(), format!("/etc/{number}"));
                scope.spawn(move || {
                    Receipt::update(root, |receipt| receipt.deliver("x", Path::new(&name), Delivered::Block))
                        .expect("written");
                });
            }
        });
        assert_eq!(Receipt::read(temp.path()).delivered["x"].len(), 16);
    }

    #[test]
    fn a_receipt_comes_back_as_it_was_written() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let mut receipt = Receipt::default();
        receipt.python.entry("/x".into()).or_default().shipped.insert("numpy".into(), "2.1.3".into());
        receipt.write(temp.path()).expect("written");
        assert_eq!(Receipt::read(temp.path()).python, receipt.python);
    }

    #[test]
    fn deliveries_are_recorded_by_profile_and_file() {
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
    fn old_and_damaged_receipts_are_accepted() {
        let old: Receipt = serde_json::from_str(r#"{"format":1,"python":{"/x":{}},"gone":1}"#).expect("it parses");
        assert!(old.python.contains_key("/x"));
        assert_eq!(Receipt::read(Path::new("/nowhere")), Receipt::default());
    }
}
