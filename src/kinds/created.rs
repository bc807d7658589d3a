//! Files of the node that a run may create, so that they need not exist before it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    list::{Profile, Sections},
    stages::stage_of,
};
use crate::{
    diagnostic::Origin,
    inventory::below,
    plan::{Resource, StepOptions},
    profile::{CreatedBy, FileStore, NamedAsset, Sections as _},
};

/// Returns a predicate: whether a step of a profile may create a file.
pub fn created_by_run(profile: &Profile, store: &FileStore, root: &Path) -> impl Fn(&NamedAsset<'_>) -> bool + use<> {
    let stage = stage_of(profile);
    let sections = stage.as_ref().unwrap_or(&profile.sections);
    created_by_steps(sections, &profile.sections.assets(), store.trusted().is_on(), root)
}

/// Returns a predicate: whether a step of some sections may create one of these files.
pub(super) fn created_by_steps(
    sections: &Sections,
    named: &[NamedAsset<'_>],
    has_trusted_keys: bool,
    root: &Path,
) -> impl Fn(&NamedAsset<'_>) -> bool + use<> {
    let has_created = named.iter().any(|named| named.created_by != CreatedBy::Nothing && path(named).is_absolute());
    // The outline is needed only for them.
    let creators = if has_created { creators(sections.outline()) } else { Creators::new() };
    let root = root.to_owned();
    move |named| {
        // Nothing could check the digest or the signature of such a file before the run changes the node.
        let is_checked = named.file.sha256.is_some() || has_trusted_keys;
        if !path(named).is_absolute() || is_checked {
            return false;
        }
        let is_created = || creates(&creators, path(named), named.origin);
        match named.created_by {
            CreatedBy::Nothing => false,
            CreatedBy::OtherEntries => is_created(),
            CreatedBy::AnyStep => is_created() || !below(&root, path(named)).exists(),
        }
    }
}

fn path<'a>(named: &NamedAsset<'a>) -> &'a Path {
    Path::new(&named.file.path)
}

/// The profile lines of each step that creates a path, by the path.
type Creators = HashMap<PathBuf, Vec<Vec<Origin>>>;

fn creators(outline: Vec<StepOptions>) -> Creators {
    let mut creators = Creators::new();
    for StepOptions { creates, origins, .. } in outline {
        for created in creates {
            if let Resource::Path(path) = created {
                creators.entry(path).or_default().push(origins.clone());
            }
        }
    }
    creators
}

/// Whether a step of another entry than that of a profile line creates a path, or a folder above it.
fn creates(creators: &Creators, path: &Path, line: &Origin) -> bool {
    let of_other = |origins: &Vec<Origin>| !origins.contains(line);
    path.ancestors().any(|above| creators.get(above).is_some_and(|steps| steps.iter().any(of_other)))
}
