//! The guard of the runtime's packages, as far as planning can apply it.

use super::{
    action::Action,
    checked::Python,
    node::Node,
    requested::{PackageRequest, Request},
    satisfied::{Satisfied, fits},
};
use crate::{diagnostic::Origin, plan::Planner};

impl Python {
    /// Refuses requirements that would change a distribution of the runtime. Changes that only a resolution reveals are
    /// refused when the step prepares.
    pub(super) fn guard(&self, node: &Node<'_>, requests: &[Request], planner: &mut Planner<'_, Action>) {
        let guarded = self.pip.guarded(&node.shipped);
        let satisfied = Satisfied::new(node.env, &node.markers, &[]);
        let mut refuse = |origin: &Origin, message: String, name: &str| {
            let hint = format!("ask for a version that fits, or list `{name}` under `allow-change` in `[pip]`");
            planner.refuse(origin, message, hint);
        };
        for request in requests {
            for named in &request.requirements.named {
                let (requirement, name) = (&named.requirement, named.requirement.name.to_string());
                let Some(version) = guarded.get(&name).filter(|_| satisfied.counts(requirement)) else { continue };
                if !fits(requirement, version, || None) {
                    let message = format!("`{requirement}` would change `{name}` {version}, which the runtime ships");
                    refuse(&named.origin, message, &name);
                }
            }
            if let PackageRequest::Wheel(_, wheel) = &request.entry.value
                && let Some(version) = guarded.get(&wheel.name).filter(|version| **version != wheel.version)
            {
                let (name, other) = (&wheel.name, &wheel.version);
                let message =
                    format!("the wheel {name} {other} would change `{name}` {version}, which the runtime ships");
                refuse(&request.entry.origin, message, name);
            }
        }
    }
}
