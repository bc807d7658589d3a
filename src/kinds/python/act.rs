//! Implements the contract of kinds for Python: acting and locking.

use std::{collections::BTreeMap, path::Path};

use super::{
    COMPILED,
    action::Action,
    checked::Python,
    installation::{self, Prepared as Preparation},
    lock::{IDENTITY, lock_keeping},
    python_install::PythonInstall,
    removal, venvs,
};
use crate::{
    fs::FsError,
    inventory::Vault,
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        lock::{LockGroup, LockWork},
    },
    lock,
    problem::Problem,
    profile::FileStore,
    steps::Context,
};

/// The result of preparing a Python step.
pub enum Prepared {
    /// A layer, or distributions to install.
    Install(Preparation),
    /// A virtual environment.
    Venv(venvs::Prepared),
    /// A removal needs no preparation.
    Remove,
}

impl Acting for Python {
    type Prepared = Prepared;

    fn word(action: &Action) -> &'static str {
        action.word()
    }

    fn title(action: &Action) -> String {
        action.title()
    }

    fn describe(action: &Action, store: &FileStore) -> Vec<String> {
        action.describe(store)
    }

    fn can_refuse(action: &Action) -> bool {
        match action {
            Action::Install(_) | Action::Venv(_) => true,
            Action::Remove(_) => false,
        }
    }

    fn fills_layers(action: &Action) -> bool {
        match action {
            Action::Install(_) => true,
            Action::Venv(_) | Action::Remove(_) => false,
        }
    }

    fn login_file(_: &Action) -> LoginFile {
        LoginFile::NetrcByHost
    }

    async fn prepare(ctx: &Context, action: &Action) -> Result<Prepared, Problem> {
        match action {
            Action::Install(wanted) => installation::prepare(ctx, wanted).await.map(Prepared::Install),
            Action::Venv(wanted) => venvs::prepare(ctx, wanted).await.map(Prepared::Venv),
            Action::Remove(_) => Ok(Prepared::Remove),
        }
    }

    async fn act(ctx: &Context, action: &Action, prepared: Prepared, _: &Vault) -> Result<(), Problem> {
        match (action, prepared) {
            (Action::Install(wanted), Prepared::Install(prepared)) => installation::act(ctx, wanted, prepared).await,
            (Action::Venv(wanted), Prepared::Venv(prepared)) => venvs::act(ctx, wanted, prepared).await,
            (Action::Remove(wanted), _) => removal::act(ctx, wanted).await,
            (Action::Install(_) | Action::Venv(_), _) => Err(Problem::new(
                "distributions were prepared as another action; this is a bug in nodeagent, please report it",
            )),
        }
    }

    fn leaves_behind(action: &Action, prepared: &Prepared) -> LeftBehind {
        let (wanted, staging) = match (action, prepared) {
            (Action::Install(wanted), Prepared::Install(prepared)) => (&**wanted, prepared.staging()),
            (Action::Install(wanted), _) => (&**wanted, None),
            (Action::Venv(wanted), _) => return LeftBehind::items(venvs::leaves_behind(wanted)),
            (Action::Remove(removal), _) => (&removal.environment, None),
        };
        let compiled = wanted.compile.then(|| COMPILED.to_owned());
        let items = std::iter::once(wanted.interpreter.display().to_string()).chain(compiled).collect();
        LeftBehind { items, staging }
    }

    fn clean_up(root: &Path, how: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        if let Some(cleaned) = venvs::clean_up(root, items) {
            return cleaned;
        }
        let Some((interpreter, rest)) = items.split_first() else { return Ok(Vec::new()) };
        let compiled = rest.iter().any(|item| item == COMPILED);
        super::clean_up_interrupted(root, Path::new(interpreter), how, compiled)
    }

    async fn lock(
        &self,
        work: &LockWork<'_>,
        groups: Vec<LockGroup<'_, Action>>,
        section: &mut lock::Section,
    ) -> Result<(), Problem> {
        if work.is_unchanged(&["pip", "wheel ", "venv "]) {
            section.python.clone_from(&work.base.python);
            section.venvs.clone_from(&work.base.venvs);
            return Ok(());
        }
        let keep = work.base.python.iter().filter(|file| !work.upgrade.moves(&file.name));
        let mut keep: BTreeMap<String, String> = keep.map(|file| (file.name.clone(), file.version.clone())).collect();
        let together = |required: &PythonInstall, wanted: &PythonInstall| {
            let mut both = wanted.clone();
            both.requirements.extend(required.requirements.iter().cloned());
            both.requirement_files.extend(required.requirement_files.iter().cloned());
            both.wheels.extend(required.wheels.iter().cloned());
            both
        };
        let resolve = async |ctx: &Context, both: &PythonInstall, is_optional: bool| {
            let found = lock_keeping(work, ctx, (both, &both.interpreter), &mut keep, is_optional).await;
            if let (Ok(found), false) = (&found, is_optional) {
                // An optional entry must not move a required distribution.
                keep.extend(found.iter().map(|file| (file.name.clone(), file.version.clone())));
            }
            found
        };
        let installs = groups.iter().filter_map(|group| match group.action {
            Action::Install(install) => Some(group.with(&**install)),
            Action::Venv(_) | Action::Remove(_) => None,
        });
        section.python = work.resolve(installs.collect(), &IDENTITY, together, resolve).await?;
        let made = groups.iter().filter_map(|group| match group.action {
            Action::Venv(venv) => Some(group.with(&**venv)),
            Action::Install(_) | Action::Remove(_) => None,
        });
        venvs::lock(work, made.collect(), section).await
    }
}
