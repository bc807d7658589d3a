//! Decides what is to be done: pure functions from the profile and the node's facts to steps. Never runs, never prints.

mod action;
mod apt;
mod build;
mod layers;
mod locked;
mod logins;
mod place;
mod python;
mod r;
mod satisfied;
mod secrets;
mod shell;
mod title;

use std::{fmt, path::PathBuf, time::Duration};

pub use action::*;
pub use layers::{Environment, Layer, LayerPackage, layers};
pub use locked::{PlanLock, asks, runtime};
pub use logins::Login;
pub use place::{PlaceError, PlaceSecrets, RemoveSecrets, SecretPart};
pub use satisfied::unsatisfied;

use crate::{diagnostic::Origin, digest::Digest, problem::Problem, profile::Asset, report::event::PlannedStep};

/// Who names the digest of a file.
pub const BY_PROFILE: &str = "the profile";
/// The same, when it is the lock.
pub const BY_LOCK: &str = "the lock";

/// What is to be done on a node, in profile order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What is missing.
    pub steps: Vec<Step>,
    /// What is there already, in words.
    pub ready: Vec<String>,
    /// The lock that the plan was made by.
    pub lock: Option<PlanLock>,
    /// Why nothing may be done. A run with a refusal changes nothing.
    pub refusals: Vec<Problem>,
}

/// A step's name in a plan: its kind, and what sets it apart from others of its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub String);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What may not run twice at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// dpkg and its locks.
    Apt,
    /// A Python environment.
    Python,
    /// An R library.
    RLibrary,
}

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// What it does.
    pub action: Action,
    /// Files to bring to the agent's cache first, checked on the way.
    pub stage: Vec<Stage>,
    /// The logins it may need. Their passwords are fetched before anything is changed.
    pub logins: Vec<Login>,
    /// The profile lines that asked for it.
    pub origins: Vec<Origin>,
    /// The steps that must be done before.
    pub needs: Vec<StepId>,
    /// The lane it works in.
    pub lane: Option<Lane>,
    /// Whether the run goes on when it fails.
    pub optional: bool,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Why it cannot be done, when that is known before it is tried.
    pub doomed: Option<Problem>,
}

/// A file to copy to the agent's cache, so that what was checked is what is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Where it is.
    pub from: Asset,
    /// Where it goes.
    pub to: PathBuf,
    /// The digest it must have.
    pub digest: Digest,
    /// Who says so: the profile or the lock.
    pub says: &'static str,
    /// The profile line that names it.
    pub origin: Origin,
}

impl Step {
    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        match &self.action {
            Action::AptSources(_) | Action::AptInstall(_) => "apt",
            Action::PythonInstall(install) if install.is_only_wheels() => "wheel",
            Action::PythonInstall(_) => "pip",
            Action::RInstall(_) => "r",
            Action::WriteFile(_) => "shell",
            Action::PlaceSecrets(_) | Action::RemoveSecrets(_) => "secret",
            Action::TakeFile(_) => "file",
        }
    }

    /// What it does, in one line.
    pub fn title(&self) -> String {
        title::of(&self.action)
    }

    /// The step as events and `plan --json` show it.
    pub fn summary(&self) -> PlannedStep {
        PlannedStep {
            id: self.id.to_string(),
            kind: self.kind().to_owned(),
            title: self.title(),
            needs: self.needs.iter().map(ToString::to_string).collect(),
            optional: self.optional,
            origins: self.origins.clone(),
        }
    }
}
