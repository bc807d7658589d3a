//! Hooks: programs that run last, one after another.

mod act;
mod checked;
mod grammar;
mod plan;
mod written;

pub use checked::Hooks;
