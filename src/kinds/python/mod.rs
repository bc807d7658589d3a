//! Installs Python distributions: uv or pip resolves all requirements and wheels at once, and keeps the versions that
//! the runtime ships.
//!
//! The resolution runs while the step prepares, so that a request that would change a shipped distribution refuses
//! the run before anything is changed.

mod act;
mod action;
mod asks;
mod bytecode;
mod cache;
mod check_imports;
mod checked;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grammar;
mod guard;
mod hints;
mod ignored_settings;
mod index;
mod index_auth;
mod installation;
mod installer;
mod installer_problem;
mod interpreter;
mod layer;
mod lock;
mod locked;
mod node;
mod one_login;
mod package;
mod pins;
mod plan;
mod plan_guard;
mod plan_install;
mod plan_removal;
mod python_install;
mod ready;
mod removal;
mod repair;
mod requested;
mod requirements_file;
mod rules;
mod satisfied;
mod uv;
mod venvs;
mod verify;
mod wheel_builds;
mod written;

pub use act::Prepared;
pub use action::{Action, PythonRemoval};
pub(super) use check_imports::{Trace, check_imports};
pub(super) use checked::DEFAULT_PYTHON;
pub use checked::{Pip, Python};
pub use python_install::{DistributionSources, PythonInstall, PythonInstaller, PythonRequirement, Wheel};
pub use repair::{COMPILED, clean_up_interrupted};
