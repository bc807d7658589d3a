//! The destinations of variables, and their files on a node.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    facts::{Environment, r, spark_conf},
    inventory::below,
    profile::choices,
};

choices!(
    /// A destination of variables.
    Destination, "kebab-case" {
        /// The driver and the executors of Spark.
        Spark,
        /// Login shells.
        Login,
        /// PAM sessions.
        System,
        /// R.
        R,
        /// The programs of this run, and the agent's own requests.
        Run,
    }
);

/// The folder of Debian's configuration files of R. R's own folder has links to them.
const DEBIAN_R: &str = "/etc/R";

impl Destination {
    /// The destinations of variables if the profile has no `to`.
    pub(super) const DEFAULT: [Self; 3] = [Self::Spark, Self::Login, Self::R];
    /// The destinations that have a file.
    pub(super) const FILES: [Self; 4] = [Self::Spark, Self::Login, Self::System, Self::R];

    /// The word in profiles.
    pub fn word(self) -> &'static str {
        match self {
            Self::Spark => "spark",
            Self::Login => "login",
            Self::System => "system",
            Self::R => "r",
            Self::Run => "run",
        }
    }

    /// The name of the destination's program, for messages.
    pub(super) fn reader(self) -> &'static str {
        match self {
            Self::Spark => "Spark",
            Self::Login => "login shells",
            Self::System => "PAM",
            Self::R => "R",
            Self::Run => "this run",
        }
    }
}

/// The files of the destinations that a node has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Files {
    spark: Option<PathBuf>,
    r: Option<PathBuf>,
}

impl Files {
    /// Finds the files below a root. `env` is the environment of nodeagent.
    pub(super) fn find(root: &Path, env: &Environment) -> Self {
        let spark = spark_conf::folder(root, env).map(|folder| folder.join("spark-env.sh"));
        Self { spark, r: renviron(root) }
    }

    /// The file of a destination, as a path of the node. `None` if the node does not have the destination, or it has no
    /// file.
    pub(super) fn of(&self, to: Destination) -> Option<PathBuf> {
        match to {
            Destination::Spark => self.spark.clone(),
            Destination::Login => Some(PathBuf::from("/etc/profile.d/nodeagent-variables.sh")),
            Destination::System => Some(PathBuf::from("/etc/environment")),
            Destination::R => self.r.clone(),
            Destination::Run => None,
        }
    }
}

fn renviron(root: &Path) -> Option<PathBuf> {
    let home = r::home(root)?;
    let etc = if below(root, Path::new(DEBIAN_R)).is_dir() && home == Path::new("/usr/lib/R") {
        PathBuf::from(DEBIAN_R)
    } else {
        home.join("etc")
    };
    Some(etc.join("Renviron.site"))
}
