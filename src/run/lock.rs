//! Finds out what a profile stands for on this node, as its runtime ships it: a section of a lock. Changes nothing but
//! the agent's cache.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use super::{Job, Stop, cache, case, context, fetch_logins, in_own_thread, warn};
use crate::{
    digest::Digest,
    inventory::Inventory,
    kinds::{apt, python, r},
    lock::{Lock, LockedAsset, LockedDeb, LockedDistribution, LockedRPackage, Section},
    plan::{Action, AptInstall, AptSources, Plan, PythonInstall, RInstall, Step, asks, runtime},
    problem::Problem,
    report::event::Outcome,
    steps::{Context, stage},
};

/// What may take another version than it was locked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgrade {
    /// Nothing that need not.
    Nothing,
    /// These.
    Names(BTreeSet<String>),
    /// Everything.
    All,
}

impl Upgrade {
    fn moves(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Names(names) => names.contains(name),
            Self::All => true,
        }
    }
}

/// The section of this node. `before` is the lock that there is.
///
/// # Errors
/// Why there is none.
pub async fn resolve_lock(
    job: &Arc<Job>,
    before: Option<&Lock>,
    upgrade: &Upgrade,
    stop: &Stop,
) -> Result<Section, Vec<Problem>> {
    tokio::select! {
        section = resolve(job, before, upgrade) => section,
        outcome = stop.requested() => {
            let why = if outcome == Outcome::DeadlinePassed { "the deadline passed" } else { "it was interrupted" };
            Err(vec![Problem::new(format!("the lock was not made: {why}"))])
        }
    }
}

async fn resolve(job: &Arc<Job>, before: Option<&Lock>, upgrade: &Upgrade) -> Result<Section, Vec<Problem>> {
    let (mut granted, vault) = case(job).fetch().await?;
    let mut inventory = in_own_thread(job, |job| super::inventory(job, vault)).await?;
    is_a_node(job, &inventory)?;
    inventory.as_shipped();
    let mut plan = Plan::build(&job.profile, &job.facts, &inventory, &cache(&job.root));
    fetch_logins(&mut plan, &mut inventory.vault, &job.clouds).await;
    granted.write_down(&inventory.vault, job.audit.as_ref());
    if !plan.refusals.is_empty() {
        return Err(plan.refusals);
    }
    let runtime = runtime(&job.facts, &inventory);
    let asks = asks(&job.profile, &inventory);
    let base = before.and_then(|lock| lock.nearest(&runtime, &asks)).cloned().unwrap_or_default();
    known(upgrade, &base)?;
    let mut section = Section { runtime, asks, assets: assets(job, &inventory)?, ..Section::default() };
    section.conditions = conditions(job);
    let ctx = context(job, &plan, &inventory.vault);
    let work = Work { job, ctx: &ctx, plan: &plan, upgrade, base: &base, section: &section };
    let apt = work.apt().await.map_err(one)?;
    let python = work.python().await.map_err(one)?;
    let r = work.r().await.map_err(one)?;
    Ok(Section { apt, python, r, ..section })
}

fn one(problem: Problem) -> Vec<Problem> {
    vec![problem]
}

/// A lock is made where it is to be used.
fn is_a_node(job: &Job, inventory: &Inventory) -> Result<(), Vec<Problem>> {
    let profile = &job.profile;
    let wants_apt = !(profile.apt.packages.is_empty() && profile.apt.debs.is_empty());
    let wants_r = !(profile.r.packages.is_empty() && profile.r.sources.is_empty());
    let mut lacks = Vec::new();
    if wants_apt && inventory.dpkg.installed_version("dpkg").is_none() {
        lacks.push("the profile asks for apt packages, and dpkg is not here".to_owned());
    }
    if let Some(Err(error)) = &inventory.python {
        lacks.push(error.to_string());
    }
    if wants_r && inventory.r.is_none() {
        lacks.push("the profile asks for R packages, and R is not here".to_owned());
    }
    if lacks.is_empty() {
        return Ok(());
    }
    let hint =
        "run it on a fresh node of the runtime, or in a container of its image; the lock goes beside the profile";
    let message = "this is no node that the profile could be locked for".to_owned();
    Err(vec![Problem { causes: lacks, ..Problem::new(message).hint(hint.to_owned()) }])
}

/// A name that is to move must be one that could.
fn known(upgrade: &Upgrade, base: &Section) -> Result<(), Vec<Problem>> {
    let Upgrade::Names(names) = upgrade else { return Ok(()) };
    let locked: BTreeSet<&str> = (base.apt.iter().map(|deb| deb.name.as_str()))
        .chain(base.python.iter().map(|file| file.name.as_str()))
        .chain(base.r.iter().map(|package| package.name.as_str()))
        .collect();
    let unknown = names.iter().filter(|name| !locked.contains(name.as_str())).map(|name| {
        let near = crate::diagnostic::nearest(name, locked.iter().copied());
        let mut failure = Problem::new(format!("`{name}` is not in the lock for this runtime"));
        failure.hint = near.map(|near| format!("did you mean `{near}`?"));
        failure
    });
    let unknown: Vec<Problem> = unknown.collect();
    if unknown.is_empty() { Ok(()) } else { Err(unknown) }
}

