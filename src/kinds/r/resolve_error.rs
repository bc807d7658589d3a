//! Why a resolution has no answer, in words for people.

use super::version::{Requirement, Version};
use crate::problem::Problem;

/// A requirement, and the package that has it; the profile itself when `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Demand {
    /// What is needed.
    pub(super) needed: Requirement,
    /// Who needs it.
    pub(super) by: Option<String>,
}

impl Demand {
    fn said(&self) -> String {
        match &self.by {
            Some(by) => format!("`{by}` needs {}", self.needed),
            None => format!("the profile asks for {}", self.needed),
        }
    }
}

/// Why a resolution has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResolveError {
    /// Nobody has a package of this name.
    Unknown {
        /// The package, and before it those that need it, up to one the profile asks for.
        chain: Vec<String>,
        /// The nearest known name.
        nearest: Option<String>,
    },
    /// There are versions, and none will do.
    NoVersion {
        /// The package.
        name: String,
        /// What is asked of it.
        demands: Vec<Demand>,
        /// What there is.
        offers: Vec<String>,
    },
    /// A package that comes with R is too old.
    Base {
        /// The package.
        name: String,
        /// Its version.
        version: Version,
        /// What is asked of it.
        demands: Vec<Demand>,
    },
    /// Packages need each other.
    Cycle(Vec<String>),
    /// Each choice of versions asks for another one.
    Unsettled,
}

impl ResolveError {
    /// The error as people see it; `looked_in` are the repositories.
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
                    "it comes with R: pin an older version of the package that needs it, or use a newer runtime"
                        .to_owned(),
                )
            }
            Self::Cycle(names) => Problem::new("R packages need each other").cause(linked(&names)),
            Self::Unsettled => Problem::new("no choice of R package versions satisfies every requirement")
                .hint("pin the versions of the packages that disagree".to_owned()),
        }
    }
}

fn linked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" -> ")
}

fn bounds(demands: &[Demand]) -> impl Iterator<Item = String> {
    demands.iter().filter(|demand| demand.needed.bound.is_some()).map(Demand::said)
}
