//! Environment variables of Spark, of login shells, of PAM sessions, of R and of the run.

mod absent;
mod act;
mod checked;
mod destinations;
mod format;
mod grammar;
mod plan;
mod rules;
mod run_variables;
mod with_certificates;
mod with_shell;
mod written;

pub use checked::{Change, Env, Variable, VariableSection};
pub use destinations::Destination;