/// Every file of the file store that the profile names, as it is.
fn assets(job: &Job, inventory: &Inventory) -> Result<Vec<LockedAsset>, Vec<Problem>> {
    let mut assets = BTreeSet::new();
    for named in job.profile.assets() {
        let Some(found) = inventory.asset(named.file) else { continue };
        let unread = |error| vec![Problem::new(format!("`{}` could not be read: {error}", found.asset.label()))];
        let bytes = found.asset.bytes().map_err(unread)?;
        let sha256 = Digest::sha256(&bytes);
        if let Some(wanted) = named.file.sha256.as_ref().filter(|wanted| **wanted != sha256) {
            let mut failure =
                Problem::new(format!("`{}` does not have the digest that the profile says", found.asset.label()));
            failure.causes = vec![format!("it has {sha256}"), format!("the profile has {wanted}")];
            failure.origin = Some(named.origin.clone());
            return Err(vec![failure]);
        }
        assets.insert(LockedAsset { path: named.file.path.clone(), size: bytes.len() as u64, sha256 });
    }
    Ok(assets.into_iter().collect())
}

/// What the profile's conditions speak of, as it is here.
fn conditions(job: &Job) -> Vec<(String, String)> {
    let facts = &job.facts;
    let value = |name: &str| match name {
        "role" => facts.role.map(|role| role.as_str().to_owned()),
        "environment" => facts.environment.clone(),
        "mode" => facts.mode.clone(),
        "cluster-name" => facts.cluster_name.clone(),
        "business-unit" => facts.business_unit.clone(),
        "access-mode" => facts.access_mode.map(|mode| mode.as_str().to_owned()),
        _ => None,
    };
    job.profile.conditions.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect()
}

/// What a resolution works with.
struct Work<'a> {
    job: &'a Arc<Job>,
    ctx: &'a Context,
    plan: &'a Plan,
    upgrade: &'a Upgrade,
    base: &'a Section,
    section: &'a Section,
}

