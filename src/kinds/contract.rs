//! The contract of a kind of work: how it looks, plans, acts and is locked.
//!
//! A kind implements three traits, one for each role of its files: [`Section`](crate::profile::Section) (the grammar), [`Planning`]
//! (pure: it reads the node and decides) and [`Acting`] (it changes the node). The traits have no default methods, so that a kind that
//! leaves out a part does not compile.

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

use super::lock::{LockGroup, LockWork};
use crate::{
    facts::users::Users,
    fs::FsError,
    inventory::{Inventory, Vault},
    lock::{self, Runtime},
    plan::{Address, Common, Layer, Planner},
    problem::Problem,
    profile::{FileStore, Section},
    state::Receipt,
    steps::Context,
};

/// What a look at the node may use.
#[derive(Debug, Clone, Copy)]
pub struct LookAt<'a> {
    /// The root of the node's file system.
    pub root: &'a Path,
    /// Users and groups.
    pub users: &'a Users,
    /// The state that earlier runs left.
    pub receipt: &'a Receipt,
    /// The profile's name.
    pub profile: &'a str,
}

/// The requests of a profile to package tools, one line each: the same lines have the same resolution.
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

/// How a kind looks at the node and plans. Pure but for reading files in `look`.
pub trait Planning: Section {
    /// The state of the node that the kind needs to plan.
    type Look: Debug + Send;
    /// The work of one step.
    type Action: Clone + Debug + PartialEq + Eq;

    /// Reads the state of the node.
    fn look(&self, at: &LookAt<'_>) -> Self::Look;

    /// Forgets packages that runs and people added, as far as the packages of the runtime are known.
    fn as_shipped(look: &mut Self::Look, receipt: &Receipt);

    /// Adds the versions that a resolution depends on.
    fn runtime(look: &Self::Look, runtime: &mut Runtime);

    /// What this machine lacks for a lock of the profile to be made here.
    fn lacks(&self, look: &Self::Look, inventory: &Inventory) -> Option<String>;

    /// Adds the requests to package tools that a lock answers.
    fn asks(&self, inventory: &Inventory, asks: &mut Asks);

    /// The addresses that steps of the kind ask, for logins.
    fn addresses(&self, inventory: &Inventory) -> Vec<Address>;

    /// Plans the steps.
    fn plan(&self, look: &Self::Look, planner: &mut Planner<'_, Self::Action>);

    /// The layer of installed files that the lock adds. The error says why it cannot be kept.
    fn layer(&self, look: &Self::Look, common: &Common<'_>) -> Option<Result<Layer, String>>;
}

/// Where a password of a login is written for the tools of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFile {
    /// Nowhere: the agent's own requests carry it.
    None,
    /// A netrc file, for every login.
    Netrc,
    /// A netrc file, for logins of tools that know one login for each host.
    NetrcByHost,
}

/// How a kind changes the node.
#[expect(async_fn_in_trait, reason = "only this crate implements and calls it, and its futures stay in one thread")]
pub trait Acting: Planning {
    /// What a step found out and fetched before anything was changed.
    type Prepared: Send;

    /// The word for the kind of an action, as in the profile.
    fn word(action: &Self::Action) -> &'static str;

    /// The work of an action in one line.
    fn title(action: &Self::Action) -> String;

    /// The work of an action as commands and differences, one line each. Files are shown as they are called in the file store.
    fn describe(action: &Self::Action, store: &FileStore) -> Vec<String>;

    /// Whether preparing may find a reason to refuse the whole run: nothing is changed before that is known.
    fn can_refuse(action: &Self::Action) -> bool;

    /// Whether a layer holds the files that the action installs, or depends on them.
    fn fills_layers(action: &Self::Action) -> bool;

    /// Where passwords of logins are written for the tools of an action.
    fn login_file(action: &Self::Action) -> LoginFile;

    /// Resolves and downloads; changes nothing outside the agent's cache.
    async fn prepare(ctx: &Context, action: &Self::Action) -> Result<Self::Prepared, Problem>;

    /// Changes the node, and looks again.
    async fn act(ctx: &Context, action: &Self::Action, prepared: Self::Prepared, vault: &Vault) -> Result<(), Problem>;

    /// What a killed run would leave half-done: written to the journal before the step acts.
    fn leaves_behind(action: &Self::Action, prepared: &Self::Prepared) -> LeftBehind;

    /// Removes what a killed or timed-out step left half-done. Returns the names of what was removed, for a warning.
    fn clean_up(root: &Path, run: &str, items: &[String]) -> Result<Vec<String>, FsError>;

    /// Resolves the kind's packages for a lock, into its part of the section.
    async fn lock(
        &self,
        work: &LockWork<'_>,
        groups: Vec<LockGroup<'_, Self::Action>>,
        section: &mut lock::Section,
    ) -> Result<(), Problem>;
}

/// What a step leaves half-done when it is killed.
#[derive(Debug, Default)]
pub struct LeftBehind {
    /// Items that the kind itself knows how to clean up.
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
