//! Refuses a plan whose steps need paths that nothing creates.

use super::{
    awaited_path::AwaitedPath,
    phase::Resource,
    step::{Plan, Step},
};

/// Refuses the run for each awaited path that no other step creates. An optional step fails alone.
pub fn refuse_missing_paths<A>(plan: &mut Plan<A>) {
    for index in 0..plan.steps.len() {
        let Some(AwaitedPath { path, problem }) = plan.steps[index].awaited.clone() else { continue };
        let used = Resource::Path(path);
        let creates = |step: &Step<A>| step.creates.iter().any(|created| created.is_needed_for(&used));
        if plan.steps.iter().enumerate().any(|(other, step)| other != index && creates(step)) {
            continue;
        }
        let step = &mut plan.steps[index];
        if step.optional {
            step.known_failure.get_or_insert(problem);
        } else {
            plan.refusals.push(problem);
        }
    }
}
