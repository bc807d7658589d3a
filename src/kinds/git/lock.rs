//! Resolves the commits of branches and tags for a lock.

use super::{
    checked::{Repository, Revision},
    clone::CloneFolder,
};
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
        if has_later_value(&group.action.repository) {
            not_known_yet(work, &group)?;
            continue;
        }
        let (folder, repository) = (group.action.folder.display().to_string(), &group.action.repository);
        let revision = repository.revision.label();
        let known = work.base.git_commit(&folder, &repository.url, &revision);
        let commit = if let Some(commit) = known.filter(|_| !work.upgrade.moves(&folder)) {
            Ok(commit.to_owned())
        } else {
            let ctx = work.context_of(&group).await?;
            let found = git::commit_of(&ctx, &repository.url, &repository.revision).await;
            found.map_err(|problem| group.asked_here(problem))
        };
        match (commit, &group.optional) {
            (Ok(commit), _) => section.git.push(LockedGit { folder, url: bare(&repository.url), revision, commit }),
            (Err(problem), Some(name)) => work.left_out(name, &problem),
            (Err(problem), None) => return Err(problem),
        }
    }
    Ok(())
}

/// Whether the address has a value that only the post-start stage looks up. Such a value stays as written.
fn has_later_value(repository: &Repository) -> bool {
    repository.url.as_str().contains("$%7B")
}

/// Refuses the lock of a branch whose address is not known yet. A tag, and an optional entry, are left out with a
/// warning.
fn not_known_yet(work: &LockWork<'_>, group: &LockGroup<'_, CloneFolder>) -> Result<(), Problem> {
    let name = format!("git.{}", group.action.folder.display());
    let message = format!("the address of `{name}` has a value that is known only after the launch");
    let is_branch = matches!(group.action.repository.revision, Revision::Branch(_));
    if is_branch && group.optional.is_none() {
        let hint = "name its `commit` instead of `branch`, or use a variable in `url` that the launch knows";
        return Err(group.asked_here(Problem::new(message).hint(hint.to_owned())));
    }
    (work.warn)(format!("{message}; its commit is not locked"));
    Ok(())
}
