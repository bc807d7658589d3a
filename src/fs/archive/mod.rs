//! Archives and compressed files of all supported formats: tar, also compressed with gzip, xz, zstd or bzip2; zip;
//! Debian packages (deb(5)); and single files compressed with one of these programs. Zip archives and Debian packages
//! are read as tar archives, so that all formats pass the same checks.

mod compression;
mod deb;
mod open;
#[cfg(test)]
mod tests;
mod zip;

pub use deb::deb_control;
pub use open::{OpenedArchive, open_archive};
