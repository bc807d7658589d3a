//! Work on the packages of a profile outside of a run: only the secrets of logins are read, and no report is written.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{CommandError, Env, error::failed};
use crate::{
    facts::NodeFacts,
    kinds::{Profile, secrets::Secrets},
    report::{observers, run_id},
    run::{Job, StageOptions, Stop},
};

/// The time limit of the work.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Runs the work of a command until it ends, the time limit passes or a signal arrives.
pub(super) fn run_with_deadline<T>(
    env: &Env,
    command: &'static str,
    mut profile: Profile,
    facts: NodeFacts,
    work: impl AsyncFnOnce(&Arc<Job>, &Stop) -> T,
) -> Result<T, CommandError> {
    let secrets = std::mem::take(&mut profile.sections.secrets);
    let (withheld, logins) = (secrets.withheld, secrets.logins);
    profile.sections.secrets = Secrets { withheld, logins, ..Secrets::default() };
    let (events, _, _) = observers(&env.console, None);
    let logs = tempfile::Builder::new().prefix("nodeagent-").tempdir();
    let logs = logs.map_err(|error| failed(format!("the folder for logs could not be created: {error}")))?;
    let job = Arc::new(Job {
        run: run_id(Timestamp::now(), std::process::id()),
        profile,
        facts,
        filestore: env.filestore()?,
        store_locations: env.store_locations()?,
        access: env.access()?,
        audit: env.audit_if_kept(command).map(std::sync::Mutex::new),
        clouds: Arc::clone(env.clouds()),
        root: env.root.clone(),
        logs: logs.path().to_owned(),
        keep_going: false,
        strict: false,
        events,
        later: StageOptions::default(),
        pinned: BTreeMap::new(),
        commits: Vec::new(),
    });
    let done = env.block_on(async {
        let stop = Stop::watch(DEADLINE)?;
        Ok::<_, std::io::Error>(work(&job, &stop).await)
    })?;
    done.map_err(|error| failed(format!("the work could not be started: {error}")))
}
