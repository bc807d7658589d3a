//! Builds a plan kind by kind.

use std::path::{Path, PathBuf};

use super::{Action, BY_LOCK, BY_PROFILE, Lane, Login, Plan, Stage, Step, StepId, locked};
use crate::{
    diagnostic::Origin,
    digest::Digest,
    facts::NodeFacts,
    inventory::Inventory,
    lock::{Drift, Section},
    problem::Problem,
    profile::{Asset, AssetRef, Entry, Profile},
};

impl Plan {
    /// What is to be done for a profile on a node. `cache` is the agent's cache, where checked copies of files go.
    pub fn build(profile: &Profile, facts: &NodeFacts, inventory: &Inventory, cache: &Path) -> Self {
        let mut builder = Builder::new(profile, facts, inventory, cache);
        if let Some(lock) = &profile.lock {
            match builder.fitting(lock) {
                Ok(section) => builder.lock_to(lock, section),
                Err(drift) => {
                    builder.plan.refusals.push(locked::refusal(&drift));
                    return builder.plan;
                }
            }
        }
        builder.missing_assets();
        builder.apt();
        builder.python();
        builder.r();
        builder.shell();
        builder.secrets();
        builder.plan
    }
}

pub(super) struct Builder<'a> {
    pub(super) profile: &'a Profile,
    pub(super) facts: &'a NodeFacts,
    pub(super) inventory: &'a Inventory,
    cache: &'a Path,
    /// What the lock says for this node.
    pub(super) locked: Option<&'a Section>,
    pub(super) plan: Plan,
}

/// What a new step needs beside its action.
#[derive(Default)]
pub(super) struct Terms {
    pub(super) stage: Vec<Stage>,
    pub(super) logins: Vec<Login>,
    pub(super) origins: Vec<Origin>,
    pub(super) needs: Vec<StepId>,
    pub(super) lane: Option<Lane>,
    pub(super) optional: bool,
    pub(super) timeout: Option<std::time::Duration>,
}

impl<'a> Builder<'a> {
    fn new(profile: &'a Profile, facts: &'a NodeFacts, inventory: &'a Inventory, cache: &'a Path) -> Self {
        Self { profile, facts, inventory, cache, locked: None, plan: Plan::default() }
    }

    /// One that plans nothing and has a lock, if the profile does.
    pub(super) fn locked(profile: &'a Profile, facts: &'a NodeFacts, inventory: &'a Inventory) -> Result<Self, Drift> {
        let mut builder = Self::new(profile, facts, inventory, Path::new(""));
        builder.locked = profile.lock.as_ref().map(|lock| builder.fitting(lock)).transpose()?;
        Ok(builder)
    }
}

impl Builder<'_> {
    pub(super) fn step(&mut self, id: impl Into<String>, action: Action, terms: Terms) {
        let Terms { stage, logins, origins, needs, lane, optional, timeout } = terms;
        let id = StepId(id.into());
        self.plan.steps.push(Step { id, action, stage, logins, origins, needs, lane, optional, timeout, doomed: None });
    }

    /// The step planned last cannot be done, and why is known already.
    pub(super) fn doom(&mut self, why: Problem) {
        if let Some(step) = self.plan.steps.last_mut() {
            step.doomed = Some(why);
        }
    }

    pub(super) fn ready(&mut self, text: impl Into<String>) {
        self.plan.ready.push(text.into());
    }

    pub(super) fn refuse(&mut self, origin: &Origin, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.plan.refusals.push(refusal(origin, message, hint));
    }

    /// The ids of the steps of a lane that are planned so far.
    pub(super) fn steps_in(&self, lane: &Lane) -> Vec<StepId> {
        self.plan.steps.iter().filter(|step| step.lane.as_ref() == Some(lane)).map(|step| step.id.clone()).collect()
    }

    fn missing_assets(&mut self) {
        for (missing, optional) in &self.inventory.missing {
            let failure = refusal(&missing.origin, missing.message.clone(), missing.hint.clone());
            if *optional {
                let terms = Terms { origins: vec![missing.origin.clone()], optional: true, ..Terms::default() };
                self.step(format!("file:{}", missing.path.display()), Action::TakeFile(missing.path.clone()), terms);
                self.doom(failure);
            } else {
                self.plan.refusals.push(failure);
            }
        }
    }

    /// Where a file of the file store can be used from. One with a digest, or from the binary, is staged first.
    pub(super) fn usable(&self, wanted: &AssetRef, origin: &Origin, stage: &mut Vec<Stage>) -> Option<PathBuf> {
        let found = self.inventory.asset(wanted)?;
        let by_lock = self.locked_asset(wanted);
        let (digest, says) = match (&found.asset, &found.digest, by_lock) {
            (_, _, Some(digest)) => (digest.clone(), BY_LOCK),
            (_, Some(digest), None) => (digest.clone(), BY_PROFILE),
            (Asset::File { path, .. }, None, None) => return Some(path.clone()),
            (Asset::BuiltIn { bytes, .. }, None, None) => (Digest::sha256(bytes), BY_PROFILE),
        };
        let name = Path::new(&wanted.path).file_name().unwrap_or_default();
        let to = self.cache.join("assets").join(digest.hex()).join(name);
        stage.push(Stage { from: found.asset.clone(), to: to.clone(), digest, says, origin: origin.clone() });
        Some(to)
    }
}

pub(super) fn refusal(origin: &Origin, message: impl Into<String>, hint: impl Into<Option<String>>) -> Problem {
    Problem::new(message).hint(hint).asked_at(origin.clone())
}

/// Entries that act together: the required ones as one group, each optional one alone.
pub(super) fn groups<T: Clone>(entries: Vec<Entry<T>>) -> Vec<Vec<Entry<T>>> {
    let (optional, required): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.optional);
    let mut groups: Vec<_> = if required.is_empty() { Vec::new() } else { vec![required] };
    groups.extend(optional.into_iter().map(|entry| vec![entry]));
    groups
}

/// The terms of a group: its lines, whether it is optional, the longest of its limits.
pub(super) fn terms_of<T>(group: &[Entry<T>], lane: Lane) -> Terms {
    Terms {
        origins: group.iter().map(|entry| entry.origin.clone()).collect(),
        optional: group.iter().all(|entry| entry.optional),
        timeout: group.iter().filter_map(|entry| entry.timeout).max(),
        lane: Some(lane),
        ..Terms::default()
    }
}
