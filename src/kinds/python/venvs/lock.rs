//! Resolves the distributions of virtual environments for a lock.

use std::collections::BTreeMap;

use super::install::VenvInstall;
use crate::{
    inventory::below,
    kinds::{
        lock::{LockGroup, LockWork},
        python::{
            lock::{IDENTITY, lock_keeping},
            python_install::PythonInstall,
        },
    },
    lock::Section,
    problem::Problem,
    steps::Context,
};

/// Resolves each environment apart.
pub(in crate::kinds::python) async fn lock(
    work: &LockWork<'_>,
    groups: Vec<LockGroup<'_, VenvInstall>>,
    section: &mut Section,
) -> Result<(), Problem> {
    for group in groups {
        let folder = group.action.folder.display().to_string();
        let kept = work.base.venv(&folder).iter().filter(|file| !work.upgrade.moves(&file.name));
        let mut keep: BTreeMap<String, String> = kept.map(|file| (file.name.clone(), file.version.clone())).collect();
        let resolve = async |ctx: &Context, wanted: &VenvInstall, is_optional: bool| {
            let base = wanted.base.find(&ctx.root).ok_or_else(|| Problem::new(wanted.base.missing()))?;
            // pip of the runtime resolves for other interpreters, too.
            let pip = below(&ctx.root, &wanted.base.default);
            let interpreter = if pip.is_file() { pip } else { base.interpreter.clone() };
            let install = PythonInstall { interpreter, ..wanted.install.clone() };
            lock_keeping(work, ctx, (&install, &base.interpreter), &mut keep, is_optional).await
        };
        let mut found = work.resolve(vec![group], &IDENTITY, |_, wanted| wanted.clone(), resolve).await?;
        if !found.is_empty() {
            // The environment is optional as a whole.
            for file in &mut found {
                file.only_for.clear();
            }
            section.venvs.insert(folder, found);
        }
    }
    Ok(())
}
