//! Shell configuration of users and of all login shells.

mod act;
mod checked;
mod grammar;
mod plan;
mod rules;
mod written;

pub use checked::{Shell, Text};

/// The name of `[shell.variables]` in `after` and `before`. `[env]` writes these variables.
pub(in crate::kinds) const VARIABLES: &str = "shell.variables";
