//! Ends a run at its deadline although one of its calls does not return, for example from a file system that hangs.
//!
//! A run keeps its deadline itself, but only while its main thread works. So the whole command has a thread of its own,
//! and the first thread of the process waits for it with a limit.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;

use super::{
    Exit,
    activity::{Activity, Present},
    print_json,
    report_copy::copy_report,
    run::{Options, node_name},
};
use crate::{
    problem::Problem,
    report::{Console, Report, RunFolders, event::Outcome, render_failure, run_id},
    task::Detached,
};

/// The further time for a run whose deadline has passed: its programs end, and it writes its report.
const GRACE: Duration = Duration::from_secs(20);

/// A run, as far as it is known before it has started.
pub(super) struct Supervised {
    pub(super) console: Console,
    pub(super) root: PathBuf,
    pub(super) options: Options,
    pub(super) activity: Activity,
}

impl Supervised {
    /// Carries out a command, and gives it up after its deadline.
    pub(super) fn run(self, command: impl FnOnce() -> Exit + Send + 'static) -> Exit {
        let deadline = self.options.deadline;
        let command = match Detached::start(command).wait(deadline) {
            Ok(exit) => return exit,
            Err(late) => late,
        };
        if self.activity.present() == Present::Running
            && let Ok(exit) = command.wait(GRACE)
        {
            return exit;
        }
        self.report_late();
        Exit::DeadlinePassed
    }

    /// Reports a command that was given up.
    fn report_late(&self) {
        let present = self.activity.present();
        let what = match &present {
            Present::Reading(store) => format!("the file store `{store}` did not answer"),
            Present::Starting | Present::Running => "a file system did not answer".to_owned(),
        };
        let hint = match &present {
            Present::Reading(store) => {
                format!("`stat {store}` would hang, too: restart the daemon of its mount, or the node")
            }
            Present::Starting | Present::Running => {
                "find the mount that hangs (`grep -E 'fuse|nfs' /proc/mounts`), and restart its daemon or the node"
                    .to_owned()
            }
        };
        let now = Timestamp::now();
        let report = Report {
            run: run_id(now, std::process::id()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: now.saturating_sub(self.options.deadline).unwrap_or(now),
            finished: Some(now),
            seconds: self.options.deadline.as_secs_f64(),
            outcome: Outcome::DeadlinePassed,
            exit_code: Some(Exit::DeadlinePassed as u8),
            profile: self.options.profile.name().to_owned(),
            refusals: vec![Problem::new(what).hint(hint)],
            ..Report::default()
        };
        // A run that had begun has a folder with its events.
        let path = (present != Present::Running).then(|| self.keep(&report)).flatten();
        self.console.stderr.print(&render_failure(&report, path.as_deref()));
        if self.options.json {
            let _ = print_json(&report);
        }
    }

    /// Writes the report, and copies it.
    fn keep(&self, report: &Report) -> Option<PathBuf> {
        let folder = RunFolders::of_node(&self.root).create(&report.run).ok()?;
        folder.write_report(report).ok()?;
        if let Some(target) = &self.options.report_to
            && let Err(error) = copy_report(&folder, &self.root, target.clone(), node_name())
        {
            self.console.stderr.print(&format!("warning: {error}\n"));
        }
        Some(folder.report())
    }
}
