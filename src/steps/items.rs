//! Records the items that steps make, and takes them back when their profile no longer names them.

use std::path::Path;

use super::{Context, kept_files, unpacked};
use crate::{
    fs::{self, Attributes, PathEntry, PathType, Snapshot},
    inventory::below,
    plan::PlannedItem,
    problem::Problem,
    state::{Changes, Item, PARENT_FOLDER, Previous, Receipt, block_of},
};

/// Records an item before it is made. After a kill, the next run knows of it. `found` is the file that is there now: a
/// copy of a file that is replaced is kept. Call this for every item of an entry.
pub fn note_item(ctx: &Context, planned: &PlannedItem, found: Option<&Snapshot>) -> Result<(), Problem> {
    let PlannedItem { profile, file, item } = planned;
    let is_new = Receipt::read(&ctx.root).item(profile, file, &item.part()).is_none();
    let item = match (item.clone(), found) {
        (Item::File { digests, before: None }, Some(found)) if is_new => {
            Item::File { digests, before: Previous::keep(&ctx.root, found)? }
        }
        (Item::Link { target, before: None, before_target }, Some(found)) if is_new => {
            Item::Link { target, before: Previous::keep(&ctx.root, found)?, before_target }
        }
        (item, _) => item,
    };
    let missing = missing_folders(&ctx.root, file);
    Ok(Receipt::update(&ctx.root, |receipt| {
        for folder in missing {
            receipt.note_item(profile, folder, Item::ParentFolder);
        }
        receipt.note_item(profile, file, item);
    })?)
}

/// The folders above a path that do not exist yet.
fn missing_folders<'a>(root: &Path, file: &'a Path) -> Vec<&'a Path> {
    let is_missing = |folder: &&Path| below(root, folder).symlink_metadata().is_err();
    file.ancestors().skip(1).take_while(is_missing).collect()
}

/// Removes the folders above a path that nodeagent created for it, up to one that is not empty.
fn remove_parent_folders(ctx: &Context, profile: &str, file: &Path) -> Result<(), Problem> {
    for folder in file.ancestors().skip(1) {
        if Receipt::read(&ctx.root).item(profile, folder, PARENT_FOLDER).is_none() {
            break;
        }
        let path = below(&ctx.root, folder);
        let is_folder = fs::look_at(&path)?.is_some_and(|found| found.kind == PathType::Folder);
        if is_folder && fs::remove_path(&path, false).is_err() {
            break;
        }
        Receipt::update(&ctx.root, |receipt| receipt.forget_item(profile, folder, PARENT_FOLDER))?;
    }
    Ok(())
}

/// Records an edit of lines before it is made. `made` has the changes that it makes now; those of earlier runs are
/// kept, so that the lines before the first run can be restored. `text` is the file before the edit.
pub fn note_edit(ctx: &Context, planned: &PlannedItem, made: Option<Changes>, text: &[u8]) -> Result<(), Problem> {
    let PlannedItem { profile, file, item } = planned;
    let earlier = Receipt::read(&ctx.root).item(profile, file, &item.part()).cloned();
    let old = match &earlier {
        Some(Item::Lines { changes: Some(copy), .. }) => changes_in(&ctx.root, copy)?,
        _ => None,
    };
    let made = match (old, made) {
        (Some(old), Some(made)) => Some(old.then(made, text)),
        (old, made) => old.or(made),
    };
    let Item::Lines { edit, wanted, created, order, .. } = item.clone() else { return Ok(()) };
    let changes = match made {
        Some(made) => {
            let bytes = serde_json::to_vec(&made).unwrap_or_default();
            Some(Previous::keep_bytes(&ctx.root, &bytes, 0o600, (0, 0))?)
        }
        None => None,
    };
    let created = match &earlier {
        Some(Item::Lines { created, .. }) => *created,
        _ => created,
    };
    let item = Item::Lines { edit, wanted, changes, created, order };
    note_item(ctx, &PlannedItem { item, ..planned.clone() }, None)?;
    if let Some(Item::Lines { changes: Some(copy), .. }) = &earlier {
        Receipt::remove_unused_copy(&ctx.root, copy)?;
    }
    Ok(())
}

