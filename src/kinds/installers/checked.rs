//! `[installers]` as checked.

use crate::kinds::programs::Programs;

/// Installers, in the order of the profile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installers(pub Programs);
