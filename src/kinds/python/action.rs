//! The action of a Python step, as data.

use super::{python_install::PythonInstall, venvs::VenvInstall};
use crate::{plan::title::listed, profile::FileStore};

/// The action of a Python step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Install distributions.
    Install(Box<PythonInstall>),
    /// Make or fill a virtual environment.
    Venv(Box<VenvInstall>),
    /// Remove distributions.
    Remove(Box<PythonRemoval>),
}

/// Python distributions to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonRemoval {
    /// The environment and its installer, without distributions to install.
    pub environment: PythonInstall,
    /// The distributions, by normalised name.
    pub names: Vec<String>,
}

impl Action {
    /// The word for the kind, as in the profile.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Install(install) if install.is_only_wheels() => "wheel",
            Self::Install(_) | Self::Venv(_) | Self::Remove(_) => "pip",
        }
    }

    /// The title: one line.
    pub fn title(&self) -> String {
        match self {
            Self::Install(install) => install.title(),
            Self::Venv(venv) => venv.title(),
            Self::Remove(removal) => format!("remove {}", listed(removal.names.iter().cloned())),
        }
    }

    /// The commands, one line each.
    pub fn describe(&self, store: &FileStore) -> Vec<String> {
        match self {
            Self::Install(install) => install.describe(store),
            Self::Venv(venv) => venv.describe(store),
            Self::Remove(removal) => {
                let PythonRemoval { environment, names } = &**removal;
                let (tool, python) = (environment.tool(), environment.interpreter.display());
                vec![format!("{tool} uninstall --python {python} {}", names.join(" "))]
            }
        }
    }
}
