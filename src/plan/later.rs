//! Plans the post-start stage, as far as the launch knows it: its entries and their order.

use super::{
    later_step::{LaterNeed, LaterStep},
    order::into_order,
    planner::{StepOptions, push_step},
    step::Step,
};
use crate::problem::Problem;

/// The steps with these options.
///
/// # Errors
/// If their order has a cycle.
pub fn later(outline: Vec<StepOptions>) -> Result<Vec<LaterStep>, Problem> {
    let mut steps: Vec<Step<()>> = Vec::new();
    for options in outline {
        let id = options.entries.first().cloned().unwrap_or_default();
        push_step(&mut steps, &id, (), options);
    }
    let later = |step: Step<()>| LaterStep {
        entry: step.id.0,
        optional: step.optional,
        origins: step.origins,
        order: step
            .needs
            .iter()
            .map(|need| LaterNeed { entry: need.step.0.clone(), reason: need.reason.to_string() })
            .collect(),
    };
    Ok(into_order(steps)?.into_iter().map(later).collect())
}
