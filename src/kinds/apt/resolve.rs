//! Resolves a request to a transaction with downloaded archives. Updates the package lists if the present ones are
//! not sufficient.

use std::{path::PathBuf, time::SystemTime};

use backon::{BackoffBuilder as _, ExponentialBuilder};

use super::{
    command::{self, Request},
    download,
    error::{AptError, title},
    lists::PackageLists,
    update,
    uris::{self, Archive},
};
use crate::{fs, http::HttpError, problem::Problem, steps::Context};

/// How many times an update is retried after a network failure. apt itself tries each source four times.
const MORE_UPDATES: usize = 1;

/// The modification times of the inputs of a transaction. If they changed, the transaction must be computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StateStamp([Option<SystemTime>; 2]);

impl StateStamp {
    pub(super) fn of(ctx: &Context, lists: &PackageLists) -> Self {
        let modified = |path: PathBuf| std::fs::metadata(path).and_then(|found| found.modified()).ok();
        Self([lists.path(ctx), ctx.on_node("/var/lib/dpkg/status")].map(modified))
    }
}

/// The folder of downloaded and checked archives.
pub(super) fn pool(ctx: &Context) -> PathBuf {
    ctx.cache.join("apt/pool")
}

/// The archives that a request needs, and the lists that they come from.
#[derive(Debug)]
pub(super) struct Transaction {
    /// The archives, all downloaded.
    pub(super) archives: Vec<Archive>,
    /// The package lists.
    pub(super) lists: PackageLists,
}

/// Computes a transaction from package lists and downloads its archives. Takes no lock, and changes nothing outside
/// the agent's cache.
pub(super) async fn transaction(
    ctx: &Context,
    lists: &PackageLists,
    request: Request<'_>,
) -> Result<Transaction, AptError> {
    fs::create_dirs(&lists.folder, 0o755).map_err(Problem::from)?;
    ctx.progress.now("asking apt", None);
    let (print_uris, settings) = (lists.isolated(command::print_uris(&lists.folder, request)), command::settings());
    let (printed, settings) = futures::join!(ctx.runner.run(&print_uris), ctx.runner.run(&settings));
    let printed = printed?;
    if printed.code != 0 {
        return Err(AptError::of(&title(request), &printed));
    }
    ctx.decided.send();
    let mut archives = uris::parse(&printed.stdout);
    download::respect_apt_settings(&mut archives, &settings.map(|done| done.stdout).unwrap_or_default());
    let fetched = download::fetch(ctx, &pool(ctx), &archives).await;
    fetched.map_err(not_fetched)?;
    Ok(Transaction { archives, lists: lists.clone() })
}

fn not_fetched(error: HttpError) -> AptError {
    let diagnosis = download::staleness(&error);
    let mut error = Problem::from(error);
    if diagnosis.is_some() {
        // The address comes from a package index, so the reader cannot correct it.
        error.hint = None;
    }
    AptError { error, update_may_help: diagnosis.is_some(), diagnosis }
}

/// Computes a transaction, and updates the node's lists if they are not sufficient. `tried` means that they have
/// already failed.
pub(super) async fn resolve(ctx: &Context, request: Request<'_>, tried: bool) -> Result<Transaction, Problem> {
    let lists = PackageLists::of_node(ctx);
    if !tried {
        match transaction(ctx, &lists, request).await {
            Ok(transaction) => return Ok(transaction),
            Err(obstacle) if !obstacle.update_may_help => return Err(obstacle.explained(ctx, &lists).await),
            Err(_) => {}
        }
    }
    let mut delays = ExponentialBuilder::default().with_max_times(MORE_UPDATES).with_jitter().build();
    loop {
        let update = update::run(ctx, &lists, command::update(&lists.folder)).await?;
        let obstacle = match transaction(ctx, &lists, request).await {
            Ok(transaction) => {
                update.warn(ctx);
                return Ok(transaction);
            }
            Err(obstacle) => obstacle,
        };
        let delay = if update.is_transient() || obstacle.is_transient() { delays.next() } else { None };
        let Some(delay) = delay else { return Err(update.add_to(ctx, obstacle.explained(ctx, &lists).await)) };
        tokio::time::sleep(delay).await;
    }
}
