//! Adds package sources: writes keys and source files, and updates the lists of these sources only.

use std::path::Path;

use super::{command, lists::PackageLists, source_keys, update};
use crate::{
    fs::{self, Attributes},
    kinds::apt::AptSources,
    problem::Problem,
    steps::Context,
};

const FOLDER: &str = "/etc/apt/sources.list.d";

/// Writes keys and sources that differ, and updates the lists of these sources. A source that cannot be read is only
/// a warning here. The installation fails later if it needs the source.
pub async fn act(ctx: &Context, wanted: &AptSources) -> Result<(), Problem> {
    source_keys::check(wanted)?;
    let lists = PackageLists::of_node(ctx);
    let alone = lists.folder.join("sources");
    fs::remove_tree(&alone)?;
    for source in &wanted.sources {
        if let Some(key) = &source.key {
            write(&ctx.on_node(&key.path.to_string_lossy()), &key.bytes)?;
        }
        let file = format!("{}.sources", source.name);
        write(&ctx.on_node(FOLDER).join(&file), source.stanza.as_bytes())?;
        write(&alone.join(&file), source.stanza.as_bytes())?;
    }
    if !wanted.fetch_lists {
        return Ok(fs::remove_tree(&alone)?);
    }
    let update = update::run(ctx, &lists, command::update_only(&lists.folder, &alone)).await?;
    update.warn(ctx);
    fs::remove_tree(&alone)?;
    Ok(())
}

/// Writes a world-readable file, unless it already has these bytes and this mode.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    const MODE: u32 = 0o644;
    if let Ok(Some(found)) = fs::read(path)
        && found.bytes.as_deref() == Some(bytes)
        && found.mode == MODE
    {
        return Ok(());
    }
    Ok(fs::replace(path, bytes, Attributes::mode(MODE))?)
}
