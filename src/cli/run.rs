//! `nodeagent run`: prepares the node.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use jiff::Timestamp;

use super::{
    CommandError, Env, Exit,
    error::failed,
    plan, print_json,
    report_copy::copy_report,
    target::{LockOptions, ProfileOptions, duration, load_locked, this_node},
};
use crate::{
    facts::NodeFacts,
    report::{
        Collector, KEPT_RUNS, Report, RunFolder, RunFolders, Verbosity, event::Outcome, node_label, observers,
        render_failure, render_summary, render_table, run_id,
    },
    run::{self, Job, StageOptions, Stop},
    state::Serials,
};

/// Options of `run`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each flag of the command is a field")]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) profile: ProfileOptions,
    #[command(flatten)]
    lock: LockOptions,
    /// Show the steps of the run without changing anything
    #[arg(long)]
    pub(super) dry_run: bool,
    /// End the run after this time, such as 10m
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    pub(super) deadline: Duration,
    /// After a required step has failed, still start the steps that do not need it
    #[arg(long)]
    pub(super) keep_going: bool,
    /// Exit with status 3 if an optional step failed
    #[arg(long)]
    pub(super) strict: bool,
    /// Run only the entries of this stage; post-start waits for `ready` and uses the last launch's copy of the profile
    #[arg(long, value_enum, default_value_t = Stage::Launch, value_name = "STAGE")]
    stage: Stage,
    /// Also copy events and report to this folder
    #[arg(long, value_name = "DIR")]
    pub(super) report_to: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// A stage of a node's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    /// The entries that run during the launch
    Launch,
    /// The entries with `stage = "post-start"`
    PostStart,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let facts = this_node(env);
    let profile = load_locked(env, &options.profile, &options.lock, &facts);
    if options.dry_run {
        return plan::show(env, &profile?, &facts, plan::Format::json_or_text(options.json));
    }
    let run = run_id(Timestamp::now(), std::process::id());
    let runs = RunFolders::of_node(&env.root);
    let (folder, no_folder) = match runs.create(&run) {
        Ok(folder) => (Some(folder), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let (profile, access) = match profile.and_then(|profile| Ok((profile, env.access()?))) {
        Ok(read) => read,
        Err(stopped) => {
            let reporting = Reporting { env, options, folder, runs, node: label(&facts) };
            reporting.keep(&refused(run, options.profile.name(), &facts, &stopped), Vec::new());
            return Err(stopped);
        }
    };
    let (events, collector, no_log) = observers(&env.console, folder.as_ref());
    let logs = match &folder {
        Some(folder) => folder.logs(),
        None => private_folder()?,
    };
    let (audit, no_audit) = env.audit_of_run(folder.as_ref(), &run, no_folder.as_deref())?;
    let where_to = Reporting { env, options, folder, runs, node: label(&facts) };
    let (filestore, store_locations) = (env.filestore()?, env.store_locations()?);
    let clouds = Arc::clone(env.clouds());
    let (root, strict) = (env.root.clone(), options.strict);
    let job = Arc::new(Job {
        run,
        profile,
        facts,
        filestore,
        store_locations,
        access,
        audit,
        clouds,
        root,
        logs,
        keep_going: options.keep_going,
        strict,
        events,
        later: options.for_stage(env),
        pinned: BTreeMap::new(),
        commits: Vec::new(),
    });
    let outcome = env.block_on(async {
        let stop = Stop::watch(options.deadline.saturating_sub(began.elapsed()))?;
        env.activity.runs();
        Ok::<_, std::io::Error>(run::run(&job, &stop).await)
    })?;
    let outcome = outcome.map_err(|error| failed(format!("the run could not be started: {error}")))?;
    let unopened = no_log.into_iter().chain(no_audit).map(|error| error.to_string());
    let mut warnings: Vec<String> = no_folder.into_iter().chain(unopened).collect();
    if outcome != Outcome::Refused
        && let Err(error) = Serials::remember(&env.root, &env.trusted()?.new_serials())
    {
        warnings.push(format!("{error}: the next command would accept an older access file"));
    }
    where_to.finish(&collector, warnings)?;
    Ok(exit(outcome, options.strict))
}

impl Options {
    /// Whether the post-start stage is to run.
    pub(super) fn is_after_launch(&self) -> bool {
        self.stage == Stage::PostStart
    }

    /// The options for the post-start stage.
    fn for_stage(&self, env: &Env) -> StageOptions {
        let deadline = humantime::format_duration(self.deadline).to_string();
        let mut arguments = vec!["--deadline".to_owned(), deadline];
        let mut add = |name: &str, value: Option<String>| {
            arguments.extend(value.map(|value| format!("--{name}={value}")));
        };
        add("root", (env.root != Path::new("/")).then(|| absolute(&env.root)));
        add("store", env.shared_store().map(str::to_owned));
        add("report-to", self.report_to.as_deref().map(absolute));
        let flags = [("--keep-going", self.keep_going), ("--strict", self.strict)];
        arguments.extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (*name).to_owned()));
        let sets = self.profile.sets.iter().cloned().collect();
        StageOptions { request: self.profile.name().to_owned(), sets, arguments }
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

pub(super) fn exit(outcome: Outcome, strict: bool) -> Exit {
    match run::exit_code(outcome, strict) {
        0 => Exit::Done,
        2 => Exit::Refused,
        3 => Exit::Degraded,
        4 => Exit::DeadlinePassed,
        _ => Exit::Failed,
    }
}

/// The report of a run whose profile has mistakes. If the platform then terminates the node, the report is all that
/// remains.
fn refused(run: String, profile: &str, facts: &NodeFacts, stopped: &CommandError) -> Report {
    let now = Timestamp::now();
    Report {
        run,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: now,
        finished: Some(now),
        outcome: Outcome::Refused,
        exit_code: Some(stopped.exit() as u8),
        profile: profile.to_owned(),
        node: serde_json::to_value(facts).unwrap_or_default(),
        refusals: stopped.problems(),
        ..Report::default()
    }
}

/// A folder for the logs of programs that only this user can write to, if the run has no folder of its own.
pub(super) fn private_folder() -> Result<PathBuf, CommandError> {
    let made = tempfile::Builder::new().prefix("nodeagent-").tempdir();
    made.map(tempfile::TempDir::keep)
        .map_err(|error| failed(format!("the folder for logs could not be created: {error}")))
}

/// A name that distinguishes this node's report from those of other nodes.
pub(super) fn label(facts: &NodeFacts) -> String {
    label_of(|name: &str| facts.env.get(name).cloned())
}

/// The same from the variables of this process.
pub(super) fn node_name() -> String {
    label_of(|name: &str| std::env::var(name).ok())
}

fn label_of(variable: impl Fn(&str) -> Option<String>) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let (cluster, address) = (variable("DB_CLUSTER_ID"), variable("DB_CONTAINER_IP"));
    node_label(cluster.as_deref(), address.as_deref(), host.as_deref().map(str::trim))
}

