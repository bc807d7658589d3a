//! The file of an asset for the plan of a path: its place on the node and its digest.

use std::path::PathBuf;

use super::{action::Work, path_plan::PathPlan};
use crate::{
    digest::Digest,
    plan::{Stage, StepOptions},
    problem::Problem,
    profile::{Asset, AssetRef},
    report::event::Difference,
};

/// A file that a step uses.
pub(super) struct PlannedAsset {
    /// Its path when the step acts.
    pub(super) from: PathBuf,
    pub(super) digest: Digest,
    /// Its name for messages.
    pub(super) label: String,
    stage: Vec<Stage>,
}

impl PlannedAsset {
    /// Looks up a file. `None` without the file: then another check refuses the run or plans a step that fails.
    pub(super) fn of(path: &mut PathPlan<'_, '_>, file: &AssetRef) -> Option<Self> {
        let common = path.planner.common;
        let mut stage = Vec::new();
        let from = common.usable(file, &path.entry.origin, &mut stage)?;
        let found = common.inventory.asset(file)?;
        let label = found.asset.label();
        let digest = match (stage.first().and_then(Stage::digest), &found.asset) {
            (Some(digest), _) => Ok(digest.clone()),
            (None, Asset::File { path, .. }) => Digest::sha256_of_file(path),
            (None, Asset::BuiltIn { bytes, .. }) => Ok(Digest::sha256(bytes)),
            // The run is refused anyway. The step declares the path, so that entries that use it cause no second error.
            (None, Asset::Address(_)) => {
                path.step(Work::Impossible, None);
                return None;
            }
            // Only copies use files that other steps create.
            (None, Asset::Created(_)) => return None,
        };
        match digest {
            Ok(digest) => Some(Self { from, digest, label, stage }),
            Err(error) => {
                path.impossible(Problem::new(format!("`{label}` could not be read: {error}")));
                None
            }
        }
    }

    /// Plans the step that uses the file.
    pub(super) fn step(self, path: &mut PathPlan<'_, '_>, work: Work, difference: Option<Difference>) {
        let stage = self.stage;
        path.step_with(work, difference, |options| StepOptions { stage, ..options });
    }
}
