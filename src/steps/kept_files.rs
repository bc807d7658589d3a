//! Keeps copies of files that a step replaces or removes, and restores them.

use std::path::{Path, PathBuf};

use super::Context;
use crate::{
    fs::{self, PathType},
    inventory::below,
    problem::Problem,
    state::{KeptFiles, Previous, Receipt},
};

/// The largest file of which a copy is kept.
const MOST_BYTES: u64 = 256 << 20;

/// Keeps a copy of each regular file among the paths. Left out are files that profiles made, because they may have
/// secrets, and with a warning large files and files of other users, which may be as large as they like.
///
/// # Errors
/// If a file cannot be read or its copy cannot be written.
pub(crate) fn keep<'a>(ctx: &Context, paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<KeptFiles, Problem> {
    let (mut kept, receipt) = (KeptFiles::new(), Receipt::read(&ctx.root));
    for file in paths.into_iter().filter(|file| !receipt.is_made(file)) {
        let path = below(&ctx.root, file);
        let Some(found) = fs::look_at(&path)?.filter(|found| found.kind == PathType::File) else { continue };
        let size = path.symlink_metadata().map_or(0, |found| found.len());
        let is_own = found.owner.0 == 0 || found.owner.0 == fs::own_ids().0;
        if !is_own || size > MOST_BYTES {
            let why = if is_own { "is larger than 256 MiB" } else { "belongs to another user" };
            ctx.progress.warn(format!("`{}` {why}, so no copy of it is kept to restore it", file.display()));
            continue;
        }
        if let Some(found) = fs::read(&path)?
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
