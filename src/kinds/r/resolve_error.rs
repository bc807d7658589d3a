//! The errors of a resolution.

use super::version::{Requirement, Version};
use crate::problem::Problem;

/// A requirement and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Demand {
    /// The requirement.
    pub(super) needed: Requirement,
    /// The package with the requirement. `None` for the profile.
    pub(super) by: Option<String>,
}

impl Demand {
    fn describe(&self) -> String {
        match &self.by {
            Some(by) => format!("`{by}` needs {}", self.needed),
            None => format!("the profile asks for {}", self.needed),
        }
    }
}

/// Why a resolution failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResolveError {
    /// No repository has a package of this name.
    Unknown {
        /// The package, preceded by its dependents up to a package of the profile.
        chain: Vec<String>,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// No available version satisfies all requirements.
    NoVersion {
        /// The package.
        name: String,
        /// The requirements.
        demands: Vec<Demand>,
        /// The available versions.
        offers: Vec<String>,
    },
    /// A package of R itself is too old.
    Base {
        /// The package.
        name: String,
        /// Its version.
        version: Version,
        /// The requirements.
        demands: Vec<Demand>,
    },
    /// Packages depend on each other.
    Cycle(Vec<String>),
    /// Every choice of versions requires another choice.
    Unsettled,
}

impl ResolveError {
    /// The problem for the user. `looked_in` lists the repositories.
    pub(super) fn into_error(self, looked_in: &[String]) -> Problem {
        match self {
            Self::Unknown { chain, nearest } => {
                let name = chain.last().cloned().unwrap_or_default();
                let mut error = Problem::new(format!("R package `{name}` is in none of the repositories"));
                if chain.len() > 1 {
                    error = error.cause(format!("needed by {}", linked(&chain)));
                }
                let places = if looked_in.is_empty() { "no repository is set".into() } else { looked_in.join(", ") };
                error.cause(format!("looked in: {places}")).hint(nearest.map(|near| format!("did you mean `{near}`?")))
            }
            Self::NoVersion { name, demands, offers } => {
                let mut error = Problem::new(format!("no version of R package `{name}` can be used"));
                error.causes = bounds(&demands).chain(offers).collect();
                let pinned = demands.iter().any(|demand| demand.by.is_none() && demand.needed.bound.is_some());
                let hint = if pinned {
                    "change the pinned version in the profile, or add a repository that has it".to_owned()
                } else {
                    format!("add a repository that has a version for this node, or pin another one: `{name}@VERSION`")
                };
                error.hint(hint)
            }
            Self::Base { name, version, demands } => {
                let mut error = Problem::new(format!("R's own package `{name}` is {version}, which is too old"));
                error.causes = bounds(&demands).collect();
                error.hint(
                    "it is part of R: pin an older version of the package that needs it, or use a newer runtime"
                        .to_owned(),
                )
            }
            Self::Cycle(names) => Problem::new("R packages depend on each other").cause(linked(&names)),
            Self::Unsettled => Problem::new("no choice of R package versions satisfies every requirement")
                .hint("pin the versions of the packages that disagree".to_owned()),
        }
    }
}

fn linked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" -> ")
}

fn bounds(demands: &[Demand]) -> impl Iterator<Item = String> {
    demands.iter().filter(|demand| demand.needed.bound.is_some()).map(Demand::describe)
}
