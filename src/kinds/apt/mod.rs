//! Packages by apt: one transaction for all names, pins and local files.
//!
//! apt computes the transaction and says which files it needs; we fetch those in parallel and check them; apt installs
//! them from the agent's own archive folder. Package lists are renewed only when the present ones do not do.
//!
//! dpkg runs with `--force-unsafe-io`: it does not wait for the disk after each file. Only a crash of the machine can
//! lose what was written so, never the death of a process, and a node that lost its power is thrown away. `wait-for-disk`
//! is for a node that is not.
//!
//! Nothing is ever removed: a request that would remove packages of the node fails and names them.

mod command;
mod download;
mod dpkg;
mod dpkg_locks;
mod error;
mod hints;
mod install;
mod key;
mod lock;
mod repair;
mod resolve;
pub mod sources;
#[cfg(test)]
mod tests;
mod update;
mod uris;
mod verify;

use command::Request;
use hints::Diagnosis;
use resolve::StateStamp;
use uris::Archive;
use verify::DebControl;

pub use lock::lock;

use crate::{
    fs::{self, Attributes},
    lock::LockedDeb,
    plan::{AptInstall, DebconfAnswer},
    problem::Problem,
    steps::{
        Context,
        locked::{self, LockedFile},
    },
};

/// The full log of apt and dpkg, in the run's folder of logs.
const LOG: &str = "apt.log";

/// What was found out and fetched before anything was changed.
#[derive(Debug)]
pub struct Prepared {
    /// The transaction, its archives fetched; `None` when the present lists did not give one.
    archives: Option<Vec<Archive>>,
    /// What the transaction was computed from.
    stamp: StateStamp,
    /// What the local files hold.
    debs: Vec<DebControl>,
}

/// Finds out what apt would do and fetches what it needs, as far as the present package lists go. Takes no lock and
/// changes nothing outside the agent's cache. A local file that is no package is refused.
pub async fn prepare(ctx: &Context, wanted: &AptInstall) -> Result<Prepared, Problem> {
    command::set_selections(&wanted.debconf)?;
    let debs = verify::debs(ctx, &wanted.debs).await?;
    let stamp = StateStamp::of_node(ctx);
    if let Some(locked) = &wanted.locked {
        fetch_locked(ctx, locked).await?;
        return Ok(Prepared { archives: None, stamp, debs });
    }
    let archives = match resolve::transaction(ctx, Request::Packages(wanted)).await {
        Ok(archives) => Some(archives),
        Err(obstacle) if obstacle.update_may_help => None,
        Err(obstacle) => return Err(obstacle.explained(ctx, &resolve::folder(ctx)).await),
    };
    Ok(Prepared { archives, stamp, debs })
}

/// Installs what was asked for, and looks whether it is there.
pub async fn act(ctx: &Context, wanted: &AptInstall, prepared: Prepared) -> Result<(), Problem> {
    dpkg_locks::wait(ctx, &dpkg_locks::DPKG).await;
    remember_shipped(ctx)?;
    repair::run(ctx, &wanted.debs, &prepared.debs).await?;
    if verify::verify(&dpkg::state(ctx)?, wanted, &prepared.debs).is_ok() {
        // The repair did it, or whoever held the lock.
        return Ok(());
    }
    answer_debconf(ctx, &wanted.debconf).await?;
    let installed = if let Some(locked) = &wanted.locked {
        install::run_locked(ctx, wanted, locked).await
    } else {
        let request = Request::Packages(wanted);
        let unchanged = prepared.stamp == StateStamp::of_node(ctx);
        let archives = match prepared.archives {
            Some(archives) if unchanged => archives,
            archives => resolve::resolve(ctx, request, archives.is_none() && unchanged).await?,
        };
        install::run(ctx, request, archives).await
    };
    let proof = verify::verify(&dpkg::state(ctx)?, wanted, &prepared.debs);
    match (installed, proof) {
        // apt's status is not believed, neither way: a package that was broken before fails every transaction.
        (Err(error), Ok(())) => {
            ctx.progress.warn(format!("apt: everything asked for is installed, although {error}"));
            Ok(())
        }
        (Err(error), Err(_)) => Err(error),
        (Ok(()), proof) => proof,
    }
}

/// Fetches what a lock names, and nothing else.
async fn fetch_locked(ctx: &Context, debs: &[LockedDeb]) -> Result<(), Problem> {
    let pool = resolve::pool(ctx);
    let files = debs.iter().map(|deb| LockedFile {
        title: format!("{} {}", deb.name, deb.version),
        url: deb.url.clone(),
        size: Some(deb.size),
        sha256: &deb.sha256,
        to: pool.join(&deb.file),
    });
    locked::fetch(ctx, None, files.collect()).await
}

/// Keeps dpkg's status as it was before the first change: a lock is made for what the runtime ships.
fn remember_shipped(ctx: &Context) -> Result<(), Problem> {
    let (kept, status) = (crate::state::shipped_dpkg(&ctx.root), ctx.on_node("/var/lib/dpkg/status"));
    match std::fs::read(&status) {
        Ok(bytes) if !kept.exists() => Ok(fs::replace(&kept, &bytes, Attributes::mode(0o644))?),
        _ => Ok(()),
    }
}

async fn answer_debconf(ctx: &Context, answers: &[DebconfAnswer]) -> Result<(), Problem> {
    if answers.is_empty() {
        return Ok(());
    }
    let cmd = command::set_selections(answers)?;
    loop {
        let done = ctx.runner.run(&cmd).await?;
        if hints::meaning(&done.stderr) != Some(Diagnosis::Locked) {
            return Ok(done.ok(&cmd).map(drop)?);
        }
        // debconf's lock cannot be asked for its holder.
        tokio::time::sleep(dpkg_locks::INTERVAL).await;
    }
}
