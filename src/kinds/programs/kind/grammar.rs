//! Implements the contract of kinds for sections of programs: merging, printing, files and secrets.

use super::program_section::{ProgramKind, ProgramSection};
use crate::{
    diagnostic::Diagnostic,
    kinds::{no_packages::names_no_packages, programs::Programs},
    profile::{Assets, NamedAsset, Page, Rules, RunStage, SecretUse, Section, Whole},
};

impl<K: ProgramKind> Section for ProgramSection<K> {
    type Written = K::Written;
    const KEYS: &'static [&'static str] = K::KEYS;
    const LOCKED: bool = false;
    const STAGED: bool = true;

    fn retain_stage(&mut self, stage: RunStage) {
        self.programs.0.retain(|entry| entry.order.stage == stage);
    }

    fn inherit(_: &mut K::Written, _: &K::Written) {}

    fn entry_names(written: &K::Written) -> Vec<String> {
        Programs::names(K::ROLE, K::entries(written))
    }

    fn check(written: &K::Written, rules: &mut Rules<'_>) -> Self {
        Programs::check(K::ROLE, K::entries(written), rules).into()
    }

    fn merge(parent: Self, child: Self) -> Self {
        Programs::merged(parent.programs, child.programs).into()
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        self.programs.show(K::ROLE, page);
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        self.programs.files(K::ROLE)
    }

    names_no_packages!();

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        self.programs.secret_uses()
    }
}
