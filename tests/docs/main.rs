//! The documents describe the real program: every key, command, option, status and event is documented, every example
//! profile is valid, every command line runs, and every link has a target.

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the documents need a part of it")]
mod support;

mod command_lines;
mod commands;
mod examples;
mod links;
mod pages;
mod reference;
mod scene;
