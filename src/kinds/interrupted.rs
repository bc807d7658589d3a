//! What a killed run leaves half-done: the items that the journal keeps of each step, and how they are removed.

use std::path::Path;

use super::list::{Action, Kind, Prepared};
use crate::{
    fs::{FsError, remove_tree},
    state::Interrupted,
    steps::remove_partial_files,
};

/// The beginning of a journal's item that is the folder of a layer.
const STAGED: &str = "staged:";

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
