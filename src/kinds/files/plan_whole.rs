//! Plans the entries that determine a whole path, and those that only set its attributes.

use std::path::Path;

use super::{action::Work, checked::Form, path_plan::PathPlan, plan_asset::PlannedAsset, source::Source};
use crate::{
    digest::Digest,
    fs::{self, Attributes, PathType, is_mount_point},
    inventory::below,
    plan::{PlannedItem, WriteFile, difference},
    problem::Problem,
    profile::{Asset, AssetRef},
    report::event::Difference,
    state::{ATTRIBUTES, Item, WHOLE},
};

pub(super) fn plan(path: &mut PathPlan<'_, '_>) {
    let found = path.found.entry.as_ref().map(|entry| entry.kind.clone());
    let form = &path.entry.value.form;
    let is_file = matches!(form, Form::Text(_) | Form::Copy(_) | Form::Link(_));
    match (found, form) {
        (Some(PathType::Folder | PathType::Other), _) if is_file => {
            let message = format!("`{}` is not a file", path.found.path.display());
            path.impossible(Problem::new(message).hint("move it out of the way".to_owned()));
        }
        (_, Form::Text(source)) => text(path, source),
        (_, Form::Copy(file)) => copy(path, file),
        (Some(PathType::Link(now)), Form::Link(target)) if now == *target => path.ready(),
        (_, Form::Link(target)) => {
            let is_changed = |item: &Item| !matches!(item, Item::Link { target: old, .. } if old != target);
            let difference = difference_of(path, WHOLE, is_changed);
            path.step(Work::Link(target.clone()), difference);
        }
        (Some(PathType::Folder), Form::Folder) | (Some(_), Form::Attributes) if !path.found.differs => path.ready(),
        (None | Some(PathType::Folder), Form::Folder) => {
            let difference = difference_of(path, WHOLE, |_| true);
            path.step(Work::Folder { recursive: path.entry.value.recursive }, difference);
        }
        (Some(_), Form::Folder) => {
            let message = format!("`{}` is not a folder", path.found.path.display());
            path.impossible(Problem::new(message).hint("move it out of the way".to_owned()));
        }
        (_, Form::Absent) => absent(path),
        (_, Form::Attributes) => {
            let difference = difference_of(path, ATTRIBUTES, |_| true);
            path.step(Work::Attributes { recursive: path.entry.value.recursive }, difference);
        }
        // When the profile is complete, its files are entries of their own. Other functions plan edits and archives.
        (_, Form::Contents(_) | Form::Unpack(_) | Form::Edits(_)) => {}
    }
}

/// The difference of an item without a digest. `is_drift` is false if the record shows that the profile changed.
fn difference_of(path: &PathPlan<'_, '_>, part: &str, is_drift: impl Fn(&Item) -> bool) -> Option<Difference> {
    match path.recorded().find(|(known, _)| *known == part) {
        None => Some(Difference::Missing),
        Some((_, item)) => is_drift(item).then_some(Difference::Drifted),
    }
}

fn text(path: &mut PathPlan<'_, '_>, source: &Source) {
    let inventory = path.planner.common.inventory;
    let bytes = match source.content(&inventory.vault) {
        Ok(bytes) => bytes,
        Err(problem) => return path.impossible(problem),
    };
    // Without the file, another check refuses the run or plans a step that fails.
    if source.file.as_ref().is_some_and(|file| inventory.asset(file).is_none()) {
        return;
    }
    let now = path.found.file.as_ref();
    if now.and_then(|now| now.bytes.as_deref()) == Some(bytes.reveal()) && path.has_attributes() {
        return path.ready();
    }
    let record = path.recorded().find(|(part, _)| *part == WHOLE).map(|(_, item)| item);
    let difference = difference(record, now);
    if source.text.has_secrets() {
        return path.step(Work::WriteSecret(source.clone()), difference);
    }
    let item = PlannedItem {
        profile: path.planner.common.profile.to_owned(),
        file: path.found.path.clone(),
        item: Item::of_text(bytes.reveal(), None),
    };
    let write = WriteFile {
        path: path.real(),
        bytes: bytes.reveal().to_vec(),
        before: now.and_then(|now| now.bytes.clone()),
        attributes: Attributes::default(),
        item: Some(item),
    };
    path.step(Work::Write(write), difference);
}

fn copy(path: &mut PathPlan<'_, '_>, file: &AssetRef) {
    if let Some(Asset::Created(from)) = path.planner.common.inventory.asset(file).map(|found| &found.asset) {
        return copy_created(path, file, from);
    }
    let Some(asset) = PlannedAsset::of(path, file) else { return };
    let now = path.found.file.as_ref();
    let is_same = now.and_then(|now| now.bytes.as_ref()).is_some_and(|bytes| Digest::sha256(bytes) == asset.digest);
    if is_same && path.has_attributes() {
        return path.ready();
    }
    let record = path.recorded().find(|(part, _)| *part == WHOLE).map(|(_, item)| item);
    let difference = difference(record, now);
    let work = Work::Copy { from: asset.from.clone(), digest: Some(asset.digest.clone()), label: asset.label.clone() };
    asset.step(path, work, difference);
}

/// Plans the copy of a file of the node that another step creates. If that step acts in this run, the new content is
/// not known yet.
fn copy_created(path: &mut PathPlan<'_, '_>, file: &AssetRef, from: &Path) {
    let now = path.found.file.as_ref();
    let present = || fs::read_large(from).ok().flatten().and_then(|found| found.bytes);
    let digest = if path.planner.creates(Path::new(&file.path)) { None } else { present() };
    let digest = digest.map(|bytes| Digest::sha256(&bytes));
    let is_same =
        |digest: &Digest| now.and_then(|now| now.bytes.as_ref()).is_some_and(|b| Digest::sha256(b) == *digest);
    if digest.as_ref().is_some_and(is_same) && path.has_attributes() {
        return path.ready();
    }
    let record = path.recorded().find(|(part, _)| *part == WHOLE).map(|(_, item)| item);
    let difference = difference(record, now);
    path.step(Work::Copy { from: from.to_owned(), digest, label: file.path.clone() }, difference);
}

fn absent(path: &mut PathPlan<'_, '_>) {
    if path.found.matches.is_empty() {
        return path.ready();
    }
    let recursive = path.entry.value.recursive;
    let root = &path.planner.common.inventory.root;
    for found in &path.found.matches {
        let real = below(root, found);
        let message = if is_mount_point(&real) {
            format!("`{}` is a mount point", found.display())
        } else if recursive && found.components().count() <= 2 {
            format!("`{}` would be removed with everything in it", found.display())
        } else {
            continue;
        };
        return path.impossible(Problem::new(message).hint("name a path further down".to_owned()));
    }
    let difference = difference_of(path, WHOLE, |_| true);
    path.step(Work::Remove { paths: path.found.matches.clone(), recursive }, difference);
}
