//! `[pip.venvs]` as checked.

use std::path::{Path, PathBuf};

use super::base::BasePython;
use crate::{
    kinds::python::package::Package,
    profile::{AssetRef, Entry, Setting},
};

/// A virtual environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venv {
    /// Requirements.
    pub packages: Vec<Entry<Package>>,
    /// Requirements files.
    pub requirements: Vec<Entry<AssetRef>>,
    /// The interpreter that the environment is made with.
    pub python: Option<Setting<BasePython>>,
}

impl Venv {
    /// Whether anything is installed into it.
    pub(super) fn has_packages(&self) -> bool {
        !self.packages.is_empty() || !self.requirements.is_empty()
    }

    /// The interpreter of an environment.
    pub(super) fn interpreter(folder: &Path) -> PathBuf {
        folder.join("bin/python")
    }
}
