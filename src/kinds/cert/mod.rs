//! Certificates of authorities that the node trusts: in the system's store, in Java's keystores and in Python's
//! certifi.

mod act;
mod action;
mod certifi;
mod checked;
mod clean_up;
mod fuse;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grammar;
mod java;
mod keytool;
mod look;
mod os;
mod plan;
mod rules;
mod sources;
mod written;

pub use action::Action;
pub use checked::{Cert, Store};
