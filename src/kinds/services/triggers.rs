//! The state of everything whose change restarts a service.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    checked::Watched,
    desired::DesiredService,
    files::{ServiceFile, secret_file},
    look::{FILE_TRIGGER, ServiceLook, file_trigger},
    state::changed,
};
use crate::{
    digest::Digest,
    inventory::below,
    plan::is_among,
    state::{Receipt, ServiceReceipt},
};

/// The reason of a changed unit, drop-in or script.
pub(super) const DEFINITION_CHANGED: &str = "its definition changed";
/// The reason of changed secrets.
pub(super) const SECRETS_CHANGED: &str = "its secrets changed";

const DEFINITION: &str = "definition";
const SECRETS: &str = "secrets";
const FILES: &str = "files ";
const PACKAGE: &str = "package ";
const ENTRY: &str = "entry ";

/// The causes of a restart, with their present states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Triggers {
    /// The states, as the receipt keeps them.
    pub values: BTreeMap<String, String>,
    /// The stamps of files.
    pub stamps: BTreeMap<PathBuf, String>,
    /// The times of the last changes, as far as they are known.
    times: BTreeMap<String, SystemTime>,
}

impl Triggers {
    /// The present state. `version` is the version of a package.
    pub(super) fn read(
        root: &Path,
        wanted: &DesiredService,
        look: &ServiceLook,
        receipt: &Receipt,
        version: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let mut triggers = Self::default();
        let service = &wanted.service;
        if let Some(ServiceFile { path, text, mode }) = wanted.definition() {
            let digest = Digest::sha256(format!("{mode:o} {text}").as_bytes()).to_string();
            let time = std::fs::metadata(below(root, &path)).ok().map(|found| changed(&found));
            triggers.add(DEFINITION.to_owned(), digest, time);
        }
        if let Some(path) = secret_file(&wanted.name, service) {
            // Nothing that is derived from a secret is kept, only the identity and the time of its file.
            if let Ok(found) = std::fs::metadata(below(root, &path)) {
                use std::os::unix::fs::MetadataExt as _;
                let stamp = format!("{}:{}.{:09}", found.ino(), found.ctime(), found.ctime_nsec());
                triggers.add(SECRETS.to_owned(), stamp, Some(changed(&found)));
            }
        }
        let program = service.program().map(PathBuf::from);
        for path in program.iter().chain(&wanted.command_files) {
            triggers.add_file(file_trigger(path), path, look);
        }
        for watched in &service.restart_on {
            match watched {
                Watched::Files(pattern) => {
                    let matches = look.matches.get(pattern).map(Vec::as_slice).unwrap_or_default();
                    for path in matches {
                        triggers.add_file(file_trigger(path), path, look);
                    }
                    // A file that is removed is a change, too.
                    let names: Vec<String> = matches.iter().map(|path| path.display().to_string()).collect();
                    triggers.add(format!("{FILES}{pattern}"), names.join("\n"), None);
                }
                Watched::Entry(name, _) => {
                    let runs = receipt.changes.iter().filter(|(entry, _)| is_among(&[entry], name));
                    let runs: Vec<String> = runs.map(|(entry, run)| format!("{entry} {run}")).collect();
                    triggers.add(format!("{ENTRY}{name}"), runs.join("\n"), None);
                }
            }
        }
        if let Some((package, time)) = &look.package
            && let Some(version) = version(package)
        {
            triggers.add(format!("{PACKAGE}{package}"), version, Some(*time));
        }
        triggers
    }

    fn add(&mut self, name: String, value: String, time: Option<SystemTime>) {
        self.times.extend(time.map(|time| (name.clone(), time)));
        self.values.insert(name, value);
    }

    fn add_file(&mut self, name: String, path: &Path, look: &ServiceLook) {
        if let Some(state) = look.files.get(path) {
            self.stamps.insert(path.to_owned(), state.stamp.clone());
            self.add(name, state.fingerprint.clone(), Some(state.changed));
        }
    }

    /// The changes since the service was last started, in words. What the record does not have is known only by its
    /// time.
    pub(super) fn since(&self, record: Option<&ServiceReceipt>, started: SystemTime) -> Vec<String> {
        let recorded = |name: &String| record.and_then(|record| record.triggers.get(name));
        let has_changed = |(name, value): &(&String, &String)| match recorded(name) {
            Some(earlier) => earlier != *value,
            None => self.times.get(*name).is_some_and(|time| *time > started),
        };
        let mut words: Vec<String> = self.values.iter().filter(has_changed).map(|(name, _)| in_words(name)).collect();
        let is_gone = |name: &str| !self.values.contains_key(name) && recorded(&name.to_owned()).is_some();
        words.extend([DEFINITION, SECRETS].into_iter().filter(|name| is_gone(name)).map(in_words));
        words.dedup();
        words
    }
}

fn in_words(name: &str) -> String {
    let name = match name {
        DEFINITION => return DEFINITION_CHANGED.to_owned(),
        SECRETS => return SECRETS_CHANGED.to_owned(),
        _ => [FILES, FILE_TRIGGER, PACKAGE, ENTRY].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name),
    };
    format!("{name} changed")
}
