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
