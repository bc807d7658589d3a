//! The commits that a lock has for branches and tags, and the refusal of a branch without one.

use std::path::Path;

use super::checked::{Git, Repository, Revision};
use crate::{plan::Common, problem::Problem, profile::Entry};

/// The commit that the lock has for the branch or the tag of a folder. In the post-start stage, the lock is that of the
/// launch.
pub(super) fn locked_commit(common: &Common<'_>, folder: &Path, repository: &Repository) -> Option<String> {
    let Repository { url, revision, .. } = repository;
    let (folder, revision) = (folder.display().to_string(), revision.label());
    let of_lock = common.locked().into_iter().flat_map(|section| &section.git);
    let found = of_lock.chain(common.launched_commits).find(|git| git.is_of(&folder, url, &revision));
    found.map(|git| git.commit.clone())
}

/// The refusal of a branch whose commit is not in a lock.
pub(super) fn unlocked_branch(common: &Common<'_>, folder: &Path, entry: &Entry<Repository>) -> Option<Problem> {
    let Revision::Branch(branch) = &entry.value.revision else { return None };
    if common.is_for_lock || locked_commit(common, folder, &entry.value).is_some() {
        return None;
    }
    let (why, hint) = match &common.lock {
        Some(lock) => (
            format!("the lock `{}` does not have its commit", lock.label),
            format!("run `nodeagent lock --profile {}`, or name the `commit` in the profile", common.profile),
        ),
        None => (
            "no lock has its commit".to_owned(),
            "run `nodeagent lock`, which writes the commit into the lock, or name the `commit` in the profile"
                .to_owned(),
        ),
    };
    let problem = Problem::new(format!("the branch `{branch}` can move, and {why}"));
    Some(problem.hint(hint).asked_at(entry.origin.clone()))
}

impl Git {
    /// The refusals of required branches without a locked commit. A launch decides so about the entries of the
    /// post-start stage, because that stage has no lock of its own.
    pub(in crate::kinds) fn unlocked_branches(&self, common: &Common<'_>) -> Vec<Problem> {
        let required = self.0.iter().filter(|(_, entry)| !entry.optional);
        required.filter_map(|(folder, entry)| unlocked_branch(common, folder, entry)).collect()
    }
}
