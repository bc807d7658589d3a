//! Plans the edits of a file.

use super::{
    action::Work,
    edit_file::{EditFile, wanted},
    edits::Edit,
    path_plan::PathPlan,
};
use crate::{problem::Problem, report::event::Difference, state::Item};

pub(super) fn plan(path: &mut PathPlan<'_, '_>, edits: &[Edit]) {
    let inventory = path.planner.common.inventory;
    // The entry takes back its own items. So none of them is taken back elsewhere at the same time.
    let recorded: Vec<Item> = path.recorded().map(|(_, item)| item.clone()).collect();
    for part in recorded.iter().map(Item::part).chain(edits.iter().map(Edit::part)) {
        path.planner.makes(&path.found.path, part, &path.entry.order.names);
    }
    // Without a file, another check refuses the run or plans a step that fails.
    if edits
        .iter()
        .filter_map(Edit::source)
        .filter_map(|source| source.file.as_ref())
        .any(|file| inventory.asset(file).is_none())
    {
        return;
    }
    let now = path.found.file.as_ref();
    if path.found.entry.is_some() && now.is_none_or(|now| now.bytes.is_none()) {
        let message = format!("`{}` is not a file", path.found.path.display());
        return path.impossible(Problem::new(message).hint("name a file".to_owned()));
    }
    let is_made =
        |item: &Item| matches!(item, Item::Attributes { .. }) || edits.iter().any(|edit| edit.part() == item.part());
    let dropped: Vec<Item> = recorded.iter().filter(|item| !is_made(item)).cloned().collect();
    let before = now.and_then(|now| now.bytes.clone());
    let mut edit = EditFile { edits: edits.to_vec(), dropped, before, after: None };
    match edit.edited(&inventory.root, &path.found.path, now, &inventory.vault) {
        // Another step may change the file first.
        Err(_) if now.is_none() || path.planner.earlier.writer_of(&path.found.path).is_some() => {
            path.step(Work::Edit(edit), Some(Difference::Missing));
        }
        Err(problem) => path.impossible(problem),
        Ok(edited) => {
            let is_same = edit.before.as_ref() == Some(&edited.text);
            if is_same && path.has_attributes() && edit.dropped.is_empty() {
                return path.ready();
            }
            edit.after = (!edit.has_secrets()).then_some(edited.text);
            let difference = edited.items.iter().map(|made| difference(&made.item, &recorded, edits)).max();
            path.step(Work::Edit(edit), difference.flatten());
        }
    }
}

/// How an edit that changes the file differs. `None` if the profile changed.
fn difference(made: &Item, recorded: &[Item], edits: &[Edit]) -> Option<Difference> {
    let Some(record) = recorded.iter().find(|item| item.part() == made.part()) else {
        return Some(Difference::Missing);
    };
    let is_changed = match (record, edits.iter().find(|edit| edit.part() == made.part())) {
        (Item::Lines { wanted: old, .. }, Some(edit)) => *old != wanted(edit),
        (Item::Block { digests: old, .. }, _) => {
            matches!(made, Item::Block { digests, .. } if digests.iter().all(|digest| !old.contains(digest)))
        }
        _ => false,
    };
    (!is_changed).then_some(Difference::Drifted)
}
