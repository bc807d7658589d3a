//! Makes and fills a virtual environment, and looks again.

use std::path::Path;

use super::{
    checked::Venv,
    install::VenvInstall,
    look::{FolderState, state},
};
use crate::{
    exec::kill_orphans,
    facts::PythonEnv,
    fs::{self, FsError},
    inventory::below,
    kinds::python::{
        cache::cache,
        hints,
        installation::{self, Installation},
        installer::Installer,
        python_install::PythonInstall,
        repair::{self, COMPILED},
        uv,
    },
    problem::Problem,
    state::Receipt,
    steps::{Context, scratch::ScratchFolder},
};

/// The journal's mark for an environment that is being made.
const NEW: &str = "venv";

/// The result of preparing an environment.
#[derive(Debug)]
pub enum Prepared {
    /// The resolution for the present environment succeeded.
    Resolved(Installation),
    /// The distributions of a lock were fetched, or the environment does not exist yet.
    Unresolved,
}

/// Resolves or fetches the distributions. An environment that does not exist yet is resolved in an empty one below the
/// agent's cache.
pub(in crate::kinds::python) async fn prepare(ctx: &Context, wanted: &VenvInstall) -> Result<Prepared, Problem> {
    let install = &wanted.install;
    if let Some(files) = &install.locked {
        installation::fetch_locked(ctx, install, files).await?;
        return Ok(Prepared::Unresolved);
    }
    let tool = uv::find(ctx, install).await?;
    if !wanted.is_new {
        if tool == Installer::Pip && !has_pip(&install.interpreter) {
            return Ok(Prepared::Unresolved);
        }
        return installation::prepare_installation(ctx, install).await.map(Prepared::Resolved);
    }
    // An earlier step may install the interpreter.
    let Some(base) = wanted.base.find(&ctx.root) else { return Ok(Prepared::Unresolved) };
    let scratch = ScratchFolder::below(&cache(ctx).join("venvs"));
    make(ctx, &tool, &base.interpreter, scratch.path(), install).await?;
    let apart = PythonInstall { interpreter: Venv::interpreter(scratch.path()), ..install.clone() };
    installation::resolve_all(ctx, &tool, &apart, None).await?;
    Ok(Prepared::Unresolved)
}

/// Makes the environment if necessary, installs the distributions and verifies them.
pub(in crate::kinds::python) async fn act(
    ctx: &Context,
    wanted: &VenvInstall,
    prepared: Prepared,
) -> Result<(), Problem> {
    if let Prepared::Resolved(resolved) = prepared {
        return installation::install_resolved(ctx, &wanted.install, resolved).await;
    }
    let (folder, tool) = (below(&ctx.root, &wanted.folder), uv::find(ctx, &wanted.install).await?);
    if wanted.is_new {
        replace(ctx, wanted, &tool, &folder).await?;
    }
    let env = PythonEnv::read(&Venv::interpreter(&folder))
        .map_err(|error| Problem::new("the virtual environment cannot be read").because(&error))?;
    if tool == Installer::Pip && !env.distributions.contains_key("pip") {
        let cmd = Installer::ensure_pip(&env.interpreter).log(ctx.logs.join(wanted.install.own_file("pip.log")));
        let done = ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd));
        done.map_err(|error| Problem::new("pip could not be installed into the environment").because(&error))?;
    }
    let (interpreter, site_packages) = (env.interpreter, env.site_packages);
    let install = PythonInstall { interpreter, site_packages, ..wanted.install.clone() };
    let unresolved = installation::unresolved(ctx, tool, &install).await?;
    installation::install_resolved(ctx, &install, unresolved).await
}

/// Makes an environment in place of an absent, an empty or an unusable one. nodeagent replaces only what it made.
async fn replace(ctx: &Context, wanted: &VenvInstall, tool: &Installer, folder: &Path) -> Result<(), Problem> {
    let is_own = Receipt::read(&ctx.root).venvs.contains(&wanted.folder);
    match state(&ctx.root, &wanted.folder, &wanted.base.default) {
        FolderState::Empty => {}
        FolderState::Broken | FolderState::Venv(_) if is_own => fs::remove_tree(folder)?,
        FolderState::Other
        | FolderState::Foreign(_)
        | FolderState::MainEnvironment
        | FolderState::Broken
        | FolderState::Venv(_) => {
            return Err(Problem::new(format!(
                "`{}` was created by another program during the run",
                wanted.folder.display()
            )));
        }
    }
    let base = wanted.base.find(&ctx.root).ok_or_else(|| Problem::new(wanted.base.missing()))?;
    if let Some(parent) = folder.parent() {
        fs::create_dirs(parent, 0o755)?;
    }
    Receipt::update(&ctx.root, |receipt| {
        receipt.venvs.insert(wanted.folder.clone());
        match wanted.base.path() {
            Some(path) => receipt.venv_interpreters.insert(wanted.folder.clone(), path.to_owned()),
            None => receipt.venv_interpreters.remove(&wanted.folder),
        };
        receipt.python.retain(|packages, _| !Path::new(packages).starts_with(folder));
    })?;
    ctx.progress.now("making the virtual environment", None);
    let made = make(ctx, tool, &base.interpreter, folder, &wanted.install).await;
    if made.is_err() {
        let _ = fs::remove_tree(folder);
    }
    made
}

/// Makes an empty environment.
async fn make(
    ctx: &Context,
    tool: &Installer,
    base: &Path,
    folder: &Path,
    install: &PythonInstall,
) -> Result<(), Problem> {
    let cmd = tool.make(base, folder).log(ctx.logs.join(install.own_file("pip.log")));
    let done = ctx.runner.run(&cmd).await?;
    if done.code == 0 {
        return Ok(());
    }
    // The module `venv` prints its errors to the standard output.
    let output = format!("{}\n{}", done.stdout, done.stderr);
    let mut problem = Problem::new("the virtual environment could not be created").hint(hints::of(&output));
    problem.causes = output.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Err(problem)
}

fn has_pip(interpreter: &Path) -> bool {
    PythonEnv::read(interpreter).is_ok_and(|env| env.distributions.contains_key("pip"))
}

/// The journal's items for an environment.
pub(in crate::kinds::python) fn leaves_behind(wanted: &VenvInstall) -> Vec<String> {
    if wanted.is_new {
        return vec![NEW.to_owned(), wanted.folder.display().to_string()];
    }
    let compiled = wanted.install.compile.then(|| COMPILED.to_owned());
    std::iter::once(wanted.install.interpreter.display().to_string()).chain(compiled).collect()
}

/// Removes an environment that a killed run was making. `None` if the items are those of another step.
pub(in crate::kinds::python) fn clean_up(root: &Path, items: &[String]) -> Option<Result<Vec<String>, FsError>> {
    let [mark, folder] = items else { return None };
    if mark != NEW {
        return None;
    }
    let folder = below(root, Path::new(folder));
    kill_orphans(|args| {
        args.iter().any(|arg| Path::new(arg).starts_with(&folder)) && repair::is_command_of_installer(args)
    });
    Some(fs::remove_tree(&folder).map(|()| vec![folder.display().to_string()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn an_environment_that_was_being_made_is_removed_after_a_kill() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        put(&temp.path().join("opt/x/pyvenv.cfg"), "");
        let items = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert!(clean_up(temp.path(), &items(&["/opt/x/bin/python", COMPILED])).is_none());
        assert!(temp.path().join("opt/x").exists());
        clean_up(temp.path(), &items(&[NEW, "/opt/x"])).expect("its items").expect("removed");
        assert!(!temp.path().join("opt/x").exists() && temp.path().join("opt").exists());
    }
}
