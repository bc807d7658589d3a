//! The contract of a kind of work: how it inspects the node, plans, acts and is locked.
//!
//! A kind implements three traits, one for each role of its files: [`Section`](crate::profile::Section) (the grammar),
//! [`Planning`] (pure: it reads the node and decides) and [`Acting`] (it changes the node). The traits have no default
//! methods, so that a kind that leaves out a part does not compile.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    path::{Path, PathBuf},
};

use super::lock::{LockGroup, LockWork};
use crate::{
    facts::{NodeFacts, users::Users},
    fs::FsError,
    inventory::{Inventory, Vault},
    lock::{self, Runtime},
    plan::{Address, Common, Layer, Planner, StepOptions},
    problem::Problem,
    profile::{FileStore, Section},
    state::Receipt,
    steps::Context,
};

/// How a step ended before its end.
#[derive(Debug, Clone, Copy)]
pub struct Interruption<'a> {
    /// The identifier of the run.
    pub run: &'a str,
    /// Whether the node was started again since. The disk may then have lost parts of files, and files that exist need
    /// not be complete.
    pub is_rebooted: bool,
}

/// The inputs of an inspection of the node.
#[derive(Debug, Clone, Copy)]
pub struct LookAt<'a> {
    /// The root of the node's file system.
    pub root: &'a Path,
    /// The node's facts.
    pub facts: &'a NodeFacts,
    /// Users and groups.
    pub users: &'a Users,
    /// The state that earlier runs left.
    pub receipt: &'a Receipt,
    /// The profile's name.
    pub profile: &'a str,
    /// Environment variables with secrets, which no program may see.
    pub withheld: &'a BTreeSet<String>,
}

/// The requests of a profile to package tools, one line each. Equal lines have equal resolutions.
#[derive(Debug, Default)]
pub struct Asks(Vec<String>);

impl Asks {
    /// Adds a request.
    pub fn add(&mut self, tool: &str, what: &str, optional: bool) {
        self.0.push(format!("{tool} {what}{}", if optional { " (optional)" } else { "" }));
    }

    /// The lines, sorted, each once.
    pub(super) fn into_lines(mut self) -> Vec<String> {
        self.0.sort();
        self.0.dedup();
        self.0
    }
}

/// Inspects the node and plans for a kind. Pure, except that `look` reads files and runs the checks of programs.
pub trait Planning: Section {
    /// The state of the node that the kind needs to plan.
    type Look: Debug + Send;
    /// The action of a step.
    type Action: Clone + Debug + PartialEq + Eq;

    /// Reads the state of the node.
    fn look(&self, at: &LookAt<'_>) -> Self::Look;

    /// Removes the packages that runs and users added, if the packages of the runtime are known.
    fn as_shipped(look: &mut Self::Look, receipt: &Receipt);

    /// Adds the versions that a resolution depends on.
    fn runtime(look: &Self::Look, runtime: &mut Runtime);

    /// The reasons why a lock of the profile cannot be made on this node.
    fn lacks(&self, look: &Self::Look, inventory: &Inventory) -> Option<String>;

    /// Adds the requests to package tools that a lock answers.
    fn asks(&self, inventory: &Inventory, asks: &mut Asks);

    /// The addresses that steps of the kind use, to select their logins. Those of files are added.
    fn addresses(&self, inventory: &Inventory) -> Vec<Address>;

    /// The steps of a node that has nothing of the section, without their actions: their names, lines and order, and
    /// the files that they write, as far as these are known without the node. `check` compares them.
    fn outline(&self) -> Vec<StepOptions>;

    /// Plans the steps.
    fn plan(&self, look: &Self::Look, planner: &mut Planner<'_, Self::Action>);

    /// The layer of the packages that the lock adds. The error is the reason why no layer is possible.
    fn layer(&self, look: &Self::Look, common: &Common<'_>) -> Option<Result<Layer, String>>;
}

/// The file in which the tools of a step find the password of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFile {
    /// Nowhere: the agent's own requests carry it.
    None,
    /// A netrc file, for every login.
    Netrc,
    /// A netrc file, for tools that support one login for each host.
    NetrcByHost,
}

/// Changes the node for a kind.
#[expect(async_fn_in_trait, reason = "only this crate implements and calls it, and its futures stay in one thread")]
pub trait Acting: Planning {
    /// The result of `prepare`.
    type Prepared: Send;

    /// The word for the kind of an action, as in the profile.
    fn word(action: &Self::Action) -> &'static str;

    /// The title of an action: one line.
    fn title(action: &Self::Action) -> String;

    /// The commands and diffs of an action, one line each. Files have their names in the file store.
    fn describe(action: &Self::Action, store: &FileStore) -> Vec<String>;

    /// Whether `prepare` may refuse the whole run. Nothing is changed before all such steps are prepared.
    fn can_refuse(action: &Self::Action) -> bool;

    /// Whether a layer contains the files that the action installs, or depends on them.
    fn fills_layers(action: &Self::Action) -> bool;

    /// The file in which the tools of an action find passwords of logins.
    fn login_file(action: &Self::Action) -> LoginFile;

    /// Resolves and downloads; changes nothing outside the agent's cache.
    async fn prepare(ctx: &Context, action: &Self::Action) -> Result<Self::Prepared, Problem>;

    /// Changes the node, and looks again.
    async fn act(ctx: &Context, action: &Self::Action, prepared: Self::Prepared, vault: &Vault) -> Result<(), Problem>;

    /// The partial work that a killed run would leave. The journal records it before the step acts.
    fn leaves_behind(action: &Self::Action, prepared: &Self::Prepared) -> LeftBehind;

    /// Removes the partial work of a killed or timed-out step. Returns the names of the removed items, for a warning.
    fn clean_up(root: &Path, how: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError>;

    /// Resolves the kind's packages for a lock, into its part of the section.
    async fn lock(
        &self,
        work: &LockWork<'_>,
        groups: Vec<LockGroup<'_, Self::Action>>,
        section: &mut lock::Section,
    ) -> Result<(), Problem>;
}

/// The partial work of a killed step.
#[derive(Debug, Default)]
pub struct LeftBehind {
    /// Items that only the kind can clean up.
    pub items: Vec<String>,
    /// The folder of a layer that is being unpacked.
    pub staging: Option<PathBuf>,
}

impl LeftBehind {
    /// Items alone.
    pub fn items(items: Vec<String>) -> Self {
        Self { items, staging: None }
    }
}
