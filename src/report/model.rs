//! The report of a run: the content of `report.json`. It is built from events only, so a report can be made from the
//! event log of a killed run.

use crate::problem::Problem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{
    Difference, Event, EventKind, FORMAT, Observer, Outcome, PlannedStep, ProfileSource, StepStatus, StoreUse,
};
use crate::diagnostic::Origin;

/// The report of a run. Fields that were added after the first release have defaults, so that old reports still parse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The version of this format.
    pub format: u32,
    /// The run's id, which is also the name of its folder.
    pub run: String,
    /// The version of nodeagent.
    #[serde(default)]
    pub version: String,
    /// When the run started (UTC).
    pub started: Timestamp,
    /// When the run ended; `None` if it was killed.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// The duration up to the last known event, in seconds.
    #[serde(default)]
    pub seconds: f64,
    /// How the run ended.
    pub outcome: Outcome,
    /// The exit status of the process; `None` if it was killed.
    #[serde(default)]
    pub exit_code: Option<u8>,
    /// The profile's name.
    #[serde(default)]
    pub profile: String,
    /// The files that the profile was read from, parents first.
    #[serde(default)]
    pub sources: Vec<ProfileSource>,
    /// The facts of the node.
    #[serde(default)]
    pub node: serde_json::Value,
    /// The stage, if it is not the launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The steps, in profile order.
    #[serde(default)]
    pub steps: Vec<StepReport>,
    /// The parts of steps, in the order in which they ended.
    #[serde(default)]
    pub tasks: Vec<TaskReport>,
    /// The entries that needed no step.
    #[serde(default)]
    pub ready: Vec<String>,
    /// The entries of the post-start stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<String>,
    /// The waits for locks of other processes.
    #[serde(default)]
    pub waits: Vec<Wait>,
    /// The warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The reasons, if the run was refused.
    #[serde(default)]
    pub refusals: Vec<Problem>,
    /// The use of the artefact store, if the run fetched something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreUse>,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepReport {
    /// Its id, unique in the run.
    pub id: String,
    /// Its kind: `apt`, `pip`, `wheel`, `r`, as for [`PlannedStep`].
    pub kind: String,
    /// Its action, in one line.
    pub title: String,
    /// How it ended.
    pub status: StepStatus,
    /// Whether the run continues if it fails.
    #[serde(default)]
    pub optional: bool,
    /// The steps that must be done before it.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The profile lines that request it.
    #[serde(default)]
    pub origins: Vec<Origin>,
    /// When it started to act.
    #[serde(default)]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// How long it acted, in seconds.
    #[serde(default)]
    pub seconds: f64,
    /// Why it failed or was skipped.
    #[serde(default)]
    pub failure: Option<Problem>,
    /// See [`PlannedStep::difference`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

impl StepReport {
    /// The step's kind and action: `apt: install 2 packages`.
    pub fn name(&self) -> String {
        format!("{}: {}", self.kind, self.title)
    }

    /// The profile line of the failure, else the first line of the step.
    pub fn origin(&self) -> Option<&Origin> {
        self.failure.as_ref().and_then(|failure| failure.origin.as_ref()).or_else(|| self.origins.first())
    }

    fn planned(step: &PlannedStep) -> Self {
        Self {
            id: step.id.clone(),
            kind: step.kind.clone(),
            title: step.title.clone(),
            status: StepStatus::NotStarted,
            optional: step.optional,
            needs: step.needs.clone(),
            origins: step.origins.clone(),
            started: None,
            finished: None,
            seconds: 0.0,
            failure: None,
            difference: step.difference,
        }
    }

    fn end(&mut self, time: Timestamp) {
        self.finished = Some(time);
        self.seconds = self.started.map_or(0.0, |started| seconds_between(started, time));
    }
}

/// A part of a step, such as a download or the build of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaskReport {
    /// The step's id.
    pub step: String,
    /// The part, such as `build stringi`.
    pub task: String,
    /// When it started.
    pub started: Timestamp,
    /// Its duration in seconds.
    pub seconds: f64,
    /// Whether it succeeded.
    pub succeeded: bool,
}

