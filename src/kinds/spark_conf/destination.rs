//! The files of settings on a node.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    facts::{Environment, spark_conf},
    inventory::below,
    profile::choices,
};

choices!(
    /// A file of settings.
    Destination, "kebab-case" {
        /// The file of the driver on the Databricks runtime.
        Driver,
        /// `spark-defaults.conf`.
        Defaults,
    }
);

/// The folder of the driver's files on the Databricks runtime. If several files set a key, the first file by name wins.
pub(super) const DRIVER_FOLDER: &str = "/databricks/driver/conf";
/// The file of nodeagent in this folder.
pub(super) const DRIVER_FILE: &str = "00-nodeagent.conf";

impl Destination {
    /// Both files.
    pub(super) const ALL: [Self; 2] = [Self::Driver, Self::Defaults];

    /// The word in profiles.
    pub fn word(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Defaults => "defaults",
        }
    }
}

/// The files that a node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    driver: Option<PathBuf>,
    defaults: Option<PathBuf>,
}

impl Files {
    /// Finds the files below a root. `env` is the environment of nodeagent.
    pub(super) fn find(root: &Path, env: &Environment) -> Self {
        let driver = below(root, Path::new(DRIVER_FOLDER)).is_dir();
        Self {
            driver: driver.then(|| Path::new(DRIVER_FOLDER).join(DRIVER_FILE)),
            defaults: spark_conf::folder(root, env).map(|folder| folder.join("spark-defaults.conf")),
        }
    }

    /// The file of settings that name none.
    pub(super) fn usual(&self) -> Destination {
        if self.driver.is_some() { Destination::Driver } else { Destination::Defaults }
    }

    /// A file, as a path of the node. `None` if the node does not have it.
    pub(super) fn of(&self, to: Destination) -> Option<&Path> {
        match to {
            Destination::Driver => self.driver.as_deref(),
            Destination::Defaults => self.defaults.as_deref(),
        }
    }
}
