//! The lock that a plan uses.

use crate::{
    digest::Digest,
    facts::NodeFacts,
    inventory::Inventory,
    lock::{Drift, LockFile, Runtime, Section},
    problem::Problem,
    profile::{Asset, NamedAsset},
};

/// A lock, with its section for this node.
#[derive(Debug, Clone, Copy)]
pub struct LockInUse<'a> {
    /// The file, for messages.
    pub label: &'a str,
    /// Its serial.
    pub serial: u64,
    /// The section.
    pub section: &'a Section,
}

/// The lock that a plan used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlanLock {
    /// The file, for messages.
    pub file: String,
    /// Its serial.
    pub serial: u64,
    /// The section's runtime.
    pub runtime: String,
}

impl From<LockInUse<'_>> for PlanLock {
    fn from(lock: LockInUse<'_>) -> Self {
        Self { file: lock.label.to_owned(), serial: lock.serial, runtime: lock.section.runtime.to_string() }
    }
}

/// The inputs of a resolution besides the profile. The kinds add the versions of their languages.
pub fn runtime(facts: &NodeFacts) -> Runtime {
    let number = |text: &str| {
        let numbers: Vec<&str> =
            text.split(['.', '-']).take_while(|part| part.parse::<u32>().is_ok()).take(2).collect();
        (!numbers.is_empty()).then(|| numbers.join("."))
    };
    Runtime {
        os: format!("{} {}", facts.os.id, facts.os.version).trim().to_owned(),
        arch: facts.arch.clone(),
        version: facts.runtime.as_deref().and_then(number),
        python: None,
        r: None,
    }
}

/// The refusal of a lock that does not match.
pub fn not_fitting(drift: &Drift) -> Problem {
    Problem { causes: drift.reasons.clone(), ..Problem::new(drift.to_string()).hint(drift.hint()) }
}

/// Compares the files that planning has read with the lock. Other files are compared when they are staged.
pub fn check_assets(
    file: &LockFile,
    section: &Section,
    assets: &[NamedAsset<'_>],
    inventory: &Inventory,
) -> Result<(), Drift> {
    let mut reasons = Vec::new();
    for named in assets {
        let Some(found) = inventory.asset(named.file) else { continue };
        if matches!(found.asset, Asset::Created(_)) {
            continue;
        }
        let path = &named.file.path;
        match (section.asset(path), &found.bytes) {
            (None, _) => reasons.push(format!("the file `{path}` is not in the lock")),
            (Some(locked), Some(bytes)) if Digest::sha256(bytes) != locked.sha256 => {
                reasons.push(format!("the file `{path}` has changed"));
            }
            _ => {}
        }
    }
    if reasons.is_empty() { Ok(()) } else { Err(file.drift(reasons)) }
}
