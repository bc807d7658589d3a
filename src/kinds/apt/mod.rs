//! Installs apt packages: all names, pins and local files in one transaction.
//!
//! apt computes the transaction and prints the files that it needs. The agent fetches and checks those files in
//! parallel. apt then installs them from the agent's own archive folder. Package lists are updated only if the
//! present lists cannot resolve the request.
//!
//! dpkg runs with `--force-unsafe-io`, so it does not call fsync after each file. The data is at risk only if the
//! machine crashes, not if a process dies, and a node that crashed is usually replaced. Set `wait-for-disk` on nodes
//! that must survive a power loss.
//!
//! A request for packages that would remove others fails and names them. Only `absent` removes packages.

mod act;
mod action;
mod checked;
mod command;
mod deb_control;
mod download;
mod dpkg;
mod dpkg_locks;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grammar;
mod hints;
mod install;
mod key_check;
mod lists;
mod lock;
mod plan;
mod plan_removal;
mod plan_sources;
mod removal;
mod repair;
mod resolve;
mod rules;
mod source_files;
mod source_keys;
pub mod sources;
mod transaction;
mod update;
mod uris;
mod verify;
mod written;

#[cfg(test)]
mod key_programs_tests;
#[cfg(test)]
mod tests;

pub use action::{Action, AptInstall, AptKey, AptRemoval, AptSource, AptSources, KeyContent};
pub use checked::{Apt, AptPackage, DebconfAnswer};
pub use lock::lock;
