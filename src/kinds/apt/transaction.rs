//! The transaction of an apt step: prepared against the present package lists, then installed and verified.

use std::path::Path;

use super::{
    action::AptInstall,
    checked::DebconfAnswer,
    command::{self, Request},
    deb_control::DebControl,
    dpkg, dpkg_locks,
    hints::{self, Diagnosis},
    install,
    lists::PackageLists,
    repair,
    resolve::{self, StateStamp, Transaction},
    update, verify,
};
use crate::{
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
    /// The transaction, and the state of lists and dpkg from which it was computed. `None` for a locked request, and
    /// for a request that may be resolved only while the step acts.
    transaction: Option<(Transaction, StateStamp)>,
    /// The control fields of the local package files.
    debs: Vec<DebControl>,
}

/// Computes the transaction and downloads its archives. Takes no lock and changes nothing outside the agent's cache. A
/// request that no source can satisfy refuses the run, and so does a local file that is not a Debian package.
pub(super) async fn prepare(ctx: &Context, wanted: &AptInstall) -> Result<Prepared, Problem> {
    command::set_selections(&wanted.debconf)?;
    let debs = wanted.debs.iter().map(|file| control_of(ctx, file)).collect::<Result<Vec<_>, _>>()?;
    if let Some(locked) = &wanted.locked {
        fetch_locked(ctx, locked).await?;
        return Ok(Prepared { transaction: None, debs });
    }
    Ok(Prepared { transaction: resolve_in_advance(ctx, wanted).await?, debs })
}

/// The control fields of a package file. A file that is not a Debian package refuses the run.
fn control_of(ctx: &Context, file: &Path) -> Result<DebControl, Problem> {
    DebControl::read(file).map_err(|error| {
        Problem::refused(format!("`{}` is not a Debian package", ctx.filestore.shown(file))).because(&error)
    })
}

/// Computes the transaction from the node's lists or, if they are not sufficient, from separate lists that are up to
/// date.
async fn resolve_in_advance(ctx: &Context, wanted: &AptInstall) -> Result<Option<(Transaction, StateStamp)>, Problem> {
    let request = Request::Packages(wanted);
    let resolve = async |lists: &PackageLists| {
        let stamp = StateStamp::of(ctx, lists);
        resolve::transaction(ctx, lists, request).await.map(|transaction| (transaction, stamp))
    };
    if wanted.added.is_none() {
        let lists = PackageLists::of_node(ctx);
        match resolve(&lists).await {
            Ok(resolved) => return Ok(Some(resolved)),
            // The package must be repaired first, which changes the node.
            Err(_) if dpkg::state(ctx)?.is_unfinished() => return Ok(None),
            Err(obstacle) if obstacle.update_may_help => {}
            // A held package is the node's own state.
            Err(obstacle) if obstacle.is_held() && !wanted.comes_later => {
                return Err(obstacle.explained(ctx, &lists).await.refusing());
            }
            Err(obstacle) => return Err(obstacle.explained(ctx, &lists).await),
        }
    }
    let (lists, update) = update::separate(ctx, wanted.added.as_ref()).await?;
    match resolve(&lists).await {
        Ok(resolved) => {
            update.warn(ctx);
            Ok(Some(resolved))
        }
        Err(obstacle)
            if obstacle.is_final()
                && update.is_complete()
                && !wanted.comes_later
                && !dpkg::state(ctx)?.is_unfinished() =>
        {
            Err(obstacle.explained(ctx, &lists).await.refusing())
        }
        // A source could not be read, an archive could not be fetched, or other packages come first.
        Err(_) => Ok(None),
    }
}

/// Installs the requested packages, then verifies them against dpkg's status file.
pub(super) async fn act(ctx: &Context, wanted: &AptInstall, prepared: Prepared) -> Result<(), Problem> {
    dpkg_locks::wait(ctx, &dpkg_locks::DPKG).await;
    dpkg::remember_shipped(ctx)?;
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
        let transaction = match prepared.transaction {
            Some((transaction, stamp)) => {
                publish(ctx, &transaction.lists).await;
                let is_current = stamp == StateStamp::of(ctx, &transaction.lists);
                if is_current { transaction } else { resolve::resolve(ctx, request, false).await? }
            }
            None => resolve::resolve(ctx, request, true).await?,
        };
        install::run(ctx, request, transaction).await
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

/// Gives the node the lists that were fetched for this transaction, for later uses of apt.
async fn publish(ctx: &Context, lists: &PackageLists) {
    if let Err(problem) = lists.publish(ctx).await {
        ctx.progress.warn(format!("apt: the node's package lists could not be updated: {problem}"));
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
