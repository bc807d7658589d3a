//! The packages that a lock adds to one environment, as a unit that the store keeps and a node restores.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// The locked packages that the required entries of a profile add to one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The kind of environment.
    pub of: Environment,
    /// The name of the lock's runtime.
    pub runtime: String,
    /// Version of Python, `3.11.2`, or R, `4.2.2`.
    pub version: String,
    /// The interpreter.
    pub program: PathBuf,
    /// The folder that contains all its files.
    pub base: PathBuf,
    /// The folder of packages: `site-packages`, or R's library.
    pub folder: PathBuf,
    /// The packages by name.
    pub packages: BTreeMap<String, LayerPackage>,
    /// The packages of the runtime by name, each with the folder of its metadata.
    pub shipped: BTreeMap<String, PathBuf>,
    /// Whether byte code is part of it.
    pub compile: bool,
    /// Modules whose import must succeed after a restore.
    pub smoke: Vec<String>,
    /// Whether a download may have used a login. Such a layer must not be published to a shared store.
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
    /// The name for messages.
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
    /// The SHA-256 of the file that it is installed from.
    pub sha256: String,
}

impl Layer {
    /// The folder of R itself, found by a package that R always contains.
    pub fn r_home(&self) -> Option<&Path> {
        self.shipped.get("base").filter(|_| self.of == Environment::R)?.parent()?.parent()
    }
}
