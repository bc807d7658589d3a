//! Resolves the commits of branches and tags for a lock.

use super::clone::CloneFolder;
use crate::{
    kinds::lock::{LockGroup, LockWork},
    lock::{LockedGit, Section, bare},
    problem::Problem,
    steps::git,
};

/// Resolves the commit of each branch and tag. Keeps the locked commit unless `--upgrade` names the folder or all are
/// upgraded.
pub(super) async fn lock(
    work: &LockWork<'_>,
    groups: Vec<LockGroup<'_, CloneFolder>>,
    section: &mut Section,
) -> Result<(), Problem> {
    for group in groups.into_iter().filter(|group| group.action.repository.revision.can_move()) {
        let (folder, repository) = (group.action.folder.display().to_string(), &group.action.repository);
        let revision = repository.revision.label();
        let known = work.base.git_commit(&folder, &repository.url, &revision);
        let commit = if let Some(commit) = known.filter(|_| !work.upgrade.moves(&folder)) {
            Ok(commit.to_owned())
        } else {
            let ctx = work.context_of(&group).await?;
            git::commit_of(&ctx, &repository.url, &repository.revision).await
        };
        match (commit, &group.optional) {
            (Ok(commit), _) => section.git.push(LockedGit { folder, url: bare(&repository.url), revision, commit }),
            (Err(problem), Some(name)) => work.left_out(name, &problem),
            (Err(problem), None) => return Err(problem),
        }
    }
    Ok(())
}
