//! Plans the entries that unpack an archive.

use std::path::PathBuf;

use super::{
    action::{Unpack, Work},
    archive::Archive,
    checked::Files,
    path_plan::PathPlan,
    plan_asset::PlannedAsset,
};
use crate::{
    fs::PathType,
    problem::Problem,
    report::event::Difference,
    state::{Item, WHOLE},
};

pub(super) fn plan(path: &mut PathPlan<'_, '_>, files: &Files, archive: &Archive) {
    let selection = &archive.selection;
    let found = path.found.entry.as_ref().map(|entry| &entry.kind);
    let message = match found {
        Some(PathType::Folder) if selection.is_file => Some("is a folder, not a file"),
        Some(PathType::File | PathType::Other) if !selection.is_file => Some("is not a folder"),
        _ => None,
    };
    if let Some(message) = message {
        let message = format!("`{}` {message}", path.found.path.display());
        return path.impossible(Problem::new(message).hint("move it out of the way".to_owned()));
    }
    let Some(asset) = PlannedAsset::of(path, &archive.from) else { return };
    let wanted = identity(path, archive, &asset);
    let record = match path.recorded().find(|(part, _)| *part == WHOLE) {
        Some((_, Item::Unpacked { archive, .. })) => Some(archive),
        _ => None,
    };
    let is_wanted = record == Some(&wanted);
    if is_wanted && path.found.is_unpacked {
        return path.ready();
    }
    let difference = match record {
        None => Some(Difference::Missing),
        Some(_) if is_wanted => Some(Difference::Drifted),
        Some(_) => None,
    };
    let work = Unpack {
        from: asset.from.clone(),
        name: archive.from.file_name().to_owned(),
        label: asset.label.clone(),
        digest: asset.digest.clone(),
        identity: wanted,
        selection: selection.clone(),
        attributes_of_others: files.attributes_below(&path.found.path).into_iter().collect(),
        left_to_others: files.below(&path.found.path).into_iter().collect::<Vec<PathBuf>>(),
    };
    asset.step(path, Work::Unpack(work), difference);
}

/// The archive and the options of the entry, which determine the files.
fn identity(path: &PathPlan<'_, '_>, archive: &Archive, asset: &PlannedAsset) -> String {
    let file = &path.entry.value;
    let mode = file.mode.as_ref().map(|mode| format!(" mode={mode}")).unwrap_or_default();
    let owner = file.owner.as_ref().map(|owner| format!(" owner={owner}")).unwrap_or_default();
    format!("{} unpack={}{mode}{owner}", asset.digest, archive.selection.shown())
}
