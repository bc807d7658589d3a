//! Installs a transaction: puts archives in place, waits for the locks, runs apt and reports progress.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;

use super::{
    command::{self, Request},
    download, dpkg, dpkg_locks,
    error::{AptError, title},
    hints::Diagnosis,
    lists::PackageLists,
    resolve::{Transaction, pool, resolve},
    uris::Archive,
    verify,
};
use crate::{
    exec::LineWatcher,
    fs::{self, FsError},
    kinds::apt::AptInstall,
    lock::LockedDeb,
    problem::Problem,
    report::event::{Amount, Progress, Unit},
    steps::{Context, logins::APT_AUTH},
};

/// Installs a transaction. Outdated package lists are updated once. Waits for locks without a limit of its own.
pub(super) async fn run(ctx: &Context, request: Request<'_>, mut transaction: Transaction) -> Result<(), Problem> {
    let (mut renewed, mut repaired) = (false, false);
    loop {
        dpkg_locks::wait(ctx, &dpkg_locks::DPKG).await;
        fill_archive_folder(ctx, &transaction)?;
        let started = Timestamp::now();
        let Err(obstacle) = run_once(ctx, request, &transaction).await else {
            ctx.progress.task_finished("install", started, true);
            clean(ctx, &transaction);
            return Ok(());
        };
        match obstacle.diagnosis {
            Some(Diagnosis::Locked) => tokio::time::sleep(dpkg_locks::INTERVAL).await,
            Some(Diagnosis::Interrupted) if !repaired => {
                repaired = true;
                dpkg::configure(ctx).await?;
            }
            Some(Diagnosis::Gone | Diagnosis::HashMismatch) if !renewed && !matches!(request, Request::Locked(..)) => {
                renewed = true;
                transaction = resolve(ctx, request, true).await?;
            }
            _ => {
                ctx.progress.task_finished("install", started, false);
                return Err(obstacle.explained(ctx, &transaction.lists).await);
            }
        }
    }
}

/// Installs the files of a lock, which are in the pool. Dependencies are marked as automatically installed, as apt
/// itself does.
pub(super) async fn run_locked(ctx: &Context, wanted: &AptInstall, locked: &[LockedDeb]) -> Result<(), Problem> {
    let before = dpkg::state(ctx)?;
    // Another step may already have installed shared dependencies.
    let locked: Vec<LockedDeb> = locked.iter().filter(|deb| !verify::has_locked(&before, deb)).cloned().collect();
    let lists = PackageLists::of_node(ctx);
    let files: Vec<PathBuf> = locked.iter().map(|deb| archive_folder(&lists).join(&deb.file)).collect();
    let transaction = Transaction { archives: locked.iter().map(Archive::of).collect(), lists };
    run(ctx, Request::Locked(wanted, &files), transaction).await?;
    let asked = |deb: &&LockedDeb| wanted.packages.iter().any(|package| package.name == deb.name);
    let came_along = locked.iter().filter(|deb| !asked(deb) && before.installed_version(&deb.name).is_none());
    let names: Vec<&str> = came_along.map(|deb| deb.name.as_str()).collect();
    if !names.is_empty() {
        // Only `apt-get autoremove` uses this mark, so errors are ignored.
        let _ = ctx.runner.run(&command::mark_auto(names.into_iter())).await;
    }
    Ok(())
}

async fn run_once(ctx: &Context, request: Request<'_>, transaction: &Transaction) -> Result<(), AptError> {
    ctx.progress.now("installing", None);
    let lists = &transaction.lists;
    let cmd = lists.isolated(command::install(&lists.folder, request));
    let cmd = ctx.logins.for_apt(cmd, &ctx.on_node(APT_AUTH))?;
    let cmd = cmd.log(ctx.logs.join(command::LOG));
    let done = ctx.runner.watch(&cmd, Some(watcher(ctx.progress.clone(), transaction.archives.len()))).await?;
    if done.code == 0 { Ok(()) } else { Err(AptError::of(&title(request), &done)) }
}

/// Fills the archive folder with the checked archives of this transaction, and nothing else. apt does not check the
/// digest of a file that already has the right name and size.
fn fill_archive_folder(ctx: &Context, transaction: &Transaction) -> Result<(), FsError> {
    let (pool, folder) = (pool(ctx), archive_folder(&transaction.lists));
    fs::remove_tree(&folder)?;
    fs::create_dirs(&folder.join("partial"), 0o755)?;
    download::present(&pool, &transaction.archives)
        .try_for_each(|name| fs::hard_link(&pool.join(name), &folder.join(name)))
}

/// Removes installed archives, because nodes run out of disk space more often than of network bandwidth.
fn clean(ctx: &Context, transaction: &Transaction) {
    // Files that cannot be removed may stay, because the folder is a cache.
    let _ = fs::remove_tree(&archive_folder(&transaction.lists));
    let _ = fs::remove(&transaction.lists.folder.join("pkgcache.bin"));
    for archive in &transaction.archives {
        let _ = fs::remove(&pool(ctx).join(&archive.name));
    }
}

/// The folder from which apt installs archives.
fn archive_folder(lists: &PackageLists) -> PathBuf {
    lists.folder.join("archives")
}

/// Reports each package that dpkg unpacks or sets up.
fn watcher(progress: Progress, archives: usize) -> LineWatcher {
    let done = AtomicU64::new(0);
    Arc::new(move |line: &str| {
        let Some((verb, package)) = dpkg_action(line) else { return };
        // Each package is unpacked once and set up once.
        let total = 2 * archives as u64;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        let amount = (total > 0).then(|| Amount { done: done.min(total), total, unit: Unit::Pieces });
        progress.now(format!("{verb} {package}"), amount);
    })
}

/// The action and the package of a line of dpkg's output.
fn dpkg_action(line: &str) -> Option<(&'static str, &str)> {
    let (verb, rest) = match line.strip_prefix("Unpacking ") {
        Some(rest) => ("unpacking", rest),
        None => ("setting up", line.strip_prefix("Setting up ")?),
    };
    let package = rest.split_ascii_whitespace().next()?;
    Some((verb, package.split(':').next().unwrap_or(package)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_dpkg_output() {
        assert_eq!(dpkg_action("Unpacking libonig5:amd64 (6.9.8-1) ..."), Some(("unpacking", "libonig5")));
        assert_eq!(dpkg_action("Setting up jq (1.6-2.1+deb12u3) ..."), Some(("setting up", "jq")));
        assert_eq!(dpkg_action("Preparing to unpack .../jq_1.6_amd64.deb ..."), None);
        assert_eq!(dpkg_action("Setting up "), None);
    }
}
