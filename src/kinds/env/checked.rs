//! `[env]` as checked.

use std::collections::BTreeMap;

use super::destinations::Destination;
use crate::{
    diagnostic::Origin,
    profile::{Entry, SecretRef, Setting},
};

/// Environment variables, including those of `[shell.variables]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Env {
    /// The destinations of variables without their own.
    pub to: Option<Setting<Vec<Destination>>>,
    /// Variables, by name.
    pub variables: BTreeMap<String, Entry<Variable>>,
    /// The line of `[cert]` that sets the variables of TLS libraries. They name the bundle of the node.
    pub certificates_at: Option<Origin>,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its change.
    pub change: Change,
    /// Its own destinations.
    pub to: Option<Vec<Destination>>,
    /// The section that sets it.
    pub section: VariableSection,
}

/// The section that sets a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableSection {
    /// `[env]`.
    Env,
    /// `[shell.variables]`.
    Shell,
    /// `[cert]`.
    Cert,
}

/// The change of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It has this value.
    Set(String),
    /// Its value is a secret.
    Secret(SecretRef),
    /// A path comes before its other paths.
    Prepend(String),
    /// A path comes after its other paths.
    Append(String),
    /// No line assigns it.
    Absent,
}

impl Env {
    /// The destinations of a variable, and whether each of them must exist on the node.
    pub(super) fn destinations_of<'a>(&'a self, variable: &'a Variable) -> (&'a [Destination], bool) {
        match (&variable.to, &variable.change, &self.to) {
            (Some(own), ..) => (own, true),
            (None, Change::Secret(_), _) => (&[Destination::Spark], false),
            (None, _, Some(to)) => (&to.value, false),
            (None, _, None) => (&Destination::DEFAULT, false),
        }
    }

    /// The variables of a destination.
    pub(super) fn of(&self, to: Destination) -> impl Iterator<Item = (&str, &Entry<Variable>)> {
        let variables =
            self.variables.iter().filter(move |(_, entry)| self.destinations_of(&entry.value).0.contains(&to));
        variables.map(|(name, entry)| (name.as_str(), entry))
    }
}
