//! The packages that a lock adds to one environment, as a unit that can be kept and restored.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// What the required entries of a profile add to one environment by a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The kind of environment.
    pub of: Environment,
    /// The lock's runtime, in words.
    pub runtime: String,
    /// Version of Python, `3.11.2`, or R, `4.2.2`.
    pub version: String,
    /// The interpreter.
    pub program: PathBuf,
    /// The folder below which all its files are.
    pub base: PathBuf,
    /// The folder of packages: `site-packages`, or R's library.
    pub folder: PathBuf,
    /// What it holds, by name.
    pub packages: BTreeMap<String, LayerPackage>,
    /// What the runtime brings, by name, each with the folder that describes it.
    pub shipped: BTreeMap<String, PathBuf>,
    /// Whether byte code belongs to it.
    pub compile: bool,
    /// Modules that can be imported where it is.
    pub smoke: Vec<String>,
    /// Whether some of it may have come with a login: that is not for everybody who can read a shared store.
    pub private: bool,
}

/// A kind of environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// A Python environment.
    Python,
    /// A library of R packages.
    R,
}

impl Environment {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::R => "R",
        }
    }
}

/// A package of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerPackage {
    /// Its version.
    pub version: String,
    /// SHA-256 of the file that it is installed from.
    pub sha256: String,
}

impl Layer {
    /// R's own folder, by the package that is always there.
    pub fn r_home(&self) -> Option<&Path> {
        self.shipped.get("base").filter(|_| self.of == Environment::R)?.parent()?.parent()
    }
}
