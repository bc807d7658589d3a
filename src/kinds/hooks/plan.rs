//! Implements the contract of kinds for `[hooks]`: looking and planning.

use super::checked::Hooks;
use crate::{
    inventory::Inventory,
    kinds::{
        contract::{Asks, LookAt, Planning},
        programs::{self, Action, Look, Role},
    },
    lock::Runtime,
    plan::{Address, Common, Layer, Planner, StepOptions},
    state::Receipt,
};

impl Planning for Hooks {
    type Look = Look;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Look {
        programs::look(&self.0, at)
    }

    fn as_shipped(_: &mut Look, _: &Receipt) {}

    fn runtime(_: &Look, _: &mut Runtime) {}

    fn lacks(&self, _: &Look, _: &Inventory) -> Option<String> {
        None
    }

    fn asks(&self, _: &Inventory, _: &mut Asks) {}

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        self.0.outline(Role::Hook)
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, Action>) {
        programs::plan(Role::Hook, &self.0, look, planner);
    }

    fn layer(&self, _: &Look, _: &Common<'_>) -> Option<Result<Layer, String>> {
        None
    }
}
