//! Fetches and verifies the signed files on servers that a plan needs and that this node has not verified yet.

use std::collections::{BTreeMap, BTreeSet};

use super::{job::Job, not_received::NotReceived, receive::receive};
use crate::{
    kinds::{Node, Plan},
    problem::Problem,
    profile::Sections as _,
    steps::Context,
};

/// The problems of files of optional entries, by the names of the files in the profile.
pub(super) type Failures = BTreeMap<String, Problem>;

/// Fetches the files that a plan uses. Sets their digests, so that the next plan knows them. Returns the files of
/// optional entries that could not be fetched. The plan has the logins of these files, and not those of other files.
///
/// # Errors
/// If a required file cannot be fetched, or any file is not signed as the profile says.
pub(super) async fn pin(job: &Job, ctx: &Context, plan: &Plan, node: &mut Node) -> Result<Failures, Vec<Problem>> {
    let unverified = std::mem::take(&mut node.unverified);
    let staged = plan.steps.iter().flat_map(|step| &step.stage);
    let staged = staged.chain(plan.later_files.iter().map(|file| &file.stage));
    let used: BTreeSet<&str> = staged.map(|file| file.name.as_str()).collect();
    let (mut problems, mut failures) = (Vec::new(), Failures::new());
    for named in job.profile.sections.assets() {
        if !unverified.contains(named.file) || !used.contains(named.file.path.as_str()) {
            continue;
        }
        match receive(job, ctx, &named).await {
            Ok(digest) => node.inventory.pin(named.file, digest),
            Err(NotReceived::Fetch(problem)) if named.optional => {
                failures.insert(named.file.path.clone(), problem);
            }
            Err(problem) => problems.push(problem.into_problem()),
        }
    }
    if problems.is_empty() { Ok(failures) } else { Err(problems) }
}

/// Notes in a plan that optional steps, and optional files of the post-start stage, fail.
pub(super) fn note(failures: &Failures, plan: &mut Plan) {
    for step in plan.steps.iter_mut().filter(|step| step.optional) {
        let failure = step.stage.iter().find_map(|file| failures.get(&file.name));
        step.known_failure = step.known_failure.take().or(failure.cloned());
    }
    for file in &mut plan.later_files {
        file.known_failure = failures.get(&file.stage.name).cloned();
    }
}
