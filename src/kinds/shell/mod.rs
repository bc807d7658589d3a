//! Shell configuration of users and of all login shells.

mod act;
mod grammar;
mod plan;
mod rules;
mod written;

pub use grammar::{Shell, Text};