/// Removes the record of an item, and the copy that it needed.
pub fn forget_item(ctx: &Context, profile: &str, file: &Path, item: &Item) -> Result<(), Problem> {
    Receipt::update(&ctx.root, |receipt| receipt.forget_item(profile, file, &item.part()))?;
    item.copies().into_iter().try_for_each(|copy| Ok(Receipt::remove_unused_copy(&ctx.root, copy)?))
}

/// The text of a file without an item. `None` if the item was changed since nodeagent made it.
pub fn without_item(root: &Path, item: &Item, found: &Snapshot) -> Result<Option<Vec<u8>>, Problem> {
    let Some(bytes) = found.bytes.as_deref() else { return Ok(None) };
    if !item.is_as_written(Some(found)) {
        return Ok(is_untouched(item, found).then(|| bytes.to_vec()));
    }
    Ok(match item {
        Item::File { before: Some(before), .. } => before.content(root)?,
        Item::File { before: None, .. } | Item::SecretFile { .. } => Some(Vec::new()),
        Item::Block { marks, .. } => block_of(marks).take_out(bytes).ok(),
        Item::Lines { changes: Some(copy), .. } => changes_in(root, copy)?
            .and_then(|changes| changes.undo(bytes).or_else(|| changes.is_undone(bytes).then(|| bytes.to_vec()))),
        Item::Lines { changes: None, .. } => None,
        Item::Link { .. }
        | Item::Folder
        | Item::ParentFolder
        | Item::Unpacked { .. }
        | Item::Removed { .. }
        | Item::Attributes { .. } => Some(bytes.to_vec()),
    })
}

