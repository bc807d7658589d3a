//! Folders that are clones of git repositories.

mod act;
mod checked;
mod clone;
mod grammar;
mod lock;
mod locked_commit;
mod look;
mod plan;
mod rules;
mod written;

pub use checked::{Git, Repository, Revision};
pub use clone::{Action, CloneFolder};
pub use look::Look;
