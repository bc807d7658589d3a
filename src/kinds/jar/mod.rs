//! Jars on the class path of Spark: files of the file store, of servers and of Maven repositories, and the jars of the
//! runtime that they replace.

mod act;
mod action;
mod checked;
mod fetch;
mod grammar;
mod look;
mod plan;
mod rules;
mod written;

pub use action::JarInstall;
pub use checked::{Jar, JarFile};
