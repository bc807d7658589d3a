//! Implements the contract of kinds for Python: acting and locking.

use std::{collections::BTreeMap, path::Path};

use super::{
    COMPILED,
    action::PythonInstall,
    checked::Python,
    installation::{self, Prepared},
};
use crate::{
    fs::FsError,
    inventory::Vault,
    kinds::{
        contract::{Acting, LeftBehind, LoginFile},
        lock::{Identity, LockGroup, LockWork, Upgrade},
    },
    lock::{self, LockedDistribution},
    problem::Problem,
    profile::FileStore,
    steps::Context,
};

impl Acting for Python {
    type Prepared = Prepared;

    fn word(action: &PythonInstall) -> &'static str {
        if action.is_only_wheels() { "wheel" } else { "pip" }
    }

    fn title(action: &PythonInstall) -> String {
        action.title()
    }

    fn describe(action: &PythonInstall, store: &FileStore) -> Vec<String> {
        action.describe(store)
    }

    fn can_refuse(_: &PythonInstall) -> bool {
        true
    }

    fn fills_layers(_: &PythonInstall) -> bool {
        true
    }

    fn login_file(_: &PythonInstall) -> LoginFile {
        LoginFile::NetrcByHost
    }

    async fn prepare(ctx: &Context, action: &PythonInstall) -> Result<Prepared, Problem> {
        installation::prepare(ctx, action).await
    }

    async fn act(ctx: &Context, action: &PythonInstall, prepared: Prepared, _: &Vault) -> Result<(), Problem> {
        installation::act(ctx, action, prepared).await
    }

    fn leaves_behind(action: &PythonInstall, prepared: &Prepared) -> LeftBehind {
        let compiled = action.compile.then(|| COMPILED.to_owned());
        let items = std::iter::once(action.interpreter.display().to_string()).chain(compiled).collect();
        LeftBehind { items, staging: prepared.staging() }
    }

    fn clean_up(root: &Path, run: &str, items: &[String]) -> Result<Vec<String>, FsError> {
        let Some((interpreter, rest)) = items.split_first() else { return Ok(Vec::new()) };
        let compiled = rest.iter().any(|item| item == COMPILED);
        super::clean_up_interrupted(root, Path::new(interpreter), run, compiled)
    }

    async fn lock(
        &self,
        work: &LockWork<'_>,
        groups: Vec<LockGroup<'_, PythonInstall>>,
        section: &mut lock::Section,
    ) -> Result<(), Problem> {
        if work.is_unchanged(&["pip", "wheel "]) {
            section.python.clone_from(&work.base.python);
            return Ok(());
        }
        let keep = work.base.python.iter().filter(|file| !work.upgrade.moves(&file.name));
        let mut keep: BTreeMap<String, String> = keep.map(|file| (file.name.clone(), file.version.clone())).collect();
        let identity =
            Identity { key: |file: &LockedDistribution| (&file.name, ""), only_for: |file| &mut file.only_for };
        let together = |required: &PythonInstall, wanted: &PythonInstall| {
            let mut both = wanted.clone();
            both.requirements.extend(required.requirements.iter().cloned());
            both.requirement_files.extend(required.requirement_files.iter().cloned());
            both.wheels.extend(required.wheels.iter().cloned());
            both
        };
        let resolve = async |ctx: &Context, both: &PythonInstall, is_optional: bool| {
            let mut found = super::lock(ctx, both, &keep).await;
            if found.is_err() && !keep.is_empty() && *work.upgrade == Upgrade::Nothing && !is_optional {
                let text =
                    "the requirements conflict with the locked Python versions, so all locked versions may change";
                (work.warn)(text.to_owned());
                keep.clear();
                found = super::lock(ctx, both, &keep).await;
            }
            if let (Ok(found), false) = (&found, is_optional) {
                // An optional entry must not move a required distribution.
                keep.extend(found.iter().map(|file| (file.name.clone(), file.version.clone())));
            }
            found
        };
        section.python = work.resolve(groups, &identity, together, resolve).await?;
        Ok(())
    }
}
