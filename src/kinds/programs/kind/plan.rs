//! Implements the contract of kinds for sections of programs: looking and planning.

use super::program_section::{ProgramKind, ProgramSection};
use crate::{
    inventory::Inventory,
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
        programs::{self, Action, Look},
    },
    plan::{Address, Planner, StepOptions},
};

impl<K: ProgramKind> Planning for ProgramSection<K> {
    type Look = Look;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Look {
        programs::look(&self.programs, at)
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        self.programs.outline(K::ROLE)
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, Action>) {
        programs::plan(K::ROLE, &self.programs, look, planner);
    }
}
