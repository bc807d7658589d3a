//! Programs that nodeagent runs: the code that `[installers]` and `[hooks]` share. This folder is no kind of its own.

mod action;
mod checked;
mod checks;
mod clean_up;
mod content;
mod execute;
mod kind;
mod look;
mod plan;
mod rules;
mod run;
mod section;
mod show;
mod written;

pub use action::{Action, DesiredProgram, Role};
pub use checked::{Program, Programs, Proof, Source, Stdin, VersionCheck};
pub(super) use clean_up::{clean_up, leaves_behind};
pub(super) use execute::as_user;
pub use kind::{ProgramKind, ProgramSection};
pub use look::Look;
pub(super) use look::look;
pub(super) use plan::plan;
pub(super) use run::act;
pub use section::WrittenPrograms;
pub(super) use section::folders;
