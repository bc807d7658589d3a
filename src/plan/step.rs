//! A plan and its steps, as data.

use std::{path::PathBuf, time::Duration};

use super::{
    lock::PlanLock,
    logins::Login,
    phase::{Need, Phase, Resource},
    step_id::StepId,
};
use crate::{
    diagnostic::Origin,
    digest::Digest,
    problem::Problem,
    profile::{Asset, Order},
    report::event::PlannedStep,
};

/// The profile names the digest of a file.
pub const BY_PROFILE: &str = "the profile";
/// The lock names the digest of a file.
pub const BY_LOCK: &str = "the lock";

/// The work to do on a node, in profile order. `A` is the action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<A> {
    /// The steps.
    pub steps: Vec<Step<A>>,
    /// Entries that need no work, one line each.
    pub ready: Vec<String>,
    /// The lock that the plan was made by.
    pub lock: Option<PlanLock>,
    /// Why nothing may be done. A run with a refusal changes nothing.
    pub refusals: Vec<Problem>,
}

impl<A> Default for Plan<A> {
    fn default() -> Self {
        Self { steps: Vec::new(), ready: Vec::new(), lock: None, refusals: Vec::new() }
    }
}

/// A resource that one step at a time may work on.
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
pub struct Step<A> {
    /// Its name.
    pub id: StepId,
    /// The work itself.
    pub action: A,
    /// The entries that it carries out, written as in `after`: `pip`, `files./etc/x`.
    pub entries: Vec<String>,
    /// Files to bring to the agent's cache first, checked on the way.
    pub stage: Vec<Stage>,
    /// The logins it may need. Their passwords are fetched before anything is changed.
    pub logins: Vec<Login>,
    /// The profile lines that asked for it.
    pub origins: Vec<Origin>,
    /// Its place in the default order.
    pub phase: Phase,
    /// Entries that it follows or precedes by the profile.
    pub order: Order,
    /// A kind that it does not wait for, although the phases say so.
    pub beside: Option<&'static str>,
    /// Paths and accounts that it creates.
    pub creates: Vec<Resource>,
    /// Paths and accounts that it needs.
    pub uses: Vec<Resource>,
    /// The steps that must have ended before it acts.
    pub needs: Vec<Need>,
    /// The lane it works in.
    pub lane: Option<Lane>,
    /// Whether the run goes on when it fails.
    pub optional: bool,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Why it cannot be done, when that is known before it is tried.
    pub known_failure: Option<Problem>,
}

/// A file to copy to the agent's cache, so that the bytes that were checked are the bytes that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Where it is.
    pub from: Asset,
    /// Where it goes.
    pub to: PathBuf,
    /// The digest it must have.
    pub digest: Digest,
    /// Who names the digest: the profile or the lock.
    pub says: &'static str,
    /// The profile line that names it.
    pub origin: Origin,
}

/// How an action is named in plans and reports.
pub trait Describe {
    /// The word for its kind, as in the profile: `apt`.
    fn kind(&self) -> &'static str;

    /// Its work in one line: `install jq`.
    fn title(&self) -> String;
}

impl<A> Step<A> {
    /// The same step with another type of action.
    pub fn map<B>(self, action: impl FnOnce(A) -> B) -> Step<B> {
        Step {
            action: action(self.action),
            id: self.id,
            entries: self.entries,
            stage: self.stage,
            logins: self.logins,
            origins: self.origins,
            phase: self.phase,
            order: self.order,
            beside: self.beside,
            creates: self.creates,
            uses: self.uses,
            needs: self.needs,
            lane: self.lane,
            optional: self.optional,
            timeout: self.timeout,
            known_failure: self.known_failure,
        }
    }
}

impl<A: Describe> Step<A> {
    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        self.action.kind()
    }

    /// Its work in one line.
    pub fn title(&self) -> String {
        self.action.title()
    }

    /// The step as events and `plan --json` show it.
    pub fn summary(&self) -> PlannedStep {
        PlannedStep {
            id: self.id.to_string(),
            kind: self.kind().to_owned(),
            title: self.title(),
            needs: self.needs.iter().map(|need| need.step.to_string()).collect(),
            optional: self.optional,
            origins: self.origins.clone(),
        }
    }
}
