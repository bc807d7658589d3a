//! Installs R packages: resolves versions from the indexes of repositories, downloads in parallel, builds packages
//! along the dependency graph, and unpacks binaries without R. Exit statuses are never trusted.

mod act;
mod action;
mod archive;
mod build;
mod build_log;
mod builds;
mod checked;
mod description;
mod fetch;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod git_source;
mod grammar;
mod hints;
mod index;
mod install;
mod library;
mod library_install;
mod lock;
mod order;
mod package_install;
mod plan;
mod queue;
mod repository;
mod resolve;
mod resolve_error;
mod rules;
mod selection;
mod slots;
mod version;
mod written;

#[cfg(test)]
mod tests;

pub use action::{GitPackage, RInstall, RInstalled};
pub(super) use build::check_can_bake;
pub use checked::{R, RPackage};
pub use library::clean_up_interrupted;
pub use library_install::Prepared;
pub use lock::lock;
