//! Files that the profile writes whole.

mod act;
mod checked;
mod grammar;
mod plan;
mod rules;
mod written;

pub use checked::{File, Files};
