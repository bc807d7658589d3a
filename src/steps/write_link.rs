//! Makes one symbolic link.

use std::path::Path;

use super::{Context, note_item};
use crate::{
    fs::{self, PathType},
    inventory::below,
    plan::PlannedItem,
    problem::Problem,
    state::Item,
};

/// Records the link in the receipt, makes it and verifies it. It replaces a file or another link.
pub fn write_link(
    ctx: &Context,
    profile: &str,
    file: &Path,
    target: &Path,
    owner: Option<(u32, u32)>,
) -> Result<(), Problem> {
    let path = below(&ctx.root, file);
    let (found, before_target) = match fs::look_at(&path)?.map(|entry| entry.kind) {
        Some(PathType::File) => (fs::read(&path)?, None),
        Some(PathType::Link(target)) => (None, Some(target)),
        Some(PathType::Folder | PathType::Other) => {
            return Err(Problem::new(format!("`{}` is not a file", file.display())));
        }
        None => (None, None),
    };
    let item = Item::Link { target: target.to_owned(), before: None, before_target };
    note_item(ctx, &PlannedItem { profile: profile.to_owned(), file: file.to_owned(), item }, found.as_ref())?;
    fs::make_link(&path, target, owner)?;
    if fs::look_at(&path)?.is_some_and(|made| made.kind == PathType::Link(target.to_owned())) {
        return Ok(());
    }
    Err(Problem::new(format!("`{}` is not as it was written", file.display())))
}
