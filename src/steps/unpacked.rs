//! Removes the files of archives that are no longer wanted.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{Context, kept_files};
use crate::{
    fs,
    inventory::below,
    problem::Problem,
    state::{KeptFiles, ListedPath, Previous},
};

/// Removes the paths of lists, except those of `kept`, unless one is a folder and the other is not. A file that was
/// changed since stays, and so does a folder that is not empty. Returns whether no file was changed. `replaced` are the
/// files of others that the archives replaced: a run that was killed may have restored them.
pub(crate) fn remove(
    ctx: &Context,
    lists: &[Previous],
    replaced: &KeptFiles,
    kept: &[ListedPath],
) -> Result<bool, Problem> {
    let kept: BTreeSet<(&Path, bool)> = kept.iter().map(identity).collect();
    let mut is_unchanged = true;
    let mut read = Vec::new();
    for list in lists {
        match ListedPath::read(&ctx.root, list)? {
            Some(listed) => read.extend(listed),
            None => is_unchanged = false,
        }
    }
    // After a kill, a path may be as in any of the lists.
    let mut gone: BTreeMap<&Path, Vec<&ListedPath>> = BTreeMap::new();
    for listed in read.iter().filter(|listed| !kept.contains(&identity(listed))) {
        gone.entry(&listed.path).or_default().push(listed);
    }
    // The content of a folder comes before the folder.
    for (file, listed) in gone.into_iter().rev() {
        let path = below(&ctx.root, file);
        let Ok(found) = path.symlink_metadata() else { continue };
        if found.is_dir() {
            // A folder that others use stays.
            let _ = fs::remove_path(&path, false);
        } else if listed.iter().any(|listed| listed.has_same_content(&found)) {
            fs::remove_path(&path, false)?;
        } else {
            let copy = replaced.get(file);
            is_unchanged &= copy.map_or(Ok(false), |copy| kept_files::is_restored(&path, copy))?;
        }
    }
    Ok(is_unchanged)
}

fn identity(listed: &ListedPath) -> (&Path, bool) {
    (&listed.path, listed.is_folder())
}
