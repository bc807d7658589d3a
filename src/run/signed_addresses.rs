//! Fetches and verifies the signed files on servers that a plan needs and that this node has not verified yet.

use super::{
    job::{Job, warn},
    not_received::NotReceived,
    receive::receive,
};
use crate::{kinds::Node, problem::Problem, profile::Sections as _, steps::Context};

/// Fetches the files. Sets their digests, so that the next plan knows them. Returns whether there were any.
///
/// # Errors
/// If a required file cannot be fetched, or any file is not signed as the profile says.
pub(super) async fn pin(job: &Job, ctx: &Context, node: &mut Node) -> Result<bool, Vec<Problem>> {
    let unverified = std::mem::take(&mut node.unverified);
    let (mut problems, mut is_any) = (Vec::new(), false);
    for named in job.profile.sections.assets() {
        if !unverified.contains(named.file) {
            continue;
        }
        match receive(job, ctx, &named).await {
            Ok(digest) => {
                node.inventory.pin(named.file, digest);
                is_any = true;
            }
            // The step of the entry fails.
            Err(NotReceived::Fetch(problem)) if named.optional => warn(job, problem.message),
            Err(problem) => problems.push(problem.problem()),
        }
    }
    if problems.is_empty() { Ok(is_any) } else { Err(problems) }
}