/// The destinations of the report.
pub(super) struct Reporting<'a> {
    pub(super) env: &'a Env,
    pub(super) options: &'a Options,
    pub(super) folder: Option<RunFolder>,
    pub(super) runs: RunFolders,
    pub(super) node: String,
}

impl Reporting<'_> {
    /// Writes the report and copies it. Errors are printed as warnings. Returns the path of the report.
    fn keep(&self, report: &Report, mut warnings: Vec<String>) -> Option<PathBuf> {
        let mut path = None;
        if let Some(folder) = &self.folder {
            match folder.write_report(report) {
                Ok(()) => path = Some(folder.report()),
                Err(error) => warnings.push(error.to_string()),
            }
            if let Some(target) = &self.options.report_to
                && let Err(error) = copy_report(folder, &self.env.root, target.clone(), self.node.clone())
            {
                warnings.push(error);
            }
            if let Err(error) = self.runs.prune(KEPT_RUNS) {
                warnings.push(error.to_string());
            }
        }
        for warning in warnings {
            self.env.console.stderr.print(&format!("warning: {warning}\n"));
        }
        path
    }

    /// Writes the report and prints the summary.
    pub(super) fn finish(self, collector: &Collector, warnings: Vec<String>) -> Result<(), CommandError> {
        let report = collector.report();
        let path = self.keep(&report, warnings);
        let console = &self.env.console;
        let failure = render_failure(&report, path.as_deref());
        if console.verbosity != Verbosity::Quiet {
            console.stderr.print(&render_table(&report, console.width));
            if failure.is_empty() {
                console.stderr.print(&render_summary(&report, path.as_deref()));
            }
        }
        console.stderr.print(&failure);
        if self.options.json {
            print_json(&report)?;
        }
        Ok(())
    }
}
