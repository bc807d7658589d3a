//! Implements the contract of kinds for sections of programs: looking and planning.

use super::program_section::{ProgramKind, ProgramSection};
use crate::{
    inventory::Inventory,
    kinds::{
        contract::{Asks, LookAt, Planning},
        programs::{self, Action, Look},
    },
    lock::Runtime,
    plan::{Address, Common, Layer, Planner, StepOptions},
    state::Receipt,
};

impl<K: ProgramKind> Planning for ProgramSection<K> {
    type Look = Look;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Look {
        programs::look(&self.programs, at)
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
        self.programs.outline(K::ROLE)
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, Action>) {
        programs::plan(K::ROLE, &self.programs, look, planner);
    }

    fn layer(&self, _: &Look, _: &Common<'_>) -> Option<Result<Layer, String>> {
        None
    }
}
