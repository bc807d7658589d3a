//! Adds package sources: checks the key's fingerprint, writes the source file, and updates the lists of these sources
//! only.

use std::path::Path;

use super::{
    command,
    key::{self, KeyError},
    resolve, update,
};
use crate::{
    fs::{self, Attributes},
    kinds::apt::{AptKey, AptSources},
    problem::Problem,
    steps::Context,
};

const FOLDER: &str = "/etc/apt/sources.list.d";

/// Checks the fingerprint of every key before anything is written. apt trusts all keys of a file, so each of them
/// must have the expected fingerprint.
pub fn prepare(wanted: &AptSources) -> Result<(), Problem> {
    wanted.sources.iter().filter_map(|source| Some((&source.name, source.key.as_ref()?))).try_for_each(|(name, key)| {
        check(key).map_err(|why| Problem { message: format!("the key of apt source `{name}` {}", why.message), ..why })
    })
}

fn check(key: &AptKey) -> Result<(), Problem> {
    let found = match key::fingerprints(&key.bytes) {
        Ok(found) => found,
        Err(error) => {
            let hint =
                (error == KeyError::Secret).then(|| "export it with `gpg --export`, not `--export-secret-keys`".into());
            return Err(Problem::refused("cannot be used").because(&error).hint(hint));
        }
    };
    if found.iter().all(|found| *found == key.fingerprint) {
        return Ok(());
    }
    let error = if found.contains(&key.fingerprint) {
        Problem::refused("is not alone in its file, and apt would trust all of them")
            .hint(format!("export this one with `gpg --export --armor {}`", key.fingerprint))
    } else {
        Problem::refused("does not have the fingerprint the profile names")
            .hint("compare the key with the one its owner publishes before changing the profile".to_owned())
    };
    Err(error.cause(format!("expected {}", key.fingerprint)).cause(format!("found {}", found.join(", "))))
}

/// Writes keys and sources that differ, and updates the lists of these sources. A source that cannot be read is only
/// a warning here. The installation fails later if it needs the source.
pub async fn act(ctx: &Context, wanted: &AptSources) -> Result<(), Problem> {
    prepare(wanted)?;
    let alone = resolve::folder(ctx).join("sources");
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
    let update = update::run(ctx, &command::update_only(&resolve::folder(ctx), &alone)).await?;
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
