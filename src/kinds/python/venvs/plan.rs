//! Plans the virtual environments: one step for each that does not exist or lacks packages.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    checked::Venv,
    install::VenvInstall,
    look::{FolderState, VenvLook},
};
use crate::{
    facts::PythonEnv,
    inventory::below,
    kinds::python::{
        action::Action,
        checked::Python,
        locked::not_installed,
        node::Node,
        plan_install::add,
        python_install::PythonInstall,
        ready::{is_installed, is_locked, not_covered},
        requested::{Request, file_requests, package_requests},
        requirements_file::opaque_marks,
    },
    lock::LockedDistribution,
    plan::{AwaitedPath, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::Entry,
};

/// The steps of a node that has no environment.
pub(in crate::kinds::python) fn outline(python: &Python) -> Vec<StepOptions> {
    python.pip.venvs.iter().map(|(folder, entry)| options(python, folder, entry)).collect()
}

/// Plans all environments. Returns whether any of them needs work.
pub(in crate::kinds::python) fn plan(
    python: &Python,
    looks: &BTreeMap<PathBuf, VenvLook>,
    planner: &mut Planner<'_, Action>,
) -> bool {
    let mut needs_work = false;
    for (folder, entry) in &python.pip.venvs {
        if let Some(look) = looks.get(folder) {
            needs_work |= VenvPlan { python, folder, entry, look }.plan(planner);
        }
    }
    needs_work
}

/// An environment to plan.
struct VenvPlan<'a> {
    python: &'a Python,
    folder: &'a Path,
    entry: &'a Entry<Venv>,
    look: &'a VenvLook,
}

