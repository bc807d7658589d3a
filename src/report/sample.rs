//! Sample runs for tests, as events and as reports: one that failed and one that succeeded.

use crate::problem::Problem;
use jiff::{Span, Timestamp};

use super::{
    Report,
    event::{Amount, Event, EventKind, Outcome, PlannedStep, ProfileSource, StepStatus, Unit},
};
use crate::diagnostic::Origin;

/// A time, in seconds after the start of the run.
pub(super) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T12:03:04Z".parse().expect("a time");
    start.checked_add(Span::new().seconds(seconds)).expect("a time")
}

pub(super) fn event(seconds: i64, kind: EventKind) -> Event {
    Event { time: at(seconds), kind }
}

pub(super) fn origin(line: usize) -> Origin {
    Origin { file: "profiles/ml.toml".into(), line, column: 1 }
}

pub(super) fn planned(id: &str, title: &str, needs: &[&str], line: usize) -> PlannedStep {
    PlannedStep {
        id: id.into(),
        kind: id.into(),
        title: title.into(),
        needs: needs.iter().map(|&need| need.into()).collect(),
        optional: false,
        origins: vec![origin(line)],
        difference: None,
    }
}

pub(super) fn apt_failure() -> Problem {
    Problem {
        message: "`apt-get install -y --no-install-recommends -- git libfoo-dev` exited with 100".into(),
        causes: vec!["E: Unable to locate package libfoo-dev".into()],
        hint: Some("no apt source on this node offers `libfoo-dev`; check the name".into()),
        origin: Some(origin(14)),
        refused: false,
    }
}

pub(super) fn started() -> EventKind {
    EventKind::RunStarted {
        format: 1,
        run: "20261121T120304Z-4711".into(),
        version: "0.1.0".into(),
        profile: "family".into(),
        sources: vec![ProfileSource { file: "built-in:base.toml".into(), sha256: "ab".repeat(32) }],
        node: serde_json::json!({ "os": "Debian 12", "role": "driver" }),
        stage: None,
    }
}

pub(super) fn step_started(step: &str) -> EventKind {
    EventKind::StepStarted { step: step.into() }
}

pub(super) fn step_finished(step: &str, status: StepStatus, failure: Option<Problem>) -> EventKind {
    EventKind::StepFinished { step: step.into(), status, failure }
}

pub(super) fn task(step: &str, task: &str, started: i64) -> EventKind {
    EventKind::TaskFinished { step: step.into(), task: task.into(), started: at(started), succeeded: true }
}

fn plan() -> EventKind {
    EventKind::PlanMade {
        steps: vec![
            planned("apt", "install git, libfoo-dev", &[], 12),
            planned("pip", "install nltk, spacy", &[], 20),
            planned("r", "install plumber", &["apt"], 31),
            planned("shell", "write .vimrc", &[], 40),
        ],
        ready: vec!["apt: jq 1.6-2.1".into()],
        later: Vec::new(),
    }
}

/// A run in which apt fails and R is skipped.
pub(super) fn events() -> Vec<Event> {
    let wait = || EventKind::Waiting {
        step: Some("apt".into()),
        lock: "/var/lib/dpkg/lock-frontend".into(),
        holder: "unattended-upgr (pid 812)".into(),
    };
    let bytes = Some(Amount { done: 3_000_000, total: 12_000_000, unit: Unit::Bytes });
    vec![
        event(0, started()),
        event(0, plan()),
        event(0, step_started("apt")),
        event(1, wait()),
        event(2, wait()),
        event(2, step_started("pip")),
        event(3, EventKind::StepProgress { step: "pip".into(), text: "downloading spacy".into(), amount: bytes }),
        event(7, task("pip", "download spacy", 3)),
        event(8, step_finished("apt", StepStatus::Failed, Some(apt_failure()))),
        event(8, step_finished("r", StepStatus::Skipped, None)),
        event(9, EventKind::Warning { text: "the disk is nearly full".into() }),
        event(17, step_started("shell")),
        event(18, step_finished("shell", StepStatus::Done, None)),
        event(20, step_finished("pip", StepStatus::Done, None)),
        event(20, EventKind::RunFinished { outcome: Outcome::Failed, exit_code: 1, refusals: Vec::new() }),
    ]
}

/// The report of [`events`].
pub(super) fn failed() -> Report {
    replay(&events())
}

/// A run in which all steps succeed: apt, then R and pip at the same time.
pub(super) fn done() -> Report {
    replay(&[
        event(0, started()),
        event(0, plan()),
        event(0, step_started("apt")),
        event(0, step_started("pip")),
        event(8, step_finished("apt", StepStatus::Done, None)),
        event(9, step_started("r")),
        event(12, step_finished("pip", StepStatus::Done, None)),
        event(15, task("r", "build httpuv", 9)),
        event(29, task("r", "build stringi", 9)),
        event(38, task("r", "build plumber", 30)),
        event(38, step_finished("r", StepStatus::Done, None)),
        event(38, step_started("shell")),
        event(38, step_finished("shell", StepStatus::Done, None)),
        event(40, EventKind::RunFinished { outcome: Outcome::Done, exit_code: 0, refusals: Vec::new() }),
    ])
}

pub(super) fn replay(events: &[Event]) -> Report {
    let mut report = Report::default();
    for event in events {
        report.take(event);
    }
    report
}
