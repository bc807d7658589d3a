//! Compares a lock with a profile and a runtime.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lock, LockFile, LockedFile, Runtime, Section};
use crate::digest::Digest;

/// The largest number of names in a message.
const SHOWN: usize = 6;

/// A lock that does not match, with one reason a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lock `{label}` does not match")]
pub struct Drift {
    /// The path of the lock, as shown to people.
    pub label: String,
    /// The profile of the lock.
    pub profile: String,
    /// The differences.
    pub reasons: Vec<String>,
}

impl Drift {
    /// A hint for the user.
    pub fn hint(&self) -> String {
        format!(
            "if the change is intended, run `nodeagent lock --profile {}` on a node with this runtime; `--unlocked` runs without \
             the lock",
            self.profile
        )
    }
}

impl LockFile {
    /// The section for a runtime and the requests of a profile.
    pub fn fitting(&self, files: &[LockedFile], runtime: &Runtime, asks: &[String]) -> Result<&Section, Drift> {
        let mut reasons = self.lock.changed_files(files);
        match self.lock.section(runtime, asks) {
            Ok(section) if reasons.is_empty() => return Ok(section),
            Ok(_) => {}
            Err(why) => reasons.extend(why),
        }
        Err(self.drift(reasons))
    }

    /// An error with these reasons.
    pub fn drift(&self, reasons: Vec<String>) -> Drift {
        Drift { label: self.label.clone(), profile: self.lock.profile.clone(), reasons }
    }
}

impl Lock {
    /// The changed files of a profile, one a line.
    pub fn changed_files(&self, files: &[LockedFile]) -> Vec<String> {
        let by_path = |files: &[LockedFile]| -> BTreeMap<String, Digest> {
            files.iter().map(|file| (file.path.clone(), file.sha256.clone())).collect()
        };
        let (locked, now) = (by_path(&self.files), by_path(files));
        let changed = now.iter().filter_map(|(path, digest)| match locked.get(path) {
            Some(locked) if locked == digest => None,
            Some(_) => Some(format!("`{path}` has changed")),
            None => Some(format!("`{path}` is not in the lock")),
        });
        let gone = locked.keys().filter(|path| !now.contains_key(*path));
        changed.chain(gone.map(|path| format!("`{path}` no longer belongs to the profile"))).collect()
    }

    /// The section of a runtime whose requests are the most similar.
    pub fn nearest(&self, runtime: &Runtime, asks: &[String]) -> Option<&Section> {
        let of_runtime = self.sections.iter().filter(|section| section.runtime == *runtime);
        of_runtime.min_by_key(|section| differing(&section.asks, asks).count())
    }

    /// The section for a runtime and these requests.
    ///
    /// # Errors
    /// The reasons why no section matches.
    pub fn section(&self, runtime: &Runtime, asks: &[String]) -> Result<&Section, Vec<String>> {
        match self.nearest(runtime, asks) {
            Some(section) if section.asks == asks => Ok(section),
            // The section with the fewest differences is most likely the intended one.
            Some(nearest) => {
                let more = asks.iter().filter(|ask| !nearest.asks.contains(ask)).map(|ask| format!("`{ask}`"));
                let less = nearest.asks.iter().filter(|ask| !asks.contains(ask)).map(|ask| format!("`{ask}`"));
                let describe =
                    |what: &str, names: Vec<String>| (!names.is_empty()).then(|| format!("{what} {}", few(&names)));
                let reasons = [
                    describe("the profile requests entries that the lock does not have:", more.collect()),
                    describe("the lock has entries that the profile does not request:", less.collect()),
                ];
                Err(reasons.into_iter().flatten().collect())
            }
            None => {
                let known: BTreeSet<String> = self.sections.iter().map(|section| section.runtime.to_string()).collect();
                let known: Vec<String> = known.into_iter().collect();
                let has = if known.is_empty() {
                    "the lock has no section".to_owned()
                } else {
                    format!("the lock is for {}", known.join("; "))
                };
                Err(vec![format!("this node is {runtime}"), has])
            }
        }
    }
}

fn differing<'a>(left: &'a [String], right: &'a [String]) -> impl Iterator<Item = &'a String> {
    let only = |these: &'a [String], those: &'a [String]| these.iter().filter(|ask| !those.contains(ask));
    only(left, right).chain(only(right, left))
}

fn few(names: &[String]) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
