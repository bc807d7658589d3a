//! Installers: programs that install software and prove it. The code is in `kinds/programs`.

mod checked;
mod written;

pub use checked::Installers;
