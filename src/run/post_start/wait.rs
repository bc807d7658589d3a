//! The stage's own part: one process for each profile, which waits until the node is ready.

use std::{path::Path, time::Duration};

use super::launched::Launched;
use crate::{
    cloud::Clouds,
    exec::{self, SystemRunner},
    fs::FsError,
    problem::Problem,
    profile::RunStage,
    report::event::{EventKind, Events, FORMAT, Outcome},
    run::stop::Stop,
    state::{LockError, RunLock},
    steps::{ProbeFailure, ProbeTools, wait_for},
};

/// The interval between attempts to take the lock of the stage.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);

/// The end of a wait.
#[derive(Debug)]
pub enum Waited {
    /// The node is ready. The lock of the stage is held.
    Ready(RunLock),
    /// A later launch has replaced the stage.
    Replaced,
    /// The node was not ready in time, or the wait could not begin.
    Failed(Problem),
    /// The process was asked to end.
    Stopped(Outcome),
}

/// Begins the session of the stage, so that it outlives the launch.
pub fn begin_session() {
    exec::begin_session();
}

/// Sends the first event of the stage.
pub fn begin_stage(launched: &Launched, run: &str, node: serde_json::Value, events: &Events) {
    events.send(EventKind::RunStarted {
        format: FORMAT,
        run: run.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        profile: launched.profile.clone(),
        sources: launched.sources.clone(),
        node,
        stage: Some(RunStage::PostStart.as_str().to_owned()),
    });
    let lock = launched.ready.check.to_string();
    events.send(EventKind::Waiting { step: None, lock, holder: "the start of the node".to_owned() });
}

/// Waits until no other stage of the profile works and the node is ready.
pub async fn wait_until_ready(launched: &Launched, root: &Path, clouds: &Clouds, stop: &Stop) -> Waited {
    let runner = SystemRunner::new(None, []);
    let tools = ProbeTools { runner: &runner, http: &clouds.http, root };
    let work = async {
        let lock = match take_stage_lock(root, launched).await {
            Ok(Some(lock)) => lock,
            Ok(None) => return Waited::Replaced,
            Err(problem) => return Waited::Failed(problem),
        };
        match wait_for(&launched.ready, tools, || launched.is_present(root)).await {
            Ok(()) if launched.is_present(root) => Waited::Ready(lock),
            Ok(()) | Err(ProbeFailure { is_late: false, .. }) => Waited::Replaced,
            Err(ProbeFailure { reason, .. }) => Waited::Failed(late(launched, &reason)),
        }
    };
    tokio::select! {
        waited = work => waited,
        outcome = stop.requested() => Waited::Stopped(outcome),
    }
}

/// Takes the lock of the stage, and removes what earlier launches left. `None` if a later launch has replaced it.
async fn take_stage_lock(root: &Path, launched: &Launched) -> Result<Option<RunLock>, Problem> {
    while launched.is_present(root) {
        match RunLock::take_stage(root, &launched.profile) {
            Ok(lock) => {
                launched.remove_others(root).map_err(|error: FsError| Problem::from(error))?;
                return Ok(Some(lock));
            }
            Err(LockError::Held { .. }) => tokio::time::sleep(LOCK_INTERVAL).await,
            Err(error) => return Err(Problem::from_error(&error)),
        }
    }
    Ok(None)
}

fn late(launched: &Launched, reason: &str) -> Problem {
    let limit: Duration = launched.ready.timeout;
    let message = format!("the node was not ready after {}: {reason}", humantime::format_duration(limit));
    Problem { causes: vec![format!("`ready` tests {}", launched.ready.check)], ..Problem::new(message) }
        .hint("nothing was changed; check `ready` of `[post-start]`, then run nodeagent again".to_owned())
}
