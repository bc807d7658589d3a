//! `nodeagent run --stage post-start`: waits until the node is ready, and runs the entries of this stage as the last
//! launch run left them. The launch run starts it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;

use super::{
    CommandError, Env, Exit,
    error::failed,
    run::{Options, Reporting, exit, label, private_folder},
    target::{ProfileRequest, load_stage, this_node},
};
use crate::{
    auth::AuditLog,
    diagnostic::Diagnostic,
    kinds::Profile,
    problem::Problem,
    report::{
        RunFolders,
        event::{EventKind, Events, Outcome},
        observers, run_id,
    },
    run::{
        self, Job, Launched, StageOptions, Stop, Waited, begin_session, begin_stage, continue_run, wait_until_ready,
    },
};

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let name = options.profile.name();
    let launched = Launched::present(&env.root, name).ok_or_else(|| {
        let message = format!("no entries of the stage `post-start` are waiting for the profile `{name}`");
        let hint = "run `nodeagent run --profile NAME` first: the launch run starts this stage at its end";
        CommandError::from(Diagnostic::nowhere(message).hint(hint))
    })?;
    if options.dry_run {
        let message = "`--dry-run` shows the launch only, because the stage `post-start` depends on the node later";
        return Err(Diagnostic::nowhere(message).hint("leave `--stage` out: the plan lists the later steps").into());
    }
    begin_session();
    let facts = this_node(env);
    let run = run_id(Timestamp::now(), std::process::id());
    let runs = RunFolders::of_node(&env.root);
    let (folder, no_folder) = match runs.create(&run) {
        Ok(folder) => (Some(folder), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let (events, collector, no_log) = observers(&env.console, folder.as_ref());
    let logs = match &folder {
        Some(folder) => folder.logs(),
        None => private_folder()?,
    };
    let (audit, no_audit) = env.audit_of_run(folder.as_ref(), &run, no_folder.as_deref())?;
    let where_to = Reporting { env, options, folder, runs, node: label(&facts) };
    begin_stage(&launched, &run, serde_json::to_value(&facts).unwrap_or_default(), &events);
    let stage = Stage { env, options, launched: &launched, events: &events };
    let outcome = stage.carry_out(run, logs, audit)?;
    let unopened = no_log.into_iter().chain(no_audit).map(|error| error.to_string());
    where_to.finish(&collector, no_folder.into_iter().chain(unopened).collect())?;
    Ok(exit(outcome, options.strict))
}

/// The stage of a profile.
struct Stage<'a> {
    env: &'a Env,
    options: &'a Options,
    launched: &'a Launched,
    events: &'a Events,
}

impl Stage<'_> {
    /// Waits and runs. Sends the last event in any case.
    fn carry_out(&self, run: String, logs: PathBuf, audit: Option<Mutex<AuditLog>>) -> Result<Outcome, CommandError> {
        let Self { env, options, launched, events } = self;
        let waited = env.block_on(async {
            // The probe has a limit of its own, so the deadline of the run begins later.
            let stop = Stop::watch(launched.ready.timeout.saturating_add(options.deadline))?;
            Ok::<_, std::io::Error>(wait_until_ready(launched, &env.root, env.clouds(), &stop).await)
        })?;
        let waited = waited.map_err(|error| failed(format!("the stage could not be started: {error}")))?;
        let _lock = match waited {
            Waited::Ready(lock) => lock,
            Waited::Replaced => {
                events.send(EventKind::Warning { text: "a later launch run has replaced this stage".to_owned() });
                return Ok(self.end(Outcome::Interrupted, Vec::new()));
            }
            Waited::Failed(problem) => return Ok(self.end(Outcome::Failed, vec![problem])),
            Waited::Stopped(outcome) => return Ok(self.end(outcome, Vec::new())),
        };
        let job = match self.job(run, logs, audit) {
            Ok(job) => Arc::new(job),
            Err(stopped) => return Ok(self.end(Outcome::Refused, stopped.problems())),
        };
        let outcome = env.block_on(async {
            let stop = Stop::watch(options.deadline)?;
            Ok::<_, std::io::Error>(continue_run(&job, &stop).await)
        })?;
        outcome.map_err(|error| failed(format!("the run could not be started: {error}")))
    }

    fn end(&self, outcome: Outcome, refusals: Vec<Problem>) -> Outcome {
        let exit_code = run::exit_code(outcome, self.options.strict);
        self.events.send(EventKind::RunFinished { outcome, exit_code, refusals });
        outcome
    }

    /// The run of the launched profile.
    fn job(&self, run: String, logs: PathBuf, audit: Option<Mutex<AuditLog>>) -> Result<Job, CommandError> {
        let Self { env, options, launched, events } = self;
        let trusted = env.trusted()?;
        launched.copied_digests().for_each(|digest| trusted.digests().add(digest, "the launch run"));
        env.use_filestore(launched.file_store(&env.root).trusting(Arc::clone(trusted)));
        // The start of the node may have changed the facts.
        let facts = this_node(env);
        let sets: Vec<(String, String)> = launched.sets.clone().into_iter().collect();
        let request = ProfileRequest { name: &launched.request, sets: &sets, facts: &facts, lenient: false };
        let profile: Profile = load_stage(env, &request, &launched.decisions, &launched.folders)?;
        Ok(Job {
            run,
            profile,
            filestore: env.filestore()?,
            store_locations: env.store_locations()?,
            access: env.access()?,
            audit,
            clouds: Arc::clone(env.clouds()),
            root: env.root.clone(),
            logs,
            keep_going: options.keep_going,
            strict: options.strict,
            events: (*events).clone(),
            later: StageOptions::default(),
            pinned: launched.pinned(),
            commits: launched.locked_commits(),
            facts,
        })
    }
}
