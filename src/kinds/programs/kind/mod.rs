//! The contract of kinds for a section of programs: `[installers]` and `[hooks]` differ only in their role.

mod act;
mod grammar;
mod plan;
mod program_section;

pub use program_section::{ProgramKind, ProgramSection};
