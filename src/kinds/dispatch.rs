//! The two halves of every kind of step, chosen by `match`.

use std::path::Path;

use super::{apt, python, r, secrets, shell};
use crate::{
    fs::{FsError, remove_partial_files_of, remove_tree},
    inventory::Vault,
    plan::Action,
    problem::Problem,
    state::Interrupted,
    steps::Context,
};

/// The beginning of a journal's item that is the folder of a layer.
const STAGED: &str = "staged:";

/// What a step found out and fetched before anything was changed.
pub enum Prepared {
    /// An apt transaction.
    Apt(apt::Prepared),
    /// A Python resolution.
    Python(python::Prepared),
    /// R packages, resolved and fetched.
    R(r::Prepared),
    /// Nothing was needed.
    Nothing,
}

impl Prepared {
    /// What a killed run would leave half-done: written to the journal before the step acts.
    pub fn journal_items(&self, action: &Action) -> Vec<String> {
        let staged = match self {
            Self::Python(python::Prepared::Layer(staged)) | Self::R(r::Prepared::Layer(staged)) => {
                Some(format!("{STAGED}{}", staged.folder().display()))
            }
            _ => None,
        };
        self.items(action).into_iter().chain(staged).collect()
    }

    fn items(&self, action: &Action) -> Vec<String> {
        match (self, action) {
            (Self::R(prepared), Action::RInstall(install)) => {
                let library = install.library.display().to_string();
                std::iter::once(library).chain(prepared.package_names()).collect()
            }
            (_, Action::PythonInstall(install)) => {
                let compiled = install.compile.then(|| python::COMPILED.to_owned());
                std::iter::once(install.interpreter.display().to_string()).chain(compiled).collect()
            }
            (_, Action::WriteFile(wanted)) => vec![wanted.path.display().to_string()],
            (_, Action::PlaceSecrets(wanted)) => vec![wanted.path.display().to_string()],
            (_, Action::RemoveSecrets(wanted)) => vec![wanted.path.display().to_string()],
            _ => Vec::new(),
        }
    }
}

/// Whether preparing may find a reason to refuse the whole run: nothing is changed before that is known.
pub fn may_refuse(action: &Action) -> bool {
    match action {
        Action::AptSources(_) | Action::PythonInstall(_) => true,
        // A locked file that is gone, or is another one, is a reason.
        Action::AptInstall(install) => !install.debs.is_empty() || install.locked.is_some(),
        Action::RInstall(install) => !install.archives.is_empty() || install.locked.is_some(),
        Action::WriteFile(_) | Action::PlaceSecrets(_) | Action::RemoveSecrets(_) | Action::TakeFile(_) => false,
    }
}

/// Resolves and downloads; changes nothing outside the agent's cache.
pub async fn prepare(ctx: &Context, action: &Action) -> Result<Prepared, Problem> {
    match action {
        Action::AptSources(wanted) => apt::sources::prepare(wanted).map(|()| Prepared::Nothing),
        Action::AptInstall(wanted) => apt::prepare(ctx, wanted).await.map(Prepared::Apt),
        Action::PythonInstall(wanted) => python::prepare(ctx, wanted).await.map(Prepared::Python),
        Action::RInstall(wanted) => r::prepare(ctx, wanted).await.map(Prepared::R),
        Action::WriteFile(_) | Action::PlaceSecrets(_) | Action::RemoveSecrets(_) => Ok(Prepared::Nothing),
        Action::TakeFile(path) => Err(Problem::new(format!("the file `{}` is not in the file store", path.display()))),
    }
}

/// Changes the node, and looks again.
pub async fn act(ctx: &Context, action: &Action, prepared: Prepared, vault: &Vault) -> Result<(), Problem> {
    match (action, prepared) {
        (Action::AptSources(wanted), _) => apt::sources::act(ctx, wanted).await,
        (Action::AptInstall(wanted), Prepared::Apt(prepared)) => apt::act(ctx, wanted, prepared).await,
        (Action::PythonInstall(wanted), Prepared::Python(prepared)) => python::act(ctx, wanted, prepared).await,
        (Action::RInstall(wanted), Prepared::R(prepared)) => r::act(ctx, wanted, prepared).await,
        (Action::WriteFile(wanted), _) => shell::act(ctx, wanted),
        (Action::PlaceSecrets(wanted), _) => secrets::act(ctx, wanted, vault),
        (Action::RemoveSecrets(wanted), _) => secrets::take_back(ctx, wanted),
        (Action::AptInstall(_) | Action::PythonInstall(_) | Action::RInstall(_) | Action::TakeFile(_), _) => {
            Err(Problem::new("this step was prepared as another kind; this is a bug in nodeagent, please report it"))
        }
    }
}

/// Removes what a killed or timed-out step left half-done.
pub fn clean_up_interrupted(root: &Path, left: &Interrupted) -> Result<Vec<String>, FsError> {
    let kind = left.step.split(':').next().unwrap_or_default();
    let (staged, items): (Vec<_>, Vec<_>) = left.items.iter().cloned().partition(|item| item.starts_with(STAGED));
    // A thread of the step may still be at work there; what else it left is cleared away all the same.
    let swept = staged.iter().try_for_each(|item| remove_tree(Path::new(&item[STAGED.len()..])));
    let removed = match (kind, items.split_first()) {
        ("r", Some((library, packages))) => {
            r::clean_up_interrupted(Path::new(library), packages)?;
            Ok(Vec::new())
        }
        ("pip", Some((interpreter, rest))) => {
            let compiled = rest.iter().any(|item| item == python::COMPILED);
            python::clean_up_interrupted(root, Path::new(interpreter), &left.run, compiled)
        }
        // dpkg repairs itself when apt next acts.
        ("apt", _) => Ok(Vec::new()),
        // Files are whole or absent, but one in the making may lie beside; it may hold a secret.
        _ => items.iter().try_for_each(|path| remove_partial_files_of(Path::new(path))).map(|()| Vec::new()),
    }?;
    swept.map(|()| removed)
}