/// A wait for a lock of another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wait {
    /// When the wait started.
    pub started: Timestamp,
    /// When the wait ended; `None` if it never did.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// The waiting step; `None` if the run itself waited.
    #[serde(default)]
    pub step: Option<String>,
    /// The lock.
    pub lock: String,
    /// The holder of the lock.
    pub holder: String,
}

impl Default for Report {
    /// A report without any event.
    fn default() -> Self {
        Self {
            format: FORMAT,
            run: String::new(),
            version: String::new(),
            started: Timestamp::UNIX_EPOCH,
            finished: None,
            seconds: 0.0,
            outcome: Outcome::Interrupted,
            exit_code: None,
            profile: String::new(),
            sources: Vec::new(),
            node: serde_json::Value::Null,
            stage: None,
            steps: Vec::new(),
            tasks: Vec::new(),
            ready: Vec::new(),
            later: Vec::new(),
            waits: Vec::new(),
            warnings: Vec::new(),
            refusals: Vec::new(),
            store: None,
        }
    }
}

impl Report {
    /// The step with an id.
    pub fn step(&self, id: &str) -> Option<&StepReport> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The number of steps with a status.
    pub fn count(&self, status: StepStatus) -> usize {
        self.steps.iter().filter(|step| step.status == status).count()
    }

    /// Applies an event. Without a final event the outcome is `interrupted`.
    pub fn take(&mut self, event: &Event) {
        let time = event.time;
        if let EventKind::RunStarted { .. } = event.kind {
            self.started = time;
        }
        self.seconds = seconds_between(self.started, time);
        self.end_wait(time, &event.kind);
        match &event.kind {
            EventKind::RunStarted { format, run, version, profile, sources, node, stage } => {
                self.format = *format;
                self.run.clone_from(run);
                self.version.clone_from(version);
                self.profile.clone_from(profile);
                self.sources.clone_from(sources);
                self.node.clone_from(node);
                self.stage.clone_from(stage);
            }
            EventKind::PlanMade { steps, ready, later } => {
                self.steps = steps.iter().map(StepReport::planned).collect();
                self.ready.clone_from(ready);
                self.later.clone_from(later);
            }
            EventKind::Waiting { step, lock, holder } => self.wait(time, step.as_ref(), lock, holder),
            EventKind::StepStarted { step } => {
                if let Some(step) = self.step_mut(step) {
                    // A step without an end was interrupted. A step that starts again keeps its first start.
                    step.status = StepStatus::Interrupted;
                    step.started.get_or_insert(time);
                }
            }
            EventKind::StepProgress { .. } => {}
            EventKind::TaskFinished { step, task, started, succeeded } => self.tasks.push(TaskReport {
                step: step.clone(),
                task: task.clone(),
                started: *started,
                seconds: seconds_between(*started, time),
                succeeded: *succeeded,
            }),
            EventKind::StepFinished { step, status, failure } => {
                if let Some(step) = self.step_mut(step) {
                    step.status = *status;
                    step.failure.clone_from(failure);
                    step.end(time);
                }
            }
            EventKind::StoreUsed { store } => self.store = Some(*store),
            EventKind::Warning { text } => self.warnings.push(text.clone()),
            EventKind::RunFinished { outcome, exit_code, refusals } => {
                self.outcome = *outcome;
                self.exit_code = Some(*exit_code);
                self.refusals.clone_from(refusals);
                self.finished = Some(time);
                self.end_open_steps(time);
            }
        }
    }

    /// Sets the end of the steps that were still running.
    pub(super) fn end_open_steps(&mut self, time: Timestamp) {
        for step in &mut self.steps {
            if step.status == StepStatus::Interrupted && step.finished.is_none() {
                step.end(time);
            }
        }
    }

