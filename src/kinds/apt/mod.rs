//! Installs apt packages: all names, pins and local files in one transaction.
//!
//! apt computes the transaction and prints the files that it needs. The agent fetches and checks those files in
//! parallel. apt then installs them from the agent's own archive folder. Package lists are updated only if the
//! present lists cannot resolve the request.
//!
//! dpkg runs with `--force-unsafe-io`, so it does not call fsync after each file. The data is at risk only if the
//! machine crashes, not if a process dies, and a node that crashed is usually replaced. Set `wait-for-disk` on nodes
//! that must survive a power loss.
//!
//! Packages are never removed. A request that would remove packages fails and names them.

mod act;
mod action;
mod checked;
mod command;
mod download;
mod dpkg;
mod dpkg_locks;
mod error;
mod grammar;
mod hints;
mod install;
mod key;
mod lock;
mod plan;
mod repair;
mod resolve;
mod rules;
pub mod sources;
mod update;
mod uris;
mod verify;
mod written;

#[cfg(test)]
mod tests;
pub use action::{Action, AptInstall, AptKey, AptSource, AptSources};
pub use checked::{Apt, AptPackage, DebconfAnswer};
use command::Request;
use hints::Diagnosis;
use resolve::StateStamp;
use uris::Archive;
use verify::DebControl;

pub use lock::lock;

use crate::{
    fs::{self, Attributes},
    lock::LockedDeb,
    problem::Problem,
    steps::{
        Context,
        locked::{self, LockedFile},
    },
};

/// The full log of apt and dpkg, in the log folder of the run.
const LOG: &str = "apt.log";

/// The result of preparing: resolved and downloaded, before anything on the node was changed.
#[derive(Debug)]
pub struct Prepared {
    /// The archives of the transaction, all downloaded. `None` if the present package lists could not resolve the
    /// request.
    archives: Option<Vec<Archive>>,
    /// The state of lists and dpkg from which the transaction was computed.
    stamp: StateStamp,
    /// The control fields of the local package files.
    debs: Vec<DebControl>,
}

/// Computes the transaction and downloads its archives, as far as the present package lists allow. Takes no lock and
/// changes nothing outside the agent's cache. A local file that is not a Debian package refuses the run.
pub async fn prepare(ctx: &Context, wanted: &AptInstall) -> Result<Prepared, Problem> {
    command::set_selections(&wanted.debconf)?;
    let debs = verify::control_fields(ctx, &wanted.debs).await?;
    let stamp = StateStamp::of_node(ctx);
    if let Some(locked) = &wanted.locked {
        fetch_locked(ctx, locked).await?;
        return Ok(Prepared { archives: None, stamp, debs });
    }
    let archives = match resolve::transaction(ctx, Request::Packages(wanted)).await {
        Ok(archives) => Some(archives),
        Err(obstacle) if obstacle.update_may_help => None,
        // The lists are complete, and the request contradicts them or the installed packages.
        Err(obstacle) if obstacle.is_final() => {
            return Err(obstacle.explained(ctx, &resolve::folder(ctx)).await.refusing());
        }
        Err(obstacle) => return Err(obstacle.explained(ctx, &resolve::folder(ctx)).await),
    };
    Ok(Prepared { archives, stamp, debs })
}

/// Installs the requested packages, then verifies them against dpkg's status file.
pub async fn act(ctx: &Context, wanted: &AptInstall, prepared: Prepared) -> Result<(), Problem> {
    dpkg_locks::wait(ctx, &dpkg_locks::DPKG).await;
    remember_shipped(ctx)?;
    repair::run(ctx, &wanted.debs, &prepared.debs).await?;
    if verify::verify(&dpkg::state(ctx)?, wanted, &prepared.debs).is_ok() {
        // The repair installed them, or the process that held the lock did.
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
        // apt's exit status proves nothing: one broken package of the node makes every transaction fail.
        (Err(error), Ok(())) => {
            ctx.progress.warn(format!("apt: all requested packages are installed, although {error}"));
            Ok(())
        }
        (Err(error), Err(_)) => Err(error),
        (Ok(()), proof) => proof,
    }
}

/// Downloads the files that a lock names, and no others.
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

/// Saves dpkg's status file before the first change. `nodeagent lock` resolves against this state of the runtime.
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
        if hints::diagnose(&done.stderr) != Some(Diagnosis::Locked) {
            return Ok(done.ok(&cmd).map(drop)?);
        }
        // debconf does not report the holder of its lock.
        tokio::time::sleep(dpkg_locks::INTERVAL).await;
    }
}
