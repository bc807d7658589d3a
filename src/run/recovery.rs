//! Removes the partial work of a killed run.

use std::path::Path;

use nix::unistd::Uid;

use super::{
    job::{Job, warn},
    paths::cache,
};
use crate::{
    fs::{remove_partial_files_below, remove_tree},
    kinds::{Kind, clean_up_interrupted},
    problem::Problem,
    state::Journal,
    steps::logins::folder as logins_folder,
};

/// Whether a killed run left logins behind and this process may remove them.
pub(super) fn has_leftover_logins(root: &Path) -> bool {
    logins_folder(root).exists() && (root != Path::new("/") || Uid::effective().is_root())
}

/// Removes the partial work of a killed run. Returns whether there was any.
pub(super) fn recover(job: &Job) -> Result<bool, Vec<Problem>> {
    // Unfinished downloads. uv cleans its own cache.
    let cache = cache(&job.root);
    let swept = remove_partial_files_below(&cache, &cache.join("python/uv"))
        .and_then(|()| remove_partial_files_below(&crate::state::folder(&job.root), Path::new("")));
    if let Err(error) = swept {
        warn(job, error.to_string());
    }
    // Unfinished transfers from and to the store.
    for folder in ["layers", "python/byte-code", "python/built", "python/venvs"] {
        if let Err(error) = remove_tree(&cache.join(folder)) {
            warn(job, error.to_string());
        }
    }
    remove_tree(&logins_folder(&job.root)).map_err(|error| vec![Problem::from(error)])?;
    let left = Journal::interrupted::<Kind>(&job.root);
    for step in &left {
        let removed = clean_up_interrupted(&job.root, step).map_err(|error| vec![Problem::from(error)])?;
        let mut text =
            format!("run {} was ended while `{}` worked; its incomplete work was removed", step.run, step.step);
        if !removed.is_empty() {
            text = format!("{text} ({})", removed.join(", "));
        }
        warn(job, text);
    }
    // A journal without open steps is removed, too, because its last line may be incomplete.
    let cleared = Journal::begin(&job.root).and_then(|journal| journal.finish());
    cleared.map_err(|error| vec![Problem::from(error)])?;
    Ok(!left.is_empty())
}
