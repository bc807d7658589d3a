//! Takes back the items that earlier runs of a profile made and that the profile no longer names. This works for all
//! kinds: each records its items with `Planner::makes`, and the receipt has those of earlier runs.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use crate::{
    inventory::below,
    plan::{Common, Draft, EarlierWork, Phase, PlannedItem, Planner, Resource, StepOptions},
    problem::Problem,
    state::{Item, PARENT_FOLDER},
    steps::{Context, take_back_item},
};

/// The action of a step: takes back the items of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeBack {
    /// The path on the node.
    file: PathBuf,
    /// The path below the root.
    path: PathBuf,
    items: Vec<PlannedItem>,
}

/// The steps that take back items. `earlier` is the work of all kinds. `is_whole` is false if some entry could not be
/// planned, so that its items are not known. Items of the post-start stage stay as long as the profile has their
/// entries. `later` has the paths of these entries.
pub(super) fn plan(common: &Common<'_>, earlier: &EarlierWork, later: &[PathBuf], is_whole: bool) -> Draft<TakeBack> {
    let mut planner = Planner::new(common, "take-back", earlier);
    let receipt = &common.inventory.receipt;
    let made: HashSet<(&Path, &str)> =
        earlier.items.iter().map(|made| (made.path.as_path(), made.part.as_str())).collect();
    let recorded = receipt.items.get(common.profile).filter(|_| is_whole);
    for (file, parts) in recorded.into_iter().flatten() {
        let is_made = |part: &str| {
            let entry = receipt.post_start_entry(common.profile, file, part);
            entry.is_some_and(|entry| common.post_start.has(entry))
                || later.contains(file)
                || made.contains(&(file.as_path(), part))
        };
        let items: Vec<PlannedItem> = {
            // A parent folder is removed with the last item in it.
            let gone = parts.iter().filter(|(part, _)| part.as_str() != PARENT_FOLDER && !is_made(part));
            let mut gone: Vec<&Item> = gone.map(|(_, item)| item).collect();
            gone.sort_by_key(|item| std::cmp::Reverse(item.order()));
            gone.into_iter().map(|item| planned(common.profile, file, item)).collect()
        };
        if items.is_empty() {
            continue;
        }
        let id = format!("take-back:{}", file.display());
        let options = StepOptions {
            // It comes after a step that writes another part of the file.
            uses: vec![Resource::Path(file.clone())],
            ..StepOptions::for_origins(Vec::new(), id.clone(), Phase::Settings)
        };
        let path = below(&common.inventory.root, file);
        planner.step(id, TakeBack { file: file.clone(), path, items }, options);
    }
    planner.finish()
}

fn planned(profile: &str, file: &Path, item: &Item) -> PlannedItem {
    PlannedItem { profile: profile.to_owned(), file: file.to_owned(), item: item.clone() }
}

impl TakeBack {
    /// The word for the kind of the step.
    pub(super) const WORD: &str = "take-back";

    /// The work in one line.
    pub(super) fn title(&self) -> String {
        let is_restored = |item: &PlannedItem| matches!(&item.item, Item::File { before: Some(_), .. });
        let is_block = |item: &PlannedItem| matches!(&item.item, Item::Block { .. });
        let is_edit = |item: &PlannedItem| matches!(&item.item, Item::Block { .. } | Item::Lines { .. });
        let is_changed = |item: &PlannedItem| matches!(&item.item, Item::Removed { .. } | Item::Attributes { .. });
        match &self.items[..] {
            items if items.iter().any(is_restored) => format!("restore {}", self.file.display()),
            items if items.iter().any(is_changed) => format!("restore {}", self.file.display()),
            items if items.iter().all(is_block) => format!("remove a block from {}", self.file.display()),
            items if items.iter().all(is_edit) => format!("undo edits of {}", self.file.display()),
            [PlannedItem { item: Item::Unpacked { .. }, .. }] => {
                format!("remove the files of the archive in {}", self.file.display())
            }
            _ => format!("remove {}", self.file.display()),
        }
    }

    /// The reason, and the parts of the file.
    pub(super) fn describe(&self) -> Vec<String> {
        let parts = self.items.iter().filter_map(|item| match &item.item {
            Item::File { before: Some(_), .. } => Some("restores the file that was there before".to_owned()),
            Item::Block { marks: [begin, _], .. } => Some(format!("removes the block `{begin}`")),
            Item::Lines { edit, .. } => Some(format!("undoes the edit `{edit}`")),
            Item::Attributes { before_mode, .. } => Some(format!("restores the mode {before_mode:04o} and the owner")),
            Item::File { before: None, .. }
            | Item::SecretFile { .. }
            | Item::Link { .. }
            | Item::Folder
            | Item::ParentFolder
            | Item::Unpacked { .. }
            | Item::Removed { .. } => None,
        });
        std::iter::once("the profile no longer names it".to_owned()).chain(parts).collect()
    }

    /// The files beside which a killed run may leave a partial file.
    pub(super) fn leaves_behind(&self) -> Vec<String> {
        vec![self.path.display().to_string()]
    }

    /// Takes the items back.
    pub(super) fn act(&self, ctx: &Context) -> Result<(), Problem> {
        self.items.iter().try_for_each(|item| take_back_item(ctx, item))
    }
}
