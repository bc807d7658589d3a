//! Plans clones: one step for each folder that is not at its revision.

use std::path::Path;

use super::{
    checked::{Git, Repository, Revision},
    clone::CloneFolder,
    locked_commit::{locked_commit, unlocked_branch},
    look::{FolderState, Look, state},
};
use crate::{
    inventory::Inventory,
    kinds::contract::{Asks, LookAt, Planning},
    lock::{Runtime, bare},
    plan::{Address, Common, Layer, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::{Entry, RunStage, Section as _},
    state::Receipt,
};

impl Planning for Git {
    type Look = Look;
    type Action = CloneFolder;

    fn look(&self, at: &LookAt<'_>) -> Look {
        Look(self.0.keys().map(|folder| (folder.clone(), state(at.root, folder))).collect())
    }

    fn as_shipped(look: &mut Look, _: &Receipt) {
        look.0.values_mut().for_each(|state| *state = FolderState::Empty);
    }

    fn runtime(_: &Look, _: &mut Runtime) {}

    fn lacks(&self, _: &Look, _: &Inventory) -> Option<String> {
        None
    }

    fn asks(&self, _: &Inventory, asks: &mut Asks) {
        for (folder, entry) in self.0.iter().filter(|(_, entry)| entry.value.revision.can_move()) {
            let Repository { url, revision, .. } = &entry.value;
            asks.add("git", &format!("{} {} {}", folder.display(), revision.label(), bare(url)), entry.optional);
        }
    }

    fn layer(&self, _: &Look, _: &Common<'_>) -> Option<Result<Layer, String>> {
        None
    }

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        let urls = self.0.values().map(|entry| entry.value.url.clone());
        urls.map(|url| Address { kind: Self::KEYS[0], is_git: true, url }).collect()
    }

    fn outline(&self) -> Vec<StepOptions> {
        self.0.iter().map(|(folder, entry)| options(folder, entry)).collect()
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, CloneFolder>) {
        for (folder, entry) in &self.0 {
            let found = look.0.get(folder).unwrap_or(&FolderState::Empty);
            FolderPlan { path: folder, entry, found }.plan(planner);
        }
    }
}

/// A folder to plan.
struct FolderPlan<'a> {
    path: &'a Path,
    entry: &'a Entry<Repository>,
    found: &'a FolderState,
}

impl FolderPlan<'_> {
    fn plan(&self, planner: &mut Planner<'_, CloneFolder>) {
        let (common, repository) = (planner.common, &self.entry.value);
        let action = CloneFolder {
            profile: common.profile.to_owned(),
            folder: self.path.to_owned(),
            repository: repository.clone(),
            locked: repository.revision.can_move().then(|| locked_commit(common, self.path, repository)).flatten(),
            is_update: matches!(self.found, FolderState::Repository { .. }),
        };
        let problem = unlocked_branch(common, self.path, self.entry);
        if problem.is_none() && self.is_ready(&action, common) {
            return planner.ready(format!("git: {}", self.path.display()));
        }
        let id = format!("git:{}", self.path.display());
        let options = StepOptions { logins: planner.logins(), ..options(self.path, self.entry) };
        match problem.or_else(|| self.problem(planner)) {
            Some(problem) => planner.impossible(id, action, options, problem),
            None => planner.step(id, action, options),
        }
    }

    /// Whether the folder is a clone of the repository at the revision, with the right owner.
    fn is_ready(&self, action: &CloneFolder, common: &Common<'_>) -> bool {
        let repository = &self.entry.value;
        let FolderState::Repository { head: Some(head), origin: Some(origin), uid } = self.found else { return false };
        let is_at_revision = match action.revision() {
            Revision::Commit(commit) => commit == *head,
            // Only git can find the commit of a tag, so the receipt has it.
            Revision::Tag(_) | Revision::Branch(_) => {
                let record = common.inventory.receipt.git(common.profile, self.path);
                record.is_some_and(|record| record.revision == repository.revision.label() && record.commit == *head)
            }
        };
        let owner = repository.owner.as_ref().and_then(|owner| common.inventory.users.owner(owner));
        is_at_revision && origin == repository.url.as_str() && owner.is_none_or(|(owner, _)| owner == *uid)
    }

    /// The reason why the repository cannot be cloned to the folder.
    fn problem(&self, planner: &Planner<'_, CloneFolder>) -> Option<Problem> {
        let (folder, repository) = (self.path.display(), &self.entry.value);
        let (message, hint) = match self.found {
            FolderState::Other => (
                format!("`{folder}` has files and is not a git repository"),
                "move them away, or choose another folder",
            ),
            FolderState::Repository { origin, .. } if origin.as_deref() != Some(repository.url.as_str()) => {
                (format!("`{folder}` is a clone of another repository"), "move it away, or choose another folder")
            }
            FolderState::Repository { .. } | FolderState::Empty => {
                let Common { inventory, is_for_lock, .. } = planner.common;
                // Its owner may be a user of the post-start stage, which a lock does not plan.
                if *is_for_lock && self.entry.order.stage == RunStage::PostStart {
                    return None;
                }
                let users = &inventory.users;
                let owner = repository.owner.as_ref().filter(|owner| users.owner(owner).is_none())?;
                if !planner.earlier.steps.is_empty() {
                    return None;
                }
                (format!("there is no owner `{owner}` on this node"), "add it to `[users]`, or check its name")
            }
        };
        Some(Problem::new(message).hint(hint.to_owned()).asked_at(self.entry.origin.clone()))
    }
}

fn options(folder: &Path, entry: &Entry<Repository>) -> StepOptions {
    let mut options = StepOptions::new(entry, Phase::Files);
    options.optional_entry = entry.optional.then(|| format!("git.{}", folder.display()));
    options.creates.push(Resource::Path(folder.to_owned()));
    options.uses.push(Resource::folder_of(folder));
    if let Some((user, group)) = entry.value.owner.as_ref().map(|owner| owner.split_once(':').unwrap_or((owner, ""))) {
        options.uses.push(Resource::User(user.to_owned()));
        options.uses.extend((!group.is_empty()).then(|| Resource::Group(group.to_owned())));
    }
    options
}