fn changes_in(root: &Path, copy: &Previous) -> Result<Option<Changes>, Problem> {
    Ok(copy.content(root)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Takes back an item that its profile no longer names, and removes its record. An item that was changed since
/// nodeagent wrote it stays, with a warning. An item that another profile has as well stays, too.
pub fn take_back_item(ctx: &Context, taken: &PlannedItem) -> Result<(), Problem> {
    restore_item(ctx, taken)?;
    let PlannedItem { profile, file, item } = taken;
    forget_item(ctx, profile, file, item)?;
    remove_parent_folders(ctx, profile, file)
}

/// Like [`take_back_item`], but keeps the record: a kind that has more to do removes it afterwards.
pub fn restore_item(ctx: &Context, taken: &PlannedItem) -> Result<(), Problem> {
    let PlannedItem { profile, file, item } = taken;
    if !Receipt::read(&ctx.root).has_item_elsewhere(profile, file, &item.part()) && !restored(ctx, file, item)? {
        ctx.progress.warn(changed_message(file, item));
    }
    Ok(())
}

/// The warning for an item that was changed since nodeagent made it.
pub fn changed_message(file: &Path, item: &Item) -> String {
    let file = file.display();
    let what = match item {
        Item::Block { .. } => format!("the block of nodeagent in `{file}`"),
        Item::Lines { edit, .. } => format!("the edit `{edit}` of `{file}`"),
        Item::Attributes { .. } => format!("the mode or the owner of `{file}`"),
        Item::Unpacked { .. } => format!("a file of the archive in `{file}`"),
        Item::Removed { .. } => format!("a path of `{file}` that nodeagent removed"),
        Item::File { .. } | Item::SecretFile { .. } | Item::Link { .. } | Item::Folder | Item::ParentFolder => {
            format!("`{file}`")
        }
    };
    format!("{what} was changed since nodeagent wrote it, so it stays")
}

/// Restores the state before the item. Returns false if the item was changed since it was made.
fn restored(ctx: &Context, file: &Path, item: &Item) -> Result<bool, Problem> {
    let path = below(&ctx.root, file);
    match item {
        Item::File { .. } | Item::SecretFile { .. } | Item::Block { .. } | Item::Lines { .. } => {
            restored_text(ctx, file, &path, item)
        }
        Item::Link { .. } | Item::Folder | Item::ParentFolder => restored_path(ctx, &path, item),
        Item::Removed { files } => kept_files::restore(ctx, files),
        Item::Unpacked { lists, replaced, .. } => {
            let is_unchanged = unpacked::remove(ctx, lists, replaced, &[])?;
            Ok(kept_files::restore(ctx, replaced)? && is_unchanged)
        }
        Item::Attributes { before_mode, before_owner, .. } => {
            let Some(found) = fs::read(&path)? else { return Ok(true) };
            let is_as_written = item.is_as_written(Some(&found));
            if is_as_written {
                fs::change_attributes(&path, false, &|_, _| *before_mode, Some(*before_owner), true)?;
            }
            Ok(is_as_written)
        }
    }
}

fn restored_text(ctx: &Context, file: &Path, path: &Path, item: &Item) -> Result<bool, Problem> {
    // A file that is gone has nothing to take back.
    let Some(found) = fs::read(path)? else { return Ok(true) };
    if is_untouched(item, &found) {
        return Ok(true);
    }
    let text = without_item(&ctx.root, item, &found)?;
    let created = match item {
        Item::File { before, .. } => before.is_none(),
        Item::SecretFile { .. } => true,
        Item::Block { created, .. } | Item::Lines { created, .. } => *created,
        Item::Link { .. }
        | Item::Folder
        | Item::ParentFolder
        | Item::Unpacked { .. }
        | Item::Removed { .. }
        | Item::Attributes { .. } => false,
    };
    match (text, item) {
        (None, Item::File { before: Some(_), .. }) if item.is_as_written(Some(&found)) => {
            ctx.progress.warn(format!("the previous content of `{}` is lost, so it stays", file.display()));
        }
        (None, _) => return Ok(false),
        (Some(text), _) if text.is_empty() && created => drop(fs::remove_if(path, found.stamp.as_slice())?),
        (Some(text), Item::File { before: Some(before), .. }) => fs::replace(path, &text, before.attributes())?,
        (Some(text), _) => fs::replace(path, &text, Attributes::default())?,
    }
    Ok(true)
}

fn restored_path(ctx: &Context, path: &Path, item: &Item) -> Result<bool, Problem> {
    let found = fs::look_at(path)?;
    let kind = found.as_ref().map(|found: &PathEntry| &found.kind);
    let before = match (item, kind) {
        (Item::Link { target, before, before_target }, Some(PathType::Link(now))) if now == target => {
            if let Some(target) = before_target {
                fs::make_link(path, target, None)?;
                return Ok(true);
            }
            fs::remove_path(path, false)?;
            before
        }
        (Item::Folder | Item::ParentFolder, Some(PathType::Folder)) => {
            // A folder that others use stays.
            return Ok(fs::remove_path(path, false).is_ok());
        }
        (Item::Link { .. } | Item::Folder | Item::ParentFolder, None) => return Ok(true),
        (Item::Link { before_target: Some(before), .. }, Some(PathType::Link(now))) => return Ok(before == now),
        (Item::Link { before, .. }, _) => return is_restored(path, before.as_ref()),
        _ => return Ok(false),
    };
    if let Some(before) = before
        && let Some(bytes) = before.content(&ctx.root)?
    {
        fs::replace(path, &bytes, before.attributes())?;
    }
    Ok(true)
}

/// Whether a file is as it was before the item: a run was killed after it had restored the file.
fn is_restored(path: &Path, before: Option<&Previous>) -> Result<bool, Problem> {
    before.map_or(Ok(false), |before| kept_files::is_restored(path, before))
}

/// Whether the path is as it was before the item was made: a run was killed before it wrote the item.
fn is_untouched(item: &Item, found: &Snapshot) -> bool {
    match item {
        Item::File { before, .. } => {
            before.as_ref().zip(found.bytes.as_ref()).is_some_and(|(before, bytes)| before.is_content(bytes))
        }
        Item::Block { marks, .. } => found.bytes.as_ref().is_some_and(|bytes| block_of(marks).lines(bytes) == Ok(None)),
        Item::SecretFile { .. }
        | Item::Lines { .. }
        | Item::Link { .. }
        | Item::Folder
        | Item::ParentFolder
        | Item::Unpacked { .. }
        | Item::Removed { .. }
        | Item::Attributes { .. } => false,
    }
}
