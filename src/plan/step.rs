//! A plan and its steps, as data.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use super::{
    awaited_path::AwaitedPath,
    later_step::LaterStep,
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
    report::event::{Difference, PlannedStep},
    state::PostStartItems,
};

/// The profile contains the digest of a file.
pub const BY_PROFILE: &str = "the profile";
/// The lock contains the digest of a file.
pub const BY_LOCK: &str = "the lock";

/// The work to do on a node, in profile order. `A` is the action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<A> {
    /// The steps.
    pub steps: Vec<Step<A>>,
    /// Entries that need no work, one line each.
    pub ready: Vec<String>,
    /// The steps of the post-start stage.
    pub later: Vec<LaterStep>,
    /// The files from servers that the later steps use. They are fetched before the gate.
    pub later_files: Vec<LaterFile>,
    /// The logins that these files may need.
    pub later_logins: Vec<Login>,
    /// The items that the post-start stage makes: by path and part, the entry. Empty in a plan of the launch.
    pub items: PostStartItems,
    /// The lock that the plan used.
    pub lock: Option<PlanLock>,
    /// The reasons to refuse the run. A refused run changes nothing.
    pub refusals: Vec<Problem>,
}

impl<A> Default for Plan<A> {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            ready: Vec::new(),
            later: Vec::new(),
            later_files: Vec::new(),
            later_logins: Vec::new(),
            items: PostStartItems::new(),
            lock: None,
            refusals: Vec::new(),
        }
    }
}

/// A resource that only one step at a time may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// dpkg and its locks.
    Apt,
    /// A Python environment.
    Python,
    /// An R library.
    RLibrary,
    /// The files with users and groups.
    Accounts,
    /// Hooks run one after another.
    Hooks,
    /// The folders of jars.
    Jars,
    /// The system's store of certificates.
    Certificates,
    /// The keystores of Java.
    Keystores,
    /// Mounts, swap files and alternatives: programs of the system that share files.
    System,
}

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<A> {
    /// Its name.
    pub id: StepId,
    /// The action.
    pub action: A,
    /// The entries that it carries out, written as in `after`: `pip`, `files./etc/x`.
    pub entries: Vec<String>,
    /// The entry of a list that it is for, if the entry is optional. A lock keeps the packages of such an entry apart.
    pub optional_entry: Option<String>,
    /// Files to copy to the agent's cache and to verify before the step acts.
    pub stage: Vec<Stage>,
    /// The logins that it may need. Their passwords are fetched before anything is changed.
    pub logins: Vec<Login>,
    /// The profile lines that request it.
    pub origins: Vec<Origin>,
    /// Its phase in the default order.
    pub phase: Phase,
    /// Entries that the profile puts before or after it.
    pub order: Order,
    /// A kind that it does not wait for, despite the phases.
    pub beside: Option<&'static str>,
    /// Paths and accounts that it creates.
    pub creates: Vec<Resource>,
    /// Paths and accounts that it needs.
    pub uses: Vec<Resource>,
    /// Sections and entries whose changes it reacts to, written as in `after`.
    pub watches: Vec<String>,
    /// A path that must exist, unless another step creates it.
    pub awaited: Option<AwaitedPath>,
    /// Whether it can prepare only after the steps that it needs. It can then no longer refuse the run.
    pub prepares_late: bool,
    /// The steps that must end before it acts.
    pub needs: Vec<Need>,
    /// The lane that it acts in.
    pub lane: Option<Lane>,
    /// Whether the run continues if it fails.
    pub optional: bool,
    /// The time limit.
    pub timeout: Option<Duration>,
    /// The reason why it cannot succeed, if that is known before the run.
    pub known_failure: Option<Problem>,
    /// How the item of the step differs from the profile.
    pub difference: Option<Difference>,
}

#[cfg(test)]
impl<A> Step<A> {
    /// A step of the profile's first line, without entries and without order.
    pub(crate) fn for_tests(id: &str, action: A, phase: Phase) -> Self {
        Self {
            id: StepId(id.to_owned()),
            action,
            entries: Vec::new(),
            optional_entry: None,
            stage: Vec::new(),
            logins: Vec::new(),
            origins: vec![Origin { file: "x.toml".into(), line: 1, column: 1 }],
            phase,
            order: Order::default(),
            beside: None,
            creates: Vec::new(),
            uses: Vec::new(),
            watches: Vec::new(),
            awaited: None,
            prepares_late: false,
            needs: Vec::new(),
            lane: None,
            optional: false,
            timeout: None,
            known_failure: None,
            difference: None,
        }
    }
}

/// A file to copy to the agent's cache. The step uses exactly the bytes that were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The source.
    pub from: Asset,
    /// Its name in the profile.
    pub name: String,
    /// The destination.
    pub to: PathBuf,
    /// The largest size in bytes of a file on a server. `None` for files that may be large.
    pub limit: Option<u64>,
    /// How its content is verified.
    pub check: StageCheck,
    /// The profile line that refers to it.
    pub origin: Origin,
}

/// A file on a server that the post-start stage uses. The launch fetches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaterFile {
    /// How it is fetched.
    pub stage: Stage,
    /// Whether the entry may fail.
    pub optional: bool,
    /// The reason why it cannot be fetched, if that is known before the gate.
    pub known_failure: Option<Problem>,
}

/// How the content of a file is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageCheck {
    /// By its digest.
    Digest {
        /// The expected digest.
        digest: Digest,
        /// The origin of the digest: the profile or the lock.
        says: &'static str,
    },
    /// It is a file of OpenPGP keys with these fingerprints, and no others.
    Keys(BTreeSet<String>),
}

impl Stage {
    /// The expected digest, if it is known.
    pub fn digest(&self) -> Option<&Digest> {
        match &self.check {
            StageCheck::Digest { digest, .. } => Some(digest),
            StageCheck::Keys(_) => None,
        }
    }
}

/// The name of an action in plans and reports.
pub trait Describe {
    /// The word for its kind, as in the profile: `apt`.
    fn kind(&self) -> &'static str;

    /// Its work in one line: `install jq`.
    fn title(&self) -> String;
}

impl<A> Plan<A> {
    /// Whether another step reacts to a change that this step makes.
    pub fn is_watched(&self, step: &Step<A>) -> bool {
        self.steps.iter().flat_map(|other| &other.watches).any(|name| is_among(&step.entries, name))
    }
}

/// Whether a name, written as in `after`, is an entry of a list or the section of one.
pub fn is_among<S: AsRef<str>>(entries: &[S], name: &str) -> bool {
    let is_named = |entry: &str| entry == name || entry.split_once('.').is_some_and(|(section, _)| section == name);
    entries.iter().any(|entry| is_named(entry.as_ref()))
}

impl<A> Step<A> {
    /// The same step with another type of action.
    pub fn map<B>(self, action: impl FnOnce(A) -> B) -> Step<B> {
        Step {
            action: action(self.action),
            id: self.id,
            entries: self.entries,
            optional_entry: self.optional_entry,
            stage: self.stage,
            logins: self.logins,
            origins: self.origins,
            phase: self.phase,
            order: self.order,
            beside: self.beside,
            creates: self.creates,
            uses: self.uses,
            watches: self.watches,
            awaited: self.awaited,
            prepares_late: self.prepares_late,
            needs: self.needs,
            lane: self.lane,
            optional: self.optional,
            timeout: self.timeout,
            known_failure: self.known_failure,
            difference: self.difference,
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
            difference: self.difference,
        }
    }
}
