//! Resolves a request to a transaction with downloaded archives. Updates the package lists if the present ones are
//! not sufficient.

use std::{path::PathBuf, time::SystemTime};

use backon::{BackoffBuilder as _, ExponentialBuilder};

use super::{
    command::{self, Request},
    download,
    error::{AptError, title},
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
    pub(super) fn of_node(ctx: &Context) -> Self {
        let modified = |path: &str| std::fs::metadata(ctx.on_node(path)).and_then(|found| found.modified()).ok();
        Self(["/var/lib/apt/lists", "/var/lib/dpkg/status"].map(modified))
    }
}

/// The agent's own cache folder for apt.
pub(super) fn folder(ctx: &Context) -> PathBuf {
    ctx.cache.join("apt")
}

/// The folder of downloaded and checked archives.
pub(super) fn pool(ctx: &Context) -> PathBuf {
    folder(ctx).join("pool")
}

/// Computes a transaction from the present lists and downloads its archives. Takes no lock, and changes nothing
/// outside the agent's cache.
pub(super) async fn transaction(ctx: &Context, request: Request<'_>) -> Result<Vec<Archive>, AptError> {
    let folder = folder(ctx);
    fs::create_dirs(&folder, 0o755).map_err(Problem::from)?;
    ctx.progress.now("asking apt", None);
    let (print_uris, settings) = (command::print_uris(&folder, request), command::settings());
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
    Ok(archives)
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

/// Computes a transaction, and updates the lists if the present ones are not sufficient. `tried` means that the
/// present lists have already failed.
pub(super) async fn resolve(ctx: &Context, request: Request<'_>, tried: bool) -> Result<Vec<Archive>, Problem> {
    let folder = folder(ctx);
    if !tried {
        match transaction(ctx, request).await {
            Ok(archives) => return Ok(archives),
            Err(obstacle) if !obstacle.update_may_help => return Err(obstacle.explained(ctx, &folder).await),
            Err(_) => {}
        }
    }
    let mut delays = ExponentialBuilder::default().with_max_times(MORE_UPDATES).with_jitter().build();
    loop {
        let update = update::run(ctx, &command::update(&folder)).await?;
        let obstacle = match transaction(ctx, request).await {
            Ok(archives) => {
                update.warn(ctx);
                return Ok(archives);
            }
            Err(obstacle) => obstacle,
        };
        let delay = if update.is_transient() || obstacle.is_transient() { delays.next() } else { None };
        let Some(delay) = delay else { return Err(update.add_to(ctx, obstacle.explained(ctx, &folder).await)) };
        tokio::time::sleep(delay).await;
    }
}
