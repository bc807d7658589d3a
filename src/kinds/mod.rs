//! Each kind of work in a folder of its own: the grammar as written (`written`), its checked form (`grammar`), the rules, the plan (pure), the
//! acting code with its second look, the hints and the tests. `list` has one row for each kind.

pub mod apt;
mod contract;
mod list;
mod lock;
mod node;
pub mod python;
pub mod r;
pub mod secrets;
pub mod shell;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use contract::LoginFile;
pub use list::{Action, Kind, Looks, Prepared, Sections};
pub use lock::{LockWork, Upgrade};
pub use node::Node;
use serde_json::Value;

use crate::{
    fs::{FsError, remove_partial_files_of, remove_tree},
    plan::{self, Layer},
    problem::Problem,
    profile::{self, FileStore, ProfileError, Request},
    report::text::counted,
    state::Interrupted,
    steps::{
        Context,
        layer::{self, Baked},
    },
    trust::SecretKey,
};

/// A checked profile with the sections of all kinds.
pub type Profile = profile::Profile<Sections>;
/// A plan of steps of all kinds.
pub type Plan = plan::Plan<Action>;
/// A step of any kind.
pub type Step = plan::Step<Action>;

/// The beginning of a journal's item that is the folder of a layer.
const STAGED: &str = "staged:";

/// Loads and checks a profile.
///
/// # Errors
/// All mistakes of all its files.
pub fn load(request: &Request<'_>) -> Result<Profile, ProfileError> {
    profile::load(request)
}

/// The JSON Schema of a profile.
pub fn json_schema() -> Value {
    profile::json_schema::<Sections>()
}

/// The work of a step as commands and differences, one line each.
pub fn describe(step: &Step, store: &FileStore) -> Vec<String> {
    let login = |used: &plan::Login| {
        let login = &used.login;
        format!("may log in at {} as {} (secret {}/{})", login.site, login.user, login.scope, login.key)
    };
    step.action.describe(store).into_iter().chain(step.logins.iter().map(login)).collect()
}

/// The journal's items for what a killed run would leave half-done.
pub fn journal_items(action: &Action, prepared: &Prepared) -> Vec<String> {
    let left = action.leaves_behind(prepared);
    let staging = left.staging.map(|folder| format!("{STAGED}{}", folder.display()));
    left.items.into_iter().chain(staging).collect()
}

/// Removes what a killed or timed-out step left half-done. Returns the names of what was removed, for a warning.
///
/// # Errors
/// When a file cannot be removed.
pub fn clean_up_interrupted(root: &Path, left: &Interrupted<Kind>) -> Result<Vec<String>, FsError> {
    let (staged, items): (Vec<_>, Vec<_>) = left.items.iter().cloned().partition(|item| item.starts_with(STAGED));
    // A thread of the step may still be at work there; the other items are cleared away all the same.
    let swept = staged.iter().try_for_each(|item| remove_tree(Path::new(&item[STAGED.len()..])));
    let removed = match left.kind {
        Some(kind) => kind.clean_up(root, &left.run, &items)?,
        // The journal of a version that did not write the kind: its files are whole or absent.
        None => remove_partial_files(&items)?,
    };
    swept.map(|()| removed)
}

/// Removes the partial files beside files that are written whole. A partial file may hold a secret.
pub(crate) fn remove_partial_files(paths: &[String]) -> Result<Vec<String>, FsError> {
    paths.iter().try_for_each(|path| remove_partial_files_of(Path::new(path))).map(|()| Vec::new())
}

/// Makes a layer of the installed files on this node and publishes it, signed with `signer` if there is one.
///
/// # Errors
/// When the environment cannot be kept, or the layer cannot be packed or published.
pub async fn bake(ctx: &Context, layer: &Layer, signer: Option<&SecretKey>) -> Result<Baked, Problem> {
    match layer.of {
        plan::Environment::Python => {
            python::usable(ctx, &layer.program, &layer.smoke, python::Trace::None).await?;
        }
        plan::Environment::R => r::check_can_bake()?,
    }
    layer::bake(ctx, layer, signer).await
}

/// One line that says that the lock names the packages.
pub(crate) fn by_lock(count: usize, what: &str) -> String {
    format!("{} by the lock, and no other", counted(count, what))
}
