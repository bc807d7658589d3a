//! `[services]` as checked.

use std::{collections::BTreeMap, path::PathBuf};

use super::written::{Restart, State};
use crate::{
    diagnostic::Origin,
    profile::{Entry, Probe, SecretRef},
};

/// Services, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Services(pub BTreeMap<String, Entry<Service>>);

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The program and its arguments. `None` for a service whose unit nodeagent does not write.
    pub command: Option<Vec<String>>,
    /// The description of the unit.
    pub description: Option<String>,
    /// The user that the program runs as.
    pub user: Option<String>,
    /// The working directory.
    pub working_directory: Option<PathBuf>,
    /// Environment variables.
    pub environment: BTreeMap<String, Variable>,
    /// systemd's `Restart=`.
    pub restart: Option<Restart>,
    /// Settings of systemd: the values of each key of each section.
    pub settings: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Whether it runs.
    pub state: State,
    /// Whether it starts when the node starts. `None` for a masked service.
    pub enabled: Option<bool>,
    /// Whether it is masked.
    pub masked: bool,
    /// The files and entries whose change restarts the service.
    pub restart_on: Vec<Watched>,
    /// The test that it works.
    pub health: Option<Probe>,
}

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// A plain value.
    Text(String),
    /// A secret.
    Secret(SecretRef),
}

/// An element of `restart-on`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// A path or a glob.
    Files(String),
    /// An entry or a section of the profile, and the line that names it.
    Entry(String, Origin),
}

impl Service {
    /// The program, if nodeagent writes the unit.
    pub fn program(&self) -> Option<&str> {
        self.command.as_ref()?.first().map(String::as_str)
    }

    /// The secrets among the variables.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &SecretRef)> {
        self.environment.iter().filter_map(|(name, variable)| match variable {
            Variable::Secret(secret) => Some((name.as_str(), secret)),
            Variable::Text(_) => None,
        })
    }

    /// The plain variables.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().filter_map(|(name, variable)| match variable {
            Variable::Text(text) => Some((name.as_str(), text.as_str())),
            Variable::Secret(_) => None,
        })
    }

    /// The absolute paths among the arguments, also after `=`, as in `--config=/etc/x`.
    pub fn named_paths(&self) -> impl Iterator<Item = PathBuf> {
        let arguments = self.command.iter().flat_map(|command| command.iter().skip(1));
        arguments.filter_map(|argument| {
            let path = match argument.split_once('=') {
                Some((option, value)) if !option.contains('/') => value,
                _ => argument,
            };
            path.starts_with('/').then(|| PathBuf::from(path))
        })
    }
}
