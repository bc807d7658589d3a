//! Files of the node that a run may create, so that they need not exist before it.

use std::path::Path;

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

/// The test whether a step of a profile may create a file.
pub fn created_by_run(profile: &Profile, store: &FileStore, root: &Path) -> impl Fn(&NamedAsset<'_>) -> bool + use<> {
    let stage = stage_of(profile);
    let sections = stage.as_ref().unwrap_or(&profile.sections);
    created_by_steps(sections, &profile.sections.assets(), store.trusted().is_on(), root)
}

/// The test whether a step of some sections may create one of these files.
pub(super) fn created_by_steps(
    sections: &Sections,
    named: &[NamedAsset<'_>],
    has_trusted_keys: bool,
    root: &Path,
) -> impl Fn(&NamedAsset<'_>) -> bool + use<> {
    let has_created = named.iter().any(|named| named.created_by != CreatedBy::Nothing && path(named).is_absolute());
    // The outline is needed only for them.
    let outline = if has_created { sections.outline() } else { Vec::new() };
    let root = root.to_owned();
    move |named| {
        // Nothing could check the digest or the signature of such a file before the run changes the node.
        let is_checked = named.file.sha256.is_some() || has_trusted_keys;
        if !path(named).is_absolute() || is_checked {
            return false;
        }
        let is_created = || creates(&outline, path(named), named.origin);
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

/// Whether a step of another entry than that of a profile line creates a path, or a folder above it.
fn creates(outline: &[StepOptions], path: &Path, line: &Origin) -> bool {
    let is_above = |created: &Resource| matches!(created, Resource::Path(created) if path.starts_with(created));
    outline.iter().any(|options| !options.origins.contains(line) && options.creates.iter().any(is_above))
}
