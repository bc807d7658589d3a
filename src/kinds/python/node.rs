//! The environment of `[pip]`, as planning needs it.

use std::collections::BTreeMap;

use super::{action::Action, checked::Python};
use crate::{
    diagnostic::Origin,
    facts::{PythonEnv, python::PythonError},
    plan::Planner,
    state::PythonReceipt,
};

/// The environment and its metadata.
pub(super) struct Node<'a> {
    pub(super) env: &'a PythonEnv,
    pub(super) markers: pep508_rs::MarkerEnvironment,
    pub(super) receipt: PythonReceipt,
    /// The packages that the runtime shipped: from the receipt, or the present ones before the first change.
    pub(super) shipped: BTreeMap<String, String>,
}

impl Python {
    /// The line of the first entry.
    pub(super) fn first(&self) -> Option<&Origin> {
        let pip = &self.pip;
        let first = pip.packages.first().map(|entry| &entry.origin);
        let first = first.or(pip.requirements.first().map(|entry| &entry.origin));
        first.or(self.wheels.first().map(|entry| &entry.origin)).or(pip.absent.first().map(|entry| &entry.origin))
    }

    /// The environment. An unreadable environment refuses the run.
    pub(super) fn node<'n>(
        &self,
        look: Option<&'n Result<PythonEnv, PythonError>>,
        planner: &mut Planner<'_, Action>,
    ) -> Option<Node<'n>> {
        let first = self.first()?;
        let env = match look? {
            Ok(env) => env,
            Err(error) => {
                let origin = self.pip.python.as_ref().map_or(first, |python| &python.origin);
                let hint = "name the interpreter of the environment with `python` in `[pip]`".to_owned();
                planner.refuse(origin, error.to_string(), hint);
                return None;
            }
        };
        let Some(markers) = env.markers(&planner.common.facts.arch) else {
            let message = format!("the Python version of `{}` is unknown", env.interpreter.display());
            planner.refuse(first, message, None);
            return None;
        };
        let receipts = &planner.common.inventory.receipt.python;
        let receipt = receipts.get(&env.site_packages.display().to_string()).cloned().unwrap_or_default();
        let shipped = if receipt.shipped.is_empty() { versions(env) } else { receipt.shipped.clone() };
        Some(Node { env, markers, receipt, shipped })
    }
}

fn versions(env: &PythonEnv) -> BTreeMap<String, String> {
    env.distributions.values().map(|found| (found.name.clone(), found.version.clone())).collect()
}
