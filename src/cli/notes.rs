//! The notes of `check`: what a sound profile may still lack.

use std::{collections::HashSet, path::PathBuf};

use super::{Env, target::read_lock};
use crate::{
    diagnostic::Origin,
    facts::NodeFacts,
    kinds::{
        Profile,
        git::{Repository, Revision},
    },
    lock::{LockFile, Section},
    profile::{CoveredBy, Entry, Sections as _, UnencryptedSource},
};

/// The notes about a profile. `name` is that of the command line.
pub(super) fn notes(env: &Env, name: &str, profile: &Profile, facts: &NodeFacts) -> Vec<String> {
    let mut notes: Vec<String> = profile.notes.values().flatten().cloned().collect();
    let (files, branches) = (files_without_digest(profile), branches(profile));
    let unencrypted = unencrypted(profile, facts);
    // Reading the lock takes time.
    if !files.is_empty() || !branches.is_empty() || !unencrypted.is_empty() {
        let beside = if profile.lock.is_none() { lock_beside(env, name, facts) } else { Ok(None) };
        match (profile.lock.as_ref(), beside) {
            (Some(lock), _) => {
                notes.extend(not_locked(&files, &branches, &lock.lock.sections));
                notes.extend(not_encrypted(&unencrypted, &lock.lock.sections));
            }
            (None, Ok(beside)) => {
                let sections = beside.as_ref().map(|file| file.lock.sections.as_slice()).unwrap_or_default();
                notes.extend(not_locked(&files, &branches, sections));
                notes.extend(not_encrypted(&unencrypted, sections));
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

/// The files on servers that neither a digest nor a signature authenticates, with their profile lines.
fn files_without_digest(profile: &Profile) -> Vec<(String, Origin)> {
    let assets = profile.sections.assets().into_iter();
    let lacking = assets.filter(|named| named.lacks_digest(profile.only_digests));
    lacking.map(|named| (named.file.path.clone(), named.origin.clone())).collect()
}

/// The clones of branches, by their folders.
fn branches(profile: &Profile) -> Vec<(&PathBuf, &Entry<Repository>)> {
    let clones = profile.sections.git.0.iter();
    clones.filter(|(_, entry)| matches!(entry.value.revision, Revision::Branch(_))).collect()
}

/// The sources without encryption whose content no digest of the profile covers, except those that this node allows.
fn unencrypted<'a>(profile: &'a Profile, facts: &NodeFacts) -> Vec<UnencryptedSource<'a>> {
    let sources = profile.sections.unencrypted_sources().into_iter();
    sources.filter(|source| !source.address.is_of(&facts.insecure_http)).collect()
}

/// The notes about sources without encryption that no section of a lock covers.
fn not_encrypted(sources: &[UnencryptedSource<'_>], sections: &[Section]) -> Vec<String> {
    let is_covered = |source: &&UnencryptedSource<'_>| match &source.covered_by {
        CoveredBy::PythonPackages => sections.iter().any(Section::has_only_wheels),
        CoveredBy::RPackages => !sections.is_empty(),
        CoveredBy::File(file) => sections.iter().any(|section| section.asset(&file.path).is_some()),
        CoveredBy::Commit { folder, url, revision } => {
            let folder = folder.display().to_string();
            sections.iter().any(|section| section.git_commit(&folder, url, revision).is_some())
        }
    };
    let open = sources.iter().filter(|source| !is_covered(source));
    open.map(|source| format!("{} ({}), so a run is refused; {}", source.message(), source.origin, source.hint()))
        .collect()
}

/// The notes about files and branches that no section of a lock has. The lock may be for other nodes than this one, so
/// all its sections count.
fn not_locked(
    files: &[(String, Origin)],
    branches: &[(&PathBuf, &Entry<Repository>)],
    sections: &[Section],
) -> Vec<String> {
    let mut locked: HashSet<&str> =
        sections.iter().flat_map(|section| &section.assets).map(|asset| asset.path.as_str()).collect();
    locked.extend(sections.iter().flat_map(|section| section.folders.keys()).map(String::as_str));
    let files = files.iter().filter(|(path, _)| !locked.contains(path.as_str())).map(|(path, origin)| {
        if path.ends_with('/') {
            return format!(
                "no lock has the files of the folder `{path}` at {origin}, so a run is refused; run `nodeagent lock`"
            );
        }
        format!(
            "`{path}` at {origin} has no digest, so a run is refused; add its `sha256` or `signed-by`, or run \
             `nodeagent lock`"
        )
    });
    let branches = branches.iter().filter_map(|(folder, entry)| {
        let Revision::Branch(name) = &entry.value.revision else { return None };
        let (folder, url, label) = (folder.display().to_string(), &entry.value.url, entry.value.revision.label());
        let is_locked = sections.iter().any(|section| section.git_commit(&folder, url, &label).is_some());
        (!is_locked).then(|| {
            format!(
                "the branch `{name}` of `{folder}` at {} can move, and no lock has its commit, so a run is refused; run \
                 `nodeagent lock`, or name the `commit`",
                entry.origin
            )
        })
    });
    files.chain(branches).collect()
}