    /// A repeated event about the same wait is one wait.
    fn wait(&mut self, started: Timestamp, step: Option<&String>, lock: &str, holder: &str) {
        let last = self.waits.iter_mut().rev().find(|wait| wait.step.as_ref() == step);
        match last {
            Some(last) if last.lock == lock && last.holder == holder => last.finished = None,
            last => {
                if let Some(last) = last {
                    last.finished.get_or_insert(started);
                }
                let (lock, holder) = (lock.to_owned(), holder.to_owned());
                self.waits.push(Wait { started, finished: None, step: step.cloned(), lock, holder });
            }
        }
    }

    /// A step that continues no longer waits.
    fn end_wait(&mut self, time: Timestamp, kind: &EventKind) {
        let at_work = match kind {
            EventKind::StepFinished { status: StepStatus::Interrupted, .. } => return,
            EventKind::StepProgress { step, .. }
            | EventKind::TaskFinished { step, .. }
            | EventKind::StepFinished { step, .. } => Some(step),
            EventKind::StepStarted { .. } | EventKind::PlanMade { .. } => None,
            _ => return,
        };
        for wait in self.waits.iter_mut().filter(|wait| wait.step.as_ref() == at_work && wait.finished.is_none()) {
            wait.finished = Some(time);
        }
    }

    fn step_mut(&mut self, id: &str) -> Option<&mut StepReport> {
        self.steps.iter_mut().find(|step| step.id == id)
    }
}

pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// Builds the report of a run from its events. Clones share the report.
#[derive(Debug, Clone, Default)]
pub struct Collector(Arc<Mutex<Report>>);

impl Collector {
    /// A copy of the current report.
    pub fn report(&self) -> Report {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Collector {
    fn observe(&mut self, event: &Event) {
        self.lock().take(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_report_is_built_from_the_events() {
        let collector = Collector::default();
        let mut observer = collector.clone();
        for event in sample::events() {
            observer.observe(&event);
        }
        let report = collector.report();
        assert_eq!(report, sample::failed());
        assert_eq!((report.seconds, report.exit_code, report.outcome), (20.0, Some(1), Outcome::Failed));
        assert_eq!(report.step("apt").map(|step| (step.status, step.seconds)), Some((StepStatus::Failed, 8.0)));
        assert_eq!(report.step("r").map(|step| step.status), Some(StepStatus::Skipped));
        assert_eq!(report.waits.len(), 1, "a repeated wait is one wait");
        assert_eq!(report.waits[0].finished, Some(sample::at(8)));
    }

    #[test]
    fn a_run_without_a_final_event_was_interrupted() {
        let mut report = Report::default();
        for event in sample::events().into_iter().take(4) {
            report.take(&event);
        }
        assert_eq!((report.outcome, report.exit_code, report.finished), (Outcome::Interrupted, None, None));
        assert_eq!(report.step("apt").map(|step| step.status), Some(StepStatus::Interrupted));
        assert_eq!(report.step("pip").map(|step| step.status), Some(StepStatus::NotStarted));
    }

    #[test]
    fn a_report_is_the_same_after_writing_and_reading() {
        let text = serde_json::to_string(&sample::failed()).expect("a report can be written");
        assert_eq!(serde_json::from_str::<Report>(&text).expect("and read"), sample::failed());
        assert!(text.contains("\"exit-code\":1"), "{text}");
    }

    #[test]
    fn the_first_reports_ever_written_still_parse() {
        let text = r#"{
            "format": 1, "run": "20261121T120304Z-4711", "started": "2026-11-21T12:03:04Z", "outcome": "done",
            "steps": [{ "id": "apt", "kind": "apt", "title": "install jq", "status": "done" }]
        }"#;
        let report: Report = serde_json::from_str(text).expect("it parses");
        assert_eq!((report.outcome, report.steps.len()), (Outcome::Done, 1));
    }

    #[test]
    fn unknown_fields_of_a_later_version_are_ignored() {
        let text = r#"{ "format": 1, "run": "x", "started": "2026-11-21T12:03:04Z", "outcome": "done", "new": [1] }"#;
        serde_json::from_str::<Report>(text).expect("it parses");
    }
}
