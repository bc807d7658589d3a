//! Shell configuration of users and of all login shells.

mod act;
mod checked;
mod grammar;
mod plan;
mod rules;
mod written;

pub use checked::{Shell, Text};
