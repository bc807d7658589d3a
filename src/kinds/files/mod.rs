//! Files, folders and links: their whole content, edits, permissions and owners.

mod act;
mod action;
mod archive;
mod braces;
mod checked;
mod contents;
mod edit_file;
mod edit_rules;
mod edits;
mod expand;
mod from_rules;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grammar;
mod look;
mod mode;
mod path_plan;
mod plan;
mod plan_asset;
mod plan_edits;
mod plan_unpack;
mod plan_whole;
mod rules;
mod source;
mod unpack;
mod written;

pub use checked::{File, Files, Form};
