//! Adds package sources: writes keys and source files, and updates the lists of these sources only.

use std::path::Path;

use super::{
    command,
    lists::PackageLists,
    source_files::{key_file, source_file},
    source_keys, update,
};
use crate::{
    fs::{self, Attributes},
    inventory::below,
    kinds::apt::AptSources,
    problem::Problem,
    steps::Context,
};

/// Writes keys and sources that differ, and updates the lists of these sources. A source that cannot be read is only
/// a warning here. The installation fails later if it needs the source.
pub async fn act(ctx: &Context, wanted: &AptSources) -> Result<(), Problem> {
    let keys = source_keys::read(wanted)?;
    let lists = PackageLists::of_node(ctx);
    let alone = lists.folder.join("sources");
    fs::remove_tree(&alone)?;
    for (source, key) in wanted.sources.iter().zip(&keys) {
        let path = key_file(&source.name);
        write(&below(&ctx.root, &path), key.packets())?;
        let (file, stanza) = (source_file(&source.name), source.stanza_with(&path));
        write(&below(&ctx.root, &file), stanza.as_bytes())?;
        write(&alone.join(file.file_name().unwrap_or_default()), stanza.as_bytes())?;
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
