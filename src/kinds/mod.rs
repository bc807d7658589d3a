//! The kinds of work, each in a folder of its own: the grammar (`written`, `checked`, `grammar`), its rules, planning
//! (pure), the acting code with its verification, the hints and the tests. `list` has one row for each kind.

pub mod accounts;
pub mod apt;
mod bake;
pub mod cert;
mod contract;
mod created;
pub mod cron;
mod describe;
pub mod env;
pub mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod git;
pub mod hooks;
pub mod installers;
mod interrupted;
pub mod jar;
mod list;
mod load;
mod lock;
#[cfg(test)]
mod lookup_tests;
mod no_packages;
mod no_stages;
mod node;
pub mod programs;
pub mod python;
mod quote;
pub mod r;
pub mod secrets;
pub mod services;
pub mod shell;
pub mod spark_conf;
mod stages;
pub mod system;
mod take_back;
#[cfg(test)]
mod tests;
mod text_action;
mod unencrypted;
mod used_secrets;
mod writes_files;

pub use bake::bake;
pub use contract::LoginFile;
pub use created::created_by_run;
pub use describe::describe;
pub use interrupted::{clean_up_interrupted, journal_items};
pub use list::{Action, Kind, Looks, Plan, Prepared, Profile, Sections, Step};
pub use load::{json_schema, load};
pub use lock::{LockWork, Upgrade};
pub use node::Node;
pub use quote::Quote;
pub use stages::secrets_of_stage;
pub use text_action::{Piece, TextAction, WriteSecretText};
