//! `[installers]` as checked.

use super::written::Written;
use crate::kinds::programs::{ProgramKind, ProgramSection, Role, WrittenPrograms};

/// The kind `[installers]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstallerKind;

/// Installers, in the order of the profile.
pub type Installers = ProgramSection<InstallerKind>;

impl ProgramKind for InstallerKind {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["installers"];
    const ROLE: Role = Role::Installer;

    fn entries(written: &Written) -> &WrittenPrograms {
        &written.installers
    }
}
