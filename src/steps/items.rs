//! Records the items that steps make, and takes them back when their profile no longer names them.

use std::path::Path;

use super::Context;
use crate::{
    fs::{self, Attributes, Snapshot},
    inventory::below,
    plan::PlannedItem,
    problem::Problem,
    state::{Item, Previous, Receipt, block_of},
};

/// Records an item before it is made. After a kill, the next run knows of it. `found` is the file that is there now: a
/// copy of a file that is replaced is kept. Call this for every text file of an entry.
pub fn note_item(ctx: &Context, planned: &PlannedItem, found: Option<&Snapshot>) -> Result<(), Problem> {
    let PlannedItem { profile, file, item } = planned;
    let is_new = Receipt::read(&ctx.root).item(profile, file, &item.part()).is_none();
    let item = match (item.clone(), found) {
        (Item::File { digests, before: None }, Some(found)) if is_new => {
            Item::File { digests, before: Previous::keep(&ctx.root, found)? }
        }
        (item, _) => item,
    };
    Ok(Receipt::update(&ctx.root, |receipt| receipt.note_item(profile, file, item))?)
}

/// Takes back an item that its profile no longer names, and removes its record. An item that was changed since
/// nodeagent wrote it stays, with a warning. An item that another profile has as well stays, too.
pub fn take_back_item(ctx: &Context, taken: &PlannedItem) -> Result<(), Problem> {
    let PlannedItem { profile, file, item } = taken;
    let (path, part) = (below(&ctx.root, file), item.part());
    let found = fs::read(&path)?;
    if let Some(found) = found.filter(|_| !Receipt::read(&ctx.root).has_item_elsewhere(profile, file, &part)) {
        if item.is_as_written(Some(&found)) {
            restore(ctx, file, &path, &found, item)?;
        } else if !is_untouched(item, &found) {
            let what = match item {
                Item::Block { .. } => format!("the block of nodeagent in `{}`", file.display()),
                Item::File { .. } | Item::SecretFile { .. } => format!("`{}`", file.display()),
            };
            let message = format!("{what} was changed since nodeagent wrote it, so it stays");
            ctx.progress.warn(message);
        }
    }
    Receipt::update(&ctx.root, |receipt| receipt.forget_item(profile, file, &part))?;
    if let Item::File { before: Some(before), .. } = item {
        Receipt::remove_unused_copy(&ctx.root, before)?;
    }
    Ok(())
}

/// Whether the path is as it was before the item was made: a run was killed before it wrote the item.
fn is_untouched(item: &Item, found: &Snapshot) -> bool {
    match item {
        Item::File { before, .. } => {
            before.as_ref().zip(found.bytes.as_ref()).is_some_and(|(before, bytes)| before.is_content(bytes))
        }
        Item::SecretFile { .. } => false,
        Item::Block { marks, .. } => found.bytes.as_ref().is_some_and(|bytes| block_of(marks).lines(bytes) == Ok(None)),
    }
}

/// Removes an item that is as it was written, and restores the state before it.
fn restore(ctx: &Context, file: &Path, path: &Path, found: &Snapshot, item: &Item) -> Result<(), Problem> {
    let stamps = found.stamp.as_slice();
    match item {
        Item::File { before: Some(before), .. } => match before.content(&ctx.root)? {
            Some(bytes) => fs::replace(path, &bytes, before.attributes())?,
            None => ctx.progress.warn(format!("the previous content of `{}` is lost, so it stays", file.display())),
        },
        Item::File { before: None, .. } | Item::SecretFile { .. } => drop(fs::remove_if(path, stamps)?),
        Item::Block { marks, created, .. } => {
            let rest = found.bytes.as_deref().map(|bytes| block_of(marks).take_out(bytes));
            match rest {
                Some(Ok(rest)) if rest.is_empty() && *created => drop(fs::remove_if(path, stamps)?),
                Some(Ok(rest)) => fs::replace(path, &rest, Attributes::default())?,
                Some(Err(_)) | None => {}
            }
        }
    }
    Ok(())
}
