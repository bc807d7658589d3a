//! Refuses sources without encryption whose content neither the profile nor the lock authenticates.

use std::collections::BTreeSet;

use super::list::Sections;
use crate::{
    lock::Section,
    plan::Common,
    problem::Problem,
    profile::{CoveredBy, Sections as _, UnencryptedSource},
};

/// The refusals of the sources of these entries. Each address of a line is refused once.
pub(super) fn refusals(sections: &Sections, common: &Common<'_>) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let mut refused = Vec::new();
    for source in sections.unencrypted_sources() {
        let is_allowed = source.address.is_of(&common.facts.insecure_http) || is_covered(&source, common);
        if !is_allowed && seen.insert((source.origin.clone(), source.address.clone())) {
            refused.push(Problem::new(source.message()).hint(source.hint()).asked_at(source.origin.clone()));
        }
    }
    refused
}

/// Whether the lock has the digests of the content. In the post-start stage, the lock is that of the launch.
fn is_covered(source: &UnencryptedSource<'_>, common: &Common<'_>) -> bool {
    match &source.covered_by {
        CoveredBy::PythonPackages => common.locked().is_some_and(Section::has_only_wheels),
        CoveredBy::RPackages => common.locked().is_some(),
        CoveredBy::File(file) => common.locked_asset(file).is_some(),
        CoveredBy::Commit { folder, url, revision } => {
            let folder = folder.display().to_string();
            let of_lock = common.locked().into_iter().flat_map(|section| &section.git);
            of_lock.chain(common.launched_commits).any(|git| git.is_of(&folder, url, revision))
        }
    }
}
