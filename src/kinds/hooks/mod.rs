//! Hooks: programs that run last, one after another. The code is in `kinds/programs`.

mod checked;
mod written;

pub use checked::Hooks;
