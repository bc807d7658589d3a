//! The partial work of a killed run: the items that the journal keeps for each step, and their removal.

use std::path::Path;

use super::{
    contract::Interruption,
    list::{Action, Kind, Prepared},
};
use crate::{
    fs::{FsError, remove_tree},
    state::Interrupted,
    steps::remove_partial_files,
};

/// The prefix of a journal item that is the folder of a layer.
const STAGED: &str = "staged:";

/// The journal items for the partial work that a killed run would leave.
pub fn journal_items(action: &Action, prepared: &Prepared) -> Vec<String> {
    let left = action.leaves_behind(prepared);
    let staging = left.staging.map(|folder| format!("{STAGED}{}", folder.display()));
    left.items.into_iter().chain(staging).collect()
}

/// Removes the partial work of a killed or timed-out step. Returns the names of the removed items, for a warning.
///
/// # Errors
/// If a file cannot be removed.
pub fn clean_up_interrupted(root: &Path, left: &Interrupted<Kind>) -> Result<Vec<String>, FsError> {
    let (staged, items): (Vec<_>, Vec<_>) = left.items.iter().cloned().partition(|item| item.starts_with(STAGED));
    // A thread of the step may still use the folder. The other items are removed in any case.
    let swept = staged.iter().try_for_each(|item| remove_tree(Path::new(&item[STAGED.len()..])));
    let removed = match left.kind {
        Some(kind) => {
            let how = Interruption { run: &left.run, is_rebooted: left.is_rebooted(root) };
            kind.clean_up(root, how, &items)?
        }
        // Items that are taken back have no kind. Their files are complete or absent.
        None => remove_partial_files(&items)?,
    };
    swept.map(|()| removed)
}
