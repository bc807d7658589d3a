//! The notes of `check`: what a sound profile may still lack.

use std::collections::HashSet;

use super::{Env, target::read_lock};
use crate::{
    diagnostic::Origin,
    facts::NodeFacts,
    kinds::Profile,
    lock::{LockFile, Section},
    profile::Sections as _,
    steps::git::Revision,
};

/// The notes about a profile. `name` is that of the command line.
pub(super) fn notes(env: &Env, name: &str, profile: &Profile, facts: &NodeFacts) -> Vec<String> {
    let mut notes: Vec<String> = profile.notes.values().flatten().cloned().collect();
    let (files, branches) = (files_without_digest(profile), branches(profile));
    // Reading the lock takes time.
    if !files.is_empty() || !branches.is_empty() {
        let beside = if profile.lock.is_none() { lock_beside(env, name, facts) } else { Ok(None) };
        match (profile.lock.as_ref(), beside) {
            (Some(lock), _) => notes.extend(not_locked(&files, &branches, &lock.lock.sections)),
            (None, Ok(beside)) => {
                let sections = beside.as_ref().map(|file| file.lock.sections.as_slice()).unwrap_or_default();
                notes.extend(not_locked(&files, &branches, sections));
            }
            (None, Err(path)) => notes.push(format!("the lock `{path}` cannot be read: `nodeagent check {path}`")),
        }
    }
    // A key with braces defines several entries of one line.
    let mut seen = HashSet::new();
    notes.retain(|note| seen.insert(note.clone()));
    notes
}

/// The lock beside a profile. The error is its path, if it cannot be read.
fn lock_beside(env: &Env, name: &str, facts: &NodeFacts) -> Result<Option<LockFile>, String> {
    let Ok(store) = env.filestore() else { return Ok(None) };
    let Ok(Some(path)) = store.lock_path(name, facts.business_unit.as_deref()) else { return Ok(None) };
    read_lock(env, &path).map_err(|_| store.shown(&path))
}

/// A branch of a clone.
struct Branch {
    name: String,
    folder: String,
    repository: url::Url,
    label: String,
    origin: Origin,
}

/// The files on servers that neither a digest nor a signature authenticates, with their profile lines.
fn files_without_digest(profile: &Profile) -> Vec<(String, Origin)> {
    let assets = profile.sections.assets().into_iter();
    let lacking = assets.filter(|named| named.lacks_digest(profile.only_digests));
    lacking.map(|named| (named.file.path.clone(), named.origin.clone())).collect()
}

fn branches(profile: &Profile) -> Vec<Branch> {
    let branch = |folder: &std::path::Path, entry: &crate::profile::Entry<crate::kinds::git::Repository>| {
        let Revision::Branch(name) = &entry.value.revision else { return None };
        Some(Branch {
            name: name.clone(),
            folder: folder.display().to_string(),
            repository: entry.value.url.clone(),
            label: entry.value.revision.label(),
            origin: entry.origin.clone(),
        })
    };
    profile.sections.git.0.iter().filter_map(|(folder, entry)| branch(folder, entry)).collect()
}

/// The notes about files and branches that no section of a lock has. The lock may be for other nodes than this one, so
/// all its sections count.
fn not_locked(files: &[(String, Origin)], branches: &[Branch], sections: &[Section]) -> Vec<String> {
    let locked: HashSet<&str> =
        sections.iter().flat_map(|section| &section.assets).map(|asset| asset.path.as_str()).collect();
    let files = files.iter().filter(|(path, _)| !locked.contains(path.as_str())).map(|(path, origin)| {
        format!(
            "`{path}` at {origin} has no digest, so a run is refused; add its `sha256` or `signed-by`, or run \
             `nodeagent lock`"
        )
    });
    let is_locked = |branch: &Branch| {
        let commit =
            |section: &Section| section.git_commit(&branch.folder, &branch.repository, &branch.label).is_some();
        sections.iter().any(commit)
    };
    let branches = branches.iter().filter(|branch| !is_locked(branch)).map(|Branch { name, folder, origin, .. }| {
        format!(
            "the branch `{name}` of `{folder}` at {origin} can move, and no lock has its commit, so a run is refused; \
             run `nodeagent lock`, or name the `commit`"
        )
    });
    files.chain(branches).collect()
}
