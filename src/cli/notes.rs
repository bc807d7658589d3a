//! The notes of `check`: what a sound profile may still lack.

use super::{Env, target::read_lock};
use crate::{
    facts::NodeFacts,
    kinds::Profile,
    lock::{LockFile, Section},
    profile::Sections as _,
    steps::git::Revision,
};

/// The notes about a profile. `name` is that of the command line.
pub(super) fn notes(env: &Env, name: &str, profile: &Profile, facts: &NodeFacts) -> Vec<String> {
    let beside = if profile.lock.is_none() { lock_beside(env, name, facts) } else { None };
    let lock = profile.lock.as_ref().or(beside.as_ref());
    // The lock may be for other nodes than this one, so all its sections count.
    let sections = lock.map(|file| file.lock.sections.as_slice()).unwrap_or_default();
    let mut notes: Vec<String> = profile.notes.values().flatten().cloned().collect();
    notes.extend(without_digest(profile, sections));
    notes.extend(moving_branches(profile, sections));
    // A key with braces defines several entries of one line.
    notes.dedup();
    notes
}

/// The lock beside a profile. A lock that cannot be read is reported by the commands that use it.
fn lock_beside(env: &Env, name: &str, facts: &NodeFacts) -> Option<LockFile> {
    let path = env.filestore().ok()?.lock_path(name, facts.business_unit.as_deref()).ok().flatten()?;
    read_lock(env, &path).ok().flatten()
}

/// The files on servers that no digest and no signature authenticates.
fn without_digest(profile: &Profile, sections: &[Section]) -> Vec<String> {
    let is_locked = |path: &str| sections.iter().any(|section| section.asset(path).is_some());
    let assets = profile.sections.assets().into_iter();
    let lacking = assets.filter(|named| named.lacks_digest(profile.only_digests) && !is_locked(&named.file.path));
    let note = |path: &str, origin: &_| {
        format!(
            "`{path}` at {origin} has no digest, so a run is refused; add its `sha256` or `signed-by`, or run \
             `nodeagent lock`"
        )
    };
    lacking.map(|named| note(&named.file.path, named.origin)).collect()
}

/// The branches whose commit is in no lock.
fn moving_branches(profile: &Profile, sections: &[Section]) -> Vec<String> {
    let mut notes = Vec::new();
    for (folder, entry) in &profile.sections.git.0 {
        let (repository, folder) = (&entry.value, folder.display().to_string());
        let label = repository.revision.label();
        let is_locked = sections.iter().any(|section| section.git_commit(&folder, &repository.url, &label).is_some());
        if let (Revision::Branch(branch), false) = (&repository.revision, is_locked) {
            notes.push(format!(
                "the branch `{branch}` of `{folder}` at {} can move, and no lock has its commit, so a run is refused; \
                 run `nodeagent lock`, or name the `commit`",
                entry.origin
            ));
        }
    }
    notes
}
