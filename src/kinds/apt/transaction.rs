//! The transaction of an apt step: prepared against the present package lists, then installed and verified.

use super::{
    action::AptInstall,
    checked::DebconfAnswer,
    command::{self, Request},
    dpkg, dpkg_locks,
    hints::{self, Diagnosis},
    install, repair,
    resolve::{self, StateStamp},
    uris::Archive,
    verify::{self, DebControl},
};
use crate::{
    fs::{self, Attributes},
    lock::LockedDeb,
    problem::Problem,
    steps::{
        Context,
        locked::{self, LockedFile},
    },
};

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
pub(super) async fn prepare(ctx: &Context, wanted: &AptInstall) -> Result<Prepared, Problem> {
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
pub(super) async fn act(ctx: &Context, wanted: &AptInstall, prepared: Prepared) -> Result<(), Problem> {
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
