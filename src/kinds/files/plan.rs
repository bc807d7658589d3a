//! Plans `[files]`: one step for each path that differs.

use super::{
    action::{Action, Work},
    checked::{File, Files, Form},
    look::{Look, LookError},
    path_plan::{PathPlan, options},
    plan_edits, plan_unpack, plan_whole,
};
use crate::{
    inventory::Inventory,
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
    },
    plan::{Address, Common, Planner, StepOptions},
    problem::Problem,
    profile::Entry,
};

impl Planning for Files {
    type Look = Look;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Look {
        Look::read(self, at)
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        self.0.iter().map(|(path, entry)| options(path, entry)).collect()
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, Action>) {
        // The copies of files that other entries create come last: they depend on the steps of these.
        let (last, first): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, entry)| entry.value.copies_from_node());
        for (key, entry) in first.into_iter().chain(last) {
            match look.get(key) {
                Some(Ok(found)) => one(PathPlan { entry, found, planner }, self),
                Some(Err(error)) => {
                    let action = Action {
                        profile: planner.common.profile.to_owned(),
                        file: key.clone(),
                        path: key.clone(),
                        mode: None,
                        owner: None,
                        work: Work::Impossible,
                    };
                    let id = format!("files:{}", key.display());
                    planner.impossible(id, action, options(key, entry), problem_of(error, entry, planner.common));
                }
                None => {}
            }
        }
    }
}

fn problem_of(error: &LookError, entry: &Entry<File>, common: &Common<'_>) -> Problem {
    let problem = match error {
        LookError::NoUser(user) => {
            let users = &common.inventory.users;
            let near = crate::diagnostic::nearest(user, users.names()).map(|near| format!("did you mean `{near}`?"));
            Problem::new(format!("there is no user `{user}` on this node, so the path is not known")).hint(near)
        }
        LookError::Fs(error) => Problem::from_error(error).hint(error.hint()),
    };
    problem.asked_at(entry.origin.clone())
}

fn one(mut path: PathPlan<'_, '_>, files: &Files) {
    path.declare();
    if path.entry.value.keep && path.found.entry.is_some() {
        return path.ready();
    }
    match &path.entry.value.form {
        Form::Edits(edits) => plan_edits::plan(&mut path, edits),
        Form::Unpack(archive) => plan_unpack::plan(&mut path, files, archive),
        _ => plan_whole::plan(&mut path),
    }
}
