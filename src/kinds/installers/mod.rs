//! Installers: programs that install software and prove it.

mod act;
mod checked;
mod grammar;
mod plan;
mod written;

pub use checked::Installers;
