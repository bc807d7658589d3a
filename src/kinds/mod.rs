//! Each kind of work in a folder of its own: look, act once, look again, and hints from the output of the tools. Acting code never
//! reads the text of the profile.

pub mod apt;
mod bake;
mod describe;
mod dispatch;
pub mod python;
pub mod r;
pub mod secrets;
pub mod shell;

pub use bake::bake;
pub use describe::describe;
pub use dispatch::{Prepared, act, clean_up_interrupted, may_refuse, prepare};
