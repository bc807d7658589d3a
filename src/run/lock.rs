//! Resolves the exact files of a profile for this node's runtime: one section of a lock. Changes only the agent's
//! cache.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use url::Url;

use super::{Job, Stop, cache, context, fetch_logins, fetch_secrets, in_own_thread, locked_addresses, trust, warn};
use crate::{
    digest::Digest,
    inventory::Inventory,
    kinds::{LockWork, Node, Upgrade},
    lock::{BucketFolders, Lock, LockedAsset, Section, bare, object_address},
    plan::cached_asset,
    problem::Problem,
    profile::{Asset, Sections as _},
    report::event::Outcome,
};

/// Makes the section for this node. `before` is the existing lock.
///
/// # Errors
/// If the section cannot be made.
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
    let (mut granted, vault) = fetch_secrets(job).await?;
    let mut node = in_own_thread(job, |job| super::node(job, vault)).await?;
    can_be_locked_here(job, &node)?;
    node.as_shipped();
    node.is_for_lock = true;
    let mut plan = node.plan(&job.profile, &job.facts, &cache(&job.root));
    fetch_logins(&mut plan, &mut node.inventory.vault, &job.clouds).await;
    granted.write_down(&node.inventory.vault, job.audit.as_ref());
    let mut ctx = context(job, &plan, &node.inventory.vault);
    if locked_addresses::pin(job, &ctx, &mut node.inventory).await? {
        plan = node.plan(&job.profile, &job.facts, &cache(&job.root));
        fetch_logins(&mut plan, &mut node.inventory.vault, &job.clouds).await;
        ctx = context(job, &plan, &node.inventory.vault);
    }
    if !plan.refusals.is_empty() {
        return Err(plan.refusals);
    }
    trust::trust_all(job, &plan, &node.inventory, &mut ctx).await?;
    let (runtime, asks) = (node.runtime(&job.facts), node.asks(&job.profile));
    let base = before.and_then(|lock| lock.nearest(&runtime, &asks)).cloned().unwrap_or_default();
    known(upgrade, &base)?;
    let assets = assets(job, &node.inventory)?;
    let folders = used_files(&job.profile.folders, &assets);
    let mut section = Section { runtime, asks, folders, assets, conditions: conditions(job), ..Section::default() };
    let (requests, also) = (section.clone(), Arc::clone(job));
    let warn = Arc::new(move |text| warn(&also, text));
    let work = LockWork { ctx: &ctx, upgrade, base: &base, section: &requests, warn };
    job.profile.sections.lock(&work, &plan.steps, &mut section).await.map_err(|problem| vec![problem])?;
    Ok(section)
}

/// Refuses a node on which the profile cannot be locked. A lock must be made on a node of the runtime.
fn can_be_locked_here(job: &Job, node: &Node) -> Result<(), Vec<Problem>> {
    let causes = node.lacks(&job.profile);
    if causes.is_empty() {
        return Ok(());
    }
    let hint =
        "run it on a fresh node of the runtime, or in a container of its image; the lock goes beside the profile";
    let problem = Problem::new("the profile cannot be locked on this node").hint(hint.to_owned());
    Err(vec![Problem { causes, ..problem }])
}

/// Checks that every name to upgrade is a name in the lock.
fn known(upgrade: &Upgrade, base: &Section) -> Result<(), Vec<Problem>> {
    let Upgrade::Names(names) = upgrade else { return Ok(()) };
    let locked: BTreeSet<&str> = (base.apt.iter().map(|deb| deb.name.as_str()))
        .chain(base.python.iter().chain(base.venvs.values().flatten()).map(|file| file.name.as_str()))
        .chain(base.r.iter().map(|package| package.name.as_str()))
        .chain(base.git.iter().map(|git| git.folder.as_str()))
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

/// The present state of every file of the file store that the profile refers to.
fn assets(job: &Job, inventory: &Inventory) -> Result<Vec<LockedAsset>, Vec<Problem>> {
    let mut assets = BTreeSet::new();
    for named in job.profile.sections.assets() {
        let Some(found) = inventory.asset(named.file) else { continue };
        // A step of the run creates it, so it has no content yet.
        if matches!(found.asset, Asset::Created(_)) {
            continue;
        }
        let unread = |error| vec![Problem::new(format!("`{}` could not be read: {error}", found.asset.label()))];
        let bytes = match (&found.asset, &found.digest) {
            (Asset::Address(_), Some(digest)) => {
                std::fs::read(cached_asset(&cache(&job.root), digest, named.file)).map(Cow::Owned)
            }
            _ => found.asset.bytes(),
        };
        let bytes = bytes.map_err(unread)?;
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

/// The files of folders in buckets that entries of the profile use. Others may be in the same folder.
fn used_files(folders: &BucketFolders, assets: &[LockedAsset]) -> BucketFolders {
    let known: BTreeSet<&str> = assets.iter().map(|asset| asset.path.as_str()).collect();
    let used = |folder: &str, name: &String| {
        let address = Url::parse(folder).ok().and_then(|folder| object_address(&folder, name));
        address.is_some_and(|address| known.contains(bare(&address).as_str()))
    };
    let of_folder = |(folder, names): (&String, &Vec<String>)| {
        (folder.clone(), names.iter().filter(|name| used(folder, name)).cloned().collect())
    };
    folders.iter().map(of_folder).collect()
}

/// The values of the facts that the profile's conditions use.
fn conditions(job: &Job) -> Vec<(String, String)> {
    let facts = &job.facts;
    let value = |name: &str| match name {
        "role" => facts.role.map(|role| role.as_str().to_owned()),
        "environment" => facts.environment.clone(),
        "mode" => facts.mode.clone(),
        "cluster-name" => facts.cluster_name.clone(),
        "business-unit" => facts.business_unit.clone(),
        "access-mode" => facts.access_mode.map(|mode| mode.as_str().to_owned()),
        "platform" => Some(facts.platform.as_str().to_owned()),
        "cloud" => facts.cloud().map(|cloud| cloud.as_str().to_owned()),
        "gpu" => Some(facts.has_gpu().to_string()),
        _ => None,
    };
    job.profile.conditions.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect()
}
