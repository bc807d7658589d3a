//! Keeps copies of files that a step replaces or removes, and restores them.

use std::path::{Path, PathBuf};

use super::Context;
use crate::{
    fs::{self, PathType},
    inventory::below,
    problem::Problem,
    state::{KeptFiles, Previous},
};

/// Keeps a copy of each regular file among the paths. Other paths are left out.
///
/// # Errors
/// If a file cannot be read or its copy cannot be written.
pub(crate) fn keep<'a>(ctx: &Context, paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<KeptFiles, Problem> {
    let mut kept = KeptFiles::new();
    for file in paths {
        let path = below(&ctx.root, file);
        let is_file = fs::look_at(&path)?.is_some_and(|found| found.kind == PathType::File);
        if is_file
            && let Some(found) = fs::read(&path)?
            && let Some(copy) = Previous::keep(&ctx.root, &found)?
        {
            kept.insert(file.clone(), copy);
        }
    }
    Ok(kept)
}

/// Restores the files whose paths are free. Returns false if another file is at a path.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn restore(ctx: &Context, kept: &KeptFiles) -> Result<bool, Problem> {
    let mut is_whole = true;
    for (file, copy) in kept {
        let path = below(&ctx.root, file);
        if fs::look_at(&path)?.is_some() {
            is_whole &= is_restored(&path, copy)?;
        } else if let Some(bytes) = copy.content(&ctx.root)? {
            fs::replace(&path, &bytes, copy.attributes())?;
        } else {
            ctx.progress.warn(format!("the previous content of `{}` is lost", file.display()));
        }
    }
    Ok(is_whole)
}

/// Whether a file has the content of its copy again.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn is_restored(path: &Path, copy: &Previous) -> Result<bool, Problem> {
    Ok(fs::read(path)?.and_then(|found| found.bytes).is_some_and(|bytes| copy.is_content(&bytes)))
}
