//! The plan of one path of `[files]`: its records, its step and the options of the step.

use std::path::{Path, PathBuf};

use super::{
    action::{Action, Work},
    checked::{File, Form},
    look::Found,
};
use crate::{
    inventory::below,
    plan::{Common, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::Entry,
    report::event::Difference,
    state::{ATTRIBUTES, Item, WHOLE},
};

/// Files that package tools read: they are written before packages are installed.
const OF_PACKAGE_TOOLS: [&str; 4] = ["/etc/apt", "/etc/pip.conf", "/etc/uv", "/etc/R/Rprofile.site"];

/// Plans one path.
pub(super) struct PathPlan<'p, 'a> {
    pub(super) entry: &'p Entry<File>,
    pub(super) found: &'p Found,
    pub(super) planner: &'p mut Planner<'a, Action>,
}

impl PathPlan<'_, '_> {
    /// Records the items of the entry.
    pub(super) fn declare(&mut self) {
        let names = &self.entry.order.names;
        let is_of_others = matches!(self.entry.value.form, Form::Attributes);
        if !is_of_others {
            self.planner.writes(&self.found.path, &self.entry.origin);
        }
        if self.entry.value.is_whole() {
            // A whole entry overwrites the items of earlier edits.
            let parts: Vec<String> = self.recorded().map(|(part, _)| part.clone()).collect();
            for part in parts {
                self.planner.makes(&self.found.path, part, names);
            }
            self.planner.makes(&self.found.path, WHOLE, names);
        } else if is_of_others {
            self.planner.makes(&self.found.path, ATTRIBUTES, names);
        }
    }

    /// The records of items that earlier runs made at the path.
    pub(super) fn recorded(&self) -> impl Iterator<Item = (&String, &Item)> {
        let Common { profile, inventory, .. } = self.planner.common;
        inventory.receipt.items_at(profile, &self.found.path)
    }

    pub(super) fn ready(&mut self) {
        self.planner.ready(format!("files: {}", self.found.path.display()));
    }

    pub(super) fn step(&mut self, work: Work, difference: Option<Difference>) {
        self.step_with(work, difference, |options| options);
    }

    pub(super) fn step_with(
        &mut self,
        work: Work,
        difference: Option<Difference>,
        change: impl FnOnce(StepOptions) -> StepOptions,
    ) {
        let (id, action) = (self.id(), self.action(work));
        let options = change(options(&self.found.path, self.entry));
        self.planner.step(id, action, options);
        self.planner.differs(difference);
    }

    /// The path cannot be as the profile wants it.
    pub(super) fn impossible(&mut self, problem: Problem) {
        let (id, action) = (self.id(), self.action(Work::Impossible));
        let problem = match &problem.origin {
            Some(_) => problem,
            None => problem.asked_at(self.entry.origin.clone()),
        };
        self.planner.impossible(id, action, options(&self.found.path, self.entry), problem);
    }

    fn id(&self) -> String {
        format!("files:{}", self.found.path.display())
    }

    fn action(&self, work: Work) -> Action {
        let file = &self.entry.value;
        Action {
            profile: self.planner.common.profile.to_owned(),
            file: self.found.path.clone(),
            path: self.real(),
            mode: file.mode.clone(),
            owner: file.owner.clone(),
            work,
        }
    }

    /// The path below the root.
    pub(super) fn real(&self) -> PathBuf {
        below(&self.planner.common.inventory.root, &self.found.path)
    }

    /// The ids of the wanted owner. `None` if the entry has none, or the user does not exist yet.
    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        self.planner.common.inventory.users.owner(self.entry.value.owner.as_ref()?)
    }

    /// Whether the present file has the wanted mode and owner. A file with secrets has mode 0600 by default.
    pub(super) fn has_attributes(&self) -> bool {
        let Some(found) = &self.found.file else { return false };
        let file = &self.entry.value;
        let mode = match &file.mode {
            Some(mode) => mode.of(found.mode, false),
            None if file.has_secrets() => 0o600,
            None => found.mode,
        };
        mode == found.mode && (file.owner.is_none() || self.owner() == Some(found.owner))
    }
}

/// The options of the step of an entry.
pub(super) fn options(path: &Path, entry: &Entry<File>) -> StepOptions {
    let file = &entry.value;
    let is_known = path.is_absolute();
    let creates = is_known && !matches!(file.form, Form::Absent | Form::Attributes);
    let mut uses: Vec<Resource> = file.user().map(|user| Resource::User(user.to_owned())).into_iter().collect();
    uses.extend(file.owner.as_deref().and_then(|owner| Some(Resource::Group(owner.split_once(':')?.1.to_owned()))));
    if is_known {
        uses.push(Resource::folder_of(path));
    }
    if let Form::Link(target) = &file.form
        && target.is_absolute()
    {
        uses.push(Resource::Path(target.clone()));
    }
    if let Form::Copy(from) = &file.form
        && from.path.starts_with('/')
    {
        uses.push(Resource::Path(PathBuf::from(&from.path)));
    }
    if matches!(file.form, Form::Attributes) && is_known {
        uses.push(Resource::Path(path.to_owned()));
    }
    StepOptions {
        creates: creates.then(|| Resource::Path(path.to_owned())).into_iter().collect(),
        uses,
        ..StepOptions::new(entry, phase(path))
    }
}

fn phase(path: &Path) -> Phase {
    let is_of_package_tool = OF_PACKAGE_TOOLS.iter().any(|folder| path.starts_with(folder));
    if is_of_package_tool { Phase::Configuration } else { Phase::Files }
}
