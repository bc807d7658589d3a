//! Plans clones: one step for each folder that is not at its revision.

use std::path::Path;

use super::{
    checked::{Git, Repository, Revision},
    clone::CloneFolder,
    look::{FolderState, Look, state},
};
use crate::{
    inventory::Inventory,
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
    },
    plan::{Address, Common, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::{Entry, Section as _},
};

impl Planning for Git {
    type Look = Look;
    type Action = CloneFolder;

    fn look(&self, at: &LookAt<'_>) -> Look {
        Look(self.0.keys().map(|folder| (folder.clone(), state(at.root, folder))).collect())
    }

    plans_no_packages!();

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
            plan_folder(folder, entry, found, planner);
        }
    }
}

fn plan_folder(folder: &Path, entry: &Entry<Repository>, found: &FolderState, planner: &mut Planner<'_, CloneFolder>) {
    let repository = &entry.value;
    let common = planner.common;
    if is_ready(folder, repository, found, common) {
        return planner.ready(format!("git: {}", folder.display()));
    }
    let id = format!("git:{}", folder.display());
    let options = StepOptions { logins: planner.logins(), ..options(folder, entry) };
    let action = CloneFolder {
        profile: common.profile.to_owned(),
        folder: folder.to_owned(),
        repository: repository.clone(),
        is_update: matches!(found, FolderState::Repository { .. }),
    };
    let refuse =
        |message: String, hint: &str| Problem::new(message).hint(hint.to_owned()).asked_at(entry.origin.clone());
    let problem = match found {
        FolderState::Other => Some(refuse(
            format!("`{}` has files and is not a git repository", folder.display()),
            "move them away, or choose another folder",
        )),
        FolderState::Repository { origin, .. } if origin.as_deref() != Some(repository.url.as_str()) => Some(refuse(
            format!("`{}` is a clone of another repository", folder.display()),
            "move it away, or choose another folder",
        )),
        FolderState::Repository { .. } | FolderState::Empty => {
            let owner = repository.owner.as_ref().filter(|owner| common.inventory.users.owner(owner).is_none());
            owner.filter(|_| planner.earlier.steps.is_empty()).map(|owner| {
                refuse(format!("there is no owner `{owner}` on this node"), "add it to `[users]`, or check its name")
            })
        }
    };
    match problem {
        Some(problem) => planner.impossible(id, action, options, problem),
        None => planner.step(id, action, options),
    }
}

/// Whether a folder is a clone of the repository at the revision, with the right owner.
fn is_ready(folder: &Path, repository: &Repository, found: &FolderState, common: &Common<'_>) -> bool {
    let FolderState::Repository { head: Some(head), origin: Some(origin), uid } = found else { return false };
    let is_at_revision = match &repository.revision {
        Revision::Commit(commit) => commit == head,
        // Only git can find the commit of a tag, so the receipt has it.
        Revision::Tag(_) => {
            let record = common.inventory.receipt.git(common.profile, folder);
            record.is_some_and(|record| record.revision == repository.revision.label() && record.commit == *head)
        }
    };
    let owner = repository.owner.as_ref().and_then(|owner| common.inventory.users.owner(owner));
    is_at_revision && origin == repository.url.as_str() && owner.is_none_or(|(owner, _)| owner == *uid)
}

fn options(folder: &Path, entry: &Entry<Repository>) -> StepOptions {
    let mut options = StepOptions::new(entry, Phase::Files);
    options.creates.push(Resource::Path(folder.to_owned()));
    options.uses.push(Resource::folder_of(folder));
    if let Some((user, group)) = entry.value.owner.as_ref().map(|owner| owner.split_once(':').unwrap_or((owner, ""))) {
        options.uses.push(Resource::User(user.to_owned()));
        options.uses.extend((!group.is_empty()).then(|| Resource::Group(group.to_owned())));
    }
    options
}