impl VenvPlan<'_> {
    /// Plans the environment. Returns whether it needs work.
    fn plan(&self, planner: &mut Planner<'_, Action>) -> bool {
        let common = planner.common;
        let env = self.env(&common.inventory.root);
        let venv = &self.entry.value;
        let mut requests = package_requests(&venv.packages);
        requests.extend(file_requests(&venv.requirements, planner));
        let Some(markers) = env.markers(&common.facts.arch) else {
            let message = format!("the Python version of `{}` is unknown", env.interpreter.display());
            planner.refuse(&self.entry.origin, message, None);
            return false;
        };
        let is_new = !self.is_usable();
        let receipts = &common.inventory.receipt.python;
        let receipt = receipts.get(&env.site_packages.display().to_string()).filter(|_| !is_new);
        let receipt = receipt.cloned().unwrap_or_default();
        let node = Node { env: &env, markers, receipt, shipped: BTreeMap::new() };
        let locked = common.locked().map(|section| section.venv(&self.folder.display().to_string()));
        let lacking = locked.map(|files| not_installed(&env, files));
        let mut missing: Vec<Request> = Vec::new();
        for request in requests {
            let is_ready = match &lacking {
                None => is_installed(&node, &request, None),
                Some(lacking) => lacking.is_empty() && is_locked(common, &node, &request),
            };
            if is_new || !is_ready {
                missing.push(request);
            }
        }
        let lacks_locked = lacking.as_ref().is_some_and(|files| !files.is_empty());
        if !is_new && missing.is_empty() && !lacks_locked {
            planner.ready(format!("pip.venvs: {}", self.folder.display()));
            return false;
        }
        self.step(&node, &missing, lacking, planner);
        true
    }

    /// Plans the step of the missing entries.
    fn step(
        &self,
        node: &Node<'_>,
        missing: &[Request],
        locked: Option<Vec<LockedDistribution>>,
        planner: &mut Planner<'_, Action>,
    ) {
        let common = planner.common;
        let mut options = options(self.python, self.folder, self.entry);
        options.awaited = self.awaited(planner);
        options.logins = planner.logins();
        let mut install = PythonInstall {
            venv: Some(self.folder.to_owned()),
            smoke: Vec::new(),
            ..self.python.install(node, common, &mut options)
        };
        for request in missing {
            install.opaque.extend(opaque_marks(&request.requirements));
            add(common, &mut install, &request.entry, &mut options);
        }
        install.locked = locked;
        let uncovered = self.look.base.as_ref().and_then(|_| {
            let named = missing.iter().flat_map(|request| &request.requirements.named);
            let locked = common.locked()?.venv(&self.folder.display().to_string());
            let name = not_covered(node, named, |name| locked.iter().any(|file| file.name == *name))?;
            Some(common.not_locked(self.entry, &name))
        });
        let action = VenvInstall {
            folder: self.folder.to_owned(),
            base: self.entry.value.search(self.python.interpreter()),
            is_new: !self.is_usable(),
            install,
        };
        let (id, action) = (format!("venv:{}", self.folder.display()), Action::Venv(Box::new(action)));
        match self.problem(planner) {
            Some(problem) => planner.impossible(id, action, options, problem),
            None => planner.step_of_group(id, action, options, uncovered),
        }
    }

    /// Whether the environment exists with the right interpreter.
    fn is_usable(&self) -> bool {
        let FolderState::Venv(env) = &self.look.state else { return false };
        if self.look.is_of_other {
            return false;
        }
        let wanted = self.look.base_version().or(self.entry.value.search(self.python.interpreter()).version());
        wanted.is_none_or(|minor| minor == env.version.1)
    }

    /// The environment, or an empty one of the version that will be made.
    fn env(&self, root: &Path) -> PythonEnv {
        if let FolderState::Venv(env) = &self.look.state
            && self.is_usable()
        {
            return env.clone();
        }
        let (folder, minor) = (below(root, self.folder), self.look.base_version().unwrap_or_default());
        PythonEnv {
            interpreter: Venv::interpreter(&folder),
            version: (3, minor, 0),
            site_packages: folder.join(format!("lib/python3.{minor}/site-packages")),
            virtualenv: true,
            distributions: BTreeMap::new(),
        }
    }

    /// The reason why the environment cannot be made or filled.
    fn problem(&self, planner: &Planner<'_, Action>) -> Option<Problem> {
        let folder = self.folder.display();
        let is_own = planner.common.inventory.receipt.venvs.contains(self.folder);
        let (message, hint) = match &self.look.state {
            FolderState::Other => (
                format!("`{folder}` has files and is not a virtual environment"),
                "move them away, or choose another folder",
            ),
            FolderState::Foreign(uid) => (
                format!("`{folder}`, or a folder above it, belongs to the user with the id {uid}"),
                "choose a folder of root: nodeagent runs the interpreter of the environment as root",
            ),
            FolderState::MainEnvironment => (
                format!("`{folder}` is the environment of `[pip]`"),
                "choose another folder, or list the packages under `packages` in `[pip]`",
            ),
            FolderState::Broken if !is_own => (
                format!(
                    "`{folder}` is a virtual environment without a usable interpreter, and nodeagent did not create it"
                ),
                "remove it, or choose another folder",
            ),
            FolderState::Venv(_) if self.look.is_of_other && !is_own => (
                format!(
                    "`{folder}` is a virtual environment of another interpreter than its `python`, and nodeagent did \
                     not create it"
                ),
                "remove it, choose another folder, or set `python`",
            ),
            FolderState::Venv(env) if !self.is_usable() && !is_own => (
                format!(
                    "`{folder}` is a virtual environment of Python 3.{} with another version than its `python`, and \
                     nodeagent did not create it",
                    env.version.1
                ),
                "remove it, choose another folder, or set `python`",
            ),
            FolderState::Empty | FolderState::Broken | FolderState::Venv(_) => return self.no_interpreter(planner),
        };
        Some(Problem::new(message).hint(hint.to_owned()).asked_at(self.entry.origin.clone()))
    }

    /// The problem of an interpreter that is not on the node, if no step may bring it. A path that the profile names is
    /// decided by `awaited`.
    fn no_interpreter(&self, planner: &Planner<'_, Action>) -> Option<Problem> {
        let search = self.entry.value.search(self.python.interpreter());
        let may_come = !planner.earlier.steps.is_empty() || !self.entry.order.after.is_empty();
        if self.look.base.is_some() || self.is_usable() || may_come || search.path().is_some() {
            return None;
        }
        let hint = "install it with `[apt]`, or name another interpreter with `python`";
        Some(Problem::new(search.missing()).hint(hint.to_owned()).asked_at(self.entry.origin.clone()))
    }

    /// The interpreter that the profile names by its path, if the node does not have it and an entry must create it.
    fn awaited(&self, planner: &Planner<'_, Action>) -> Option<AwaitedPath> {
        let search = self.entry.value.search(self.python.interpreter());
        let path = search.path()?;
        // The files of Debian packages are not known before they are installed.
        let is_of_package = path.starts_with("/usr/bin") && planner.earlier.step_of("apt").is_some();
        let may_come = is_of_package || !self.entry.order.after.is_empty();
        if self.look.base.is_some() || self.is_usable() || may_come {
            return None;
        }
        let hint = "check the path; if a package or an installer of the profile brings it, add `after`, such as \
                    `after = [\"apt\"]`";
        let origin = self.entry.value.python.as_ref().map_or(&self.entry.origin, |python| &python.origin);
        let problem = Problem::new(search.missing()).hint(hint.to_owned()).asked_at(origin.clone());
        Some(AwaitedPath { path: path.to_owned(), problem })
    }
}

fn options(python: &Python, folder: &Path, entry: &Entry<Venv>) -> StepOptions {
    let mut options = StepOptions::new(entry, Phase::Environments);
    options.optional_entry = entry.optional.then(|| format!("pip.venvs.{}", folder.display()));
    options.beside = python.beside();
    options.creates.push(Resource::Path(folder.to_owned()));
    options.uses.push(Resource::folder_of(folder));
    options.uses.extend(entry.value.search(python.interpreter()).path().map(|path| Resource::Path(path.to_owned())));
    options
}
