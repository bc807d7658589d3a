//! The action of a step that makes or fills a virtual environment, as data.

use std::path::PathBuf;

use super::base::{BasePython, BaseSearch};
use crate::{
    kinds::python::python_install::{PythonInstall, PythonInstaller},
    plan::title::listed,
    profile::FileStore,
};

/// A virtual environment to make or to fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenvInstall {
    /// Its folder, as an absolute path on the node.
    pub folder: PathBuf,
    /// The interpreter that it is made with.
    pub base: BaseSearch,
    /// Whether the environment is made: it does not exist, or it is made again.
    pub is_new: bool,
    /// Its distributions.
    pub install: PythonInstall,
}

impl VenvInstall {
    /// The work in one line.
    pub(in crate::kinds::python) fn title(&self) -> String {
        let (folder, names) = (self.folder.display(), self.install.names());
        match (self.is_new, names.is_empty()) {
            (true, true) => format!("make {folder}"),
            (true, false) => format!("make {folder} with {}", listed(names.into_iter())),
            (false, _) => format!("install {} into {folder}", listed(names.into_iter())),
        }
    }

    /// The commands, one line each.
    pub(in crate::kinds::python) fn describe(&self, store: &FileStore) -> Vec<String> {
        let (python, folder) = (self.base.label(), self.folder.display());
        let made = match self.install.installer {
            PythonInstaller::Automatic { .. } => format!("uv venv --python {python} {folder}"),
            PythonInstaller::Pip => format!("{python} -m venv {folder}"),
        };
        let has_packages = !self.install.names().is_empty() || self.install.locked.is_some();
        let installed = if has_packages { self.install.describe(store) } else { Vec::new() };
        self.is_new.then_some(made).into_iter().chain(installed).collect()
    }
}

impl BaseSearch {
    /// The interpreter for messages.
    fn label(&self) -> String {
        self.wanted.as_ref().map_or_else(|| self.default.display().to_string(), BasePython::label)
    }
}
