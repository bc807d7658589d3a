//! Files, folders and links: their whole content, edits, permissions and owners.

mod act;
mod action;
mod braces;
mod checked;
mod edit_file;
mod edit_rules;
mod edits;
mod grammar;
mod look;
mod mode;
mod path_plan;
mod plan;
mod plan_edits;
mod plan_whole;
mod rules;
mod source;
mod written;

pub use checked::{File, Files, Form};