impl Work<'_> {
    /// Whether all that was asked of a tool is as it was, so that nothing needs to be resolved anew.
    fn is_unchanged(&self, kinds: &[&str]) -> bool {
        let of = |section: &Section| -> Vec<(String, Option<Digest>)> {
            let asks = section.asks.iter().filter(|ask| kinds.iter().any(|kind| ask.starts_with(kind)));
            let path = |ask: &str| ask.split_once(' ').map(|(_, what)| what.trim_end_matches(" (optional)").to_owned());
            let digest = |ask: &String| section.asset(&path(ask)?).map(|asset| asset.sha256.clone());
            asks.map(|ask| (ask.clone(), digest(ask))).collect()
        };
        *self.upgrade == Upgrade::Nothing && of(self.base) == of(self.section)
    }

    /// The steps of a kind, each with the optional entry it is for; the required one first.
    fn groups<'p, T>(&'p self, pick: impl Fn(&'p Action) -> Option<T>) -> Vec<(Option<String>, T, &'p Step)> {
        let mut groups: Vec<_> =
            self.plan.steps.iter().filter_map(|step| Some((group(step), pick(&step.action)?, step))).collect();
        groups.sort_by_key(|(group, ..)| group.is_some());
        groups
    }

    /// A step's context, with the files of the step brought to the cache.
    async fn of_step(&self, step: &Step) -> Result<Context, Problem> {
        let mut ctx = self.ctx.clone();
        ctx.progress = ctx.progress.of_other_step(step.id.to_string());
        ctx.logins = ctx.logins.of_step(&step.logins);
        stage(&ctx, &step.stage).await?;
        Ok(ctx)
    }

    fn left_out(&self, group: &str, error: &Problem) {
        let cause = error.causes.last().map(|cause| format!(": {cause}")).unwrap_or_default();
        warn(
            self.job,
            format!("`{group}` is optional and could not be resolved; the lock has nothing for it ({error}{cause})"),
        );
    }

    async fn apt(&self) -> Result<Vec<LockedDeb>, Problem> {
        if self.is_unchanged(&["apt ", "deb "]) {
            return Ok(self.base.apt.clone());
        }
        let sources: Option<&AptSources> = self.plan.steps.iter().find_map(|step| match &step.action {
            Action::AptSources(sources) => Some(sources),
            _ => None,
        });
        let keep: Vec<LockedDeb> = self.base.apt.iter().filter(|deb| !self.upgrade.moves(&deb.name)).cloned().collect();
        let mut all: Vec<LockedDeb> = Vec::new();
        let mut required = AptInstall::default();
        for (group, wanted, step) in self.groups(|action| match action {
            Action::AptInstall(wanted) => Some(wanted),
            _ => None,
        }) {
            let ctx = self.of_step(step).await?;
            let packages = [required.packages.clone(), wanted.packages.clone()].concat();
            let both =
                AptInstall { packages, debs: [required.debs.clone(), wanted.debs.clone()].concat(), ..wanted.clone() };
            match (apt::lock(&ctx, &both, sources, &keep).await, group) {
                (Ok(found), None) => (all, required) = (found, both),
                (Ok(found), Some(group)) => {
                    add(&mut all, found, &group, |deb| (&deb.name, &deb.arch), |deb| &mut deb.only_for);
                }
                (Err(error), Some(group)) => self.left_out(&group, &error),
                (Err(error), None) => return Err(error),
            }
        }
        Ok(all)
    }

    async fn python(&self) -> Result<Vec<LockedDistribution>, Problem> {
        if self.is_unchanged(&["pip", "wheel "]) {
            return Ok(self.base.python.clone());
        }
        let keep = self.base.python.iter().filter(|file| !self.upgrade.moves(&file.name));
        let mut keep: BTreeMap<String, String> = keep.map(|file| (file.name.clone(), file.version.clone())).collect();
        let mut all: Vec<LockedDistribution> = Vec::new();
        let mut required: Option<PythonInstall> = None;
        for (group, wanted, step) in self.groups(|action| match action {
            Action::PythonInstall(wanted) => Some(wanted),
            _ => None,
        }) {
            let ctx = self.of_step(step).await?;
            let mut both = wanted.clone();
            if let Some(required) = &required {
                both.requirements.extend(required.requirements.iter().cloned());
                both.requirement_files.extend(required.requirement_files.iter().cloned());
                both.wheels.extend(required.wheels.iter().cloned());
            }
            let mut found = python::lock(&ctx, &both, &keep).await;
            if found.is_err() && !keep.is_empty() && *self.upgrade == Upgrade::Nothing && group.is_none() {
                warn(
                    self.job,
                    "what is asked for now does not go with the Python versions that were locked; all may move".into(),
                );
                keep.clear();
                found = python::lock(&ctx, &both, &keep).await;
            }
            match (found, group) {
                (Ok(found), None) => {
                    // What an optional entry brings may not move what is required.
                    keep.extend(found.iter().map(|file| (file.name.clone(), file.version.clone())));
                    (all, required) = (found, Some(both));
                }
                (Ok(found), Some(group)) => {
                    add(&mut all, found, &group, |file| (&file.name, &file.name), |file| &mut file.only_for);
                }
                (Err(error), Some(group)) => self.left_out(&group, &error),
                (Err(error), None) => return Err(error),
            }
        }
        Ok(all)
    }

    async fn r(&self) -> Result<Vec<LockedRPackage>, Problem> {
        if self.is_unchanged(&["r "]) {
            return Ok(self.base.r.clone());
        }
        let keep = self.base.r.iter().filter(|package| !self.upgrade.moves(&package.name));
        let keep: BTreeMap<String, String> =
            keep.map(|package| (package.name.clone(), package.version.clone())).collect();
        let sources = &self.job.profile.r.sources;
        let asset = |path: &Path| {
            let named = sources.iter().find(|entry| Path::new(&entry.value.path).file_name() == path.file_name());
            named.map(|entry| entry.value.path.clone())
        };
        let mut all: Vec<LockedRPackage> = Vec::new();
        let mut required: Option<RInstall> = None;
        for (group, wanted, step) in self.groups(|action| match action {
            Action::RInstall(wanted) => Some(wanted),
            _ => None,
        }) {
            let ctx = self.of_step(step).await?;
            let mut both = wanted.clone();
            if let Some(required) = &required {
                both.packages.extend(required.packages.iter().cloned());
                both.archives.extend(required.archives.iter().cloned());
            }
            match (r::lock(&ctx, &both, &keep, asset).await, group) {
                (Ok(found), None) => (all, required) = (found, Some(both)),
                (Ok(found), Some(group)) => {
                    add(
                        &mut all,
                        found,
                        &group,
                        |package| (&package.name, &package.name),
                        |package| &mut package.only_for,
                    );
                }
                (Err(error), Some(group)) => self.left_out(&group, &error),
                (Err(error), None) => return Err(error),
            }
        }
        Ok(all)
    }
}

/// The optional entry that a step is for.
fn group(step: &Step) -> Option<String> {
    step.optional.then(|| step.id.0.split_once(':').map_or_else(|| step.id.0.clone(), |(_, name)| name.to_owned()))
}

/// Adds what an optional entry brings beyond what is there.
fn add<T>(
    all: &mut Vec<T>,
    found: Vec<T>,
    group: &str,
    key: impl Fn(&T) -> (&String, &String),
    only_for: impl Fn(&mut T) -> &mut BTreeSet<String>,
) {
    for mut one in found {
        if let Some(known) = all.iter_mut().find(|known| key(known) == key(&one)) {
            // What is required stays so.
            let groups = only_for(known);
            if !groups.is_empty() {
                groups.insert(group.to_owned());
            }
            continue;
        }
        only_for(&mut one).insert(group.to_owned());
        all.push(one);
    }
}
