//! `[hooks]` as checked.

use super::written::Written;
use crate::kinds::programs::{ProgramKind, ProgramSection, Role, WrittenPrograms};

/// The kind `[hooks]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookKind;

/// Hooks, in the order of the profile.
pub type Hooks = ProgramSection<HookKind>;

impl ProgramKind for HookKind {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["hooks"];
    const ROLE: Role = Role::Hook;

    fn entries(written: &Written) -> &WrittenPrograms {
        &written.hooks
    }
}

impl Hooks {
    /// A recommendation for each hook that has no check that its work is done.
    pub fn without_proof(&self) -> impl Iterator<Item = String> {
        let hooks = self.programs.0.iter().filter(|entry| entry.value.proof.is_empty());
        hooks.map(|entry| {
            format!(
                "the hook `{}` at {} has no check, so it runs once for each content; `creates`, `unless` or `version` \
                 would prove its result",
                entry.value.name, entry.origin
            )
        })
    }
}
