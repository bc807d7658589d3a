//! The events of a run, as data. Steps report only through events. The observers (the terminal, the event log, the
//! report) decide what to do with them.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{diagnostic::Origin, problem::Problem};

/// The version of the event and report formats. New fields keep the version; removed or renamed fields need a new one.
pub const FORMAT: u32 = 1;

/// An event with its time: one line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened (UTC).
    pub time: Timestamp,
    /// The event.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum EventKind {
    /// The run started. Always the first event.
    RunStarted {
        /// The version of this format.
        format: u32,
        /// The run's id, which is also the name of its folder.
        run: String,
        /// The version of nodeagent.
        version: String,
        /// The profile's name.
        profile: String,
        /// The files that the profile was read from, parents first.
        sources: Vec<ProfileSource>,
        /// The facts of the node, as `plan` shows them.
        node: serde_json::Value,
        /// The stage, if it is not the launch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<String>,
    },
    /// The plan is complete. Steps are in profile order.
    PlanMade {
        /// The steps.
        steps: Vec<PlannedStep>,
        /// Entries that need no step, such as `apt: jq 1.6-2.1`.
        ready: Vec<String>,
        /// Entries of the post-start stage.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        later: Vec<String>,
    },
    /// The run waits for a lock that another process holds.
    Waiting {
        /// The waiting step. `None` if the run itself waits.
        step: Option<String>,
        /// The lock, such as `/var/lib/dpkg/lock-frontend`.
        lock: String,
        /// The holder, such as `unattended-upgr (pid 812)`.
        holder: String,
    },
    /// A step started to act.
    StepStarted {
        /// The step's id.
        step: String,
    },
    /// The progress of a step. It is displayed, but not written to the log.
    StepProgress {
        /// The step's id.
        step: String,
        /// The current activity, such as `building stringi`.
        text: String,
        /// The amount done and the total, in bytes or items.
        amount: Option<Amount>,
    },
    /// A part of a step ended, such as a download or the build of a package.
    TaskFinished {
        /// The step's id.
        step: String,
        /// The part, such as `build stringi`.
        task: String,
        /// When it started.
        started: Timestamp,
        /// Whether it succeeded.
        succeeded: bool,
    },
    /// A step ended.
    StepFinished {
        /// The step's id.
        step: String,
        /// How it ended.
        status: StepStatus,
        /// Why it failed or was skipped.
        failure: Option<Problem>,
    },
    /// The use of the artefact store. Sent only if the run fetched something.
    StoreUsed {
        /// Objects and bytes by source.
        store: StoreUse,
    },
    /// A warning. It does not stop the run.
    Warning {
        /// The text, one line.
        text: String,
    },
    /// The run ended. Always the last event.
    RunFinished {
        /// How it ended.
        outcome: Outcome,
        /// The exit status of the process.
        exit_code: u8,
        /// The reasons, if the run was refused.
        refusals: Vec<Problem>,
    },
}

/// A file that a profile was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileSource {
    /// Its path, its URL, or `built-in:NAME`.
    pub file: String,
    /// The SHA-256 of its content, hexadecimal.
    pub sha256: String,
}

/// A step of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its id, unique in the plan.
    pub id: String,
    /// Its kind: `apt`, `pip`, `wheel`, `r`, `files`, `shell`, `secret`, `services`, `file` for a missing
    /// file, or `take-back` for an item that the profile no longer names.
    pub kind: String,
    /// Its action, in one line.
    pub title: String,
    /// The steps that must be done before it.
    pub needs: Vec<String>,
    /// Whether the run continues if it fails.
    pub optional: bool,
    /// The profile lines that request it.
    pub origins: Vec<Origin>,
    /// How the item of the step differs from the profile. `None` if the profile changed, or for work without an item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// How an item of a profile differs from the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// nodeagent never made it.
    Missing,
    /// nodeagent made it, and something else changed or removed it.
    Drifted,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Drifted => "drifted",
        })
    }
}

/// An amount of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Amount {
    /// The part that is done.
    pub done: u64,
    /// The total; 0 if it is unknown.
    pub total: u64,
    /// The unit of both numbers.
    pub unit: Unit,
}

/// The unit of an [`Amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Packages or files.
    Pieces,
}

/// The status of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// The second look found everything that was requested.
    Done,
    /// It failed.
    Failed,
    /// It did not start, because a step that it needs failed.
    Skipped,
    /// The run ended before it started.
    NotStarted,
    /// The run ended while it was running.
    Interrupted,
}

/// The objects from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Served {
    /// Number of objects.
    pub objects: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// The objects that a run fetched, by source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreUse {
    /// From the local store.
    pub local: Served,
    /// From the shared store.
    pub shared: Served,
    /// From the origin, because no store had them.
    pub origin: Served,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything succeeded.
    Done,
    /// All required steps succeeded; an optional step failed.
    Degraded,
    /// A required step failed.
    Failed,
    /// The run was refused before any change.
    Refused,
    /// The deadline passed.
    DeadlinePassed,
    /// A signal ended the run.
    Interrupted,
}

/// Receives every event, in order.
pub trait Observer: Send {
    /// Handles an event. It must return quickly.
    fn observe(&mut self, event: &Event);
}

/// Sends events to the observers. Clones are cheap; each part of a run has one.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Vec<Box<dyn Observer>>>>);

impl Events {
    /// Creates a sender for these observers.
    pub fn new(observers: Vec<Box<dyn Observer>>) -> Self {
        Self(Arc::new(Mutex::new(observers)))
    }

    /// Sends an event with the current time to every observer. Secrets in its texts are redacted first.
    pub fn send(&self, kind: EventKind) {
        let event = Event { time: Timestamp::now(), kind: kind.redacted() };
        // If an observer panicked, the panic was reported. The other observers still get the event.
        let mut observers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for observer in observers.iter_mut() {
            observer.observe(&event);
        }
    }

    /// A sender for the events of one step.
    pub fn of_step(&self, step: impl Into<String>) -> Progress {
        Progress { events: self.clone(), step: step.into() }
    }
}

/// Sends the events of one step.
#[derive(Clone)]
pub struct Progress {
    events: Events,
    step: String,
}

impl Progress {
    /// A sender for the events of another step.
    #[must_use]
    pub fn of_other_step(&self, step: impl Into<String>) -> Self {
        self.events.of_step(step)
    }

    /// The step starts to act.
    pub fn started(&self) {
        self.events.send(EventKind::StepStarted { step: self.step.clone() });
    }

    /// The step ended.
    pub fn ended(&self, status: StepStatus, failure: Option<Problem>) {
        self.events.send(EventKind::StepFinished { step: self.step.clone(), status, failure });
    }

    /// The current activity of the step.
    pub fn now(&self, text: impl Into<String>, amount: Option<Amount>) {
        self.events.send(EventKind::StepProgress { step: self.step.clone(), text: text.into(), amount });
    }

    /// A part of the step ended.
    pub fn task_finished(&self, task: impl Into<String>, started: Timestamp, succeeded: bool) {
        self.events.send(EventKind::TaskFinished { step: self.step.clone(), task: task.into(), started, succeeded });
    }

    /// The step waits for a lock that another process holds.
    pub fn waiting(&self, lock: impl Into<String>, holder: impl Into<String>) {
        self.events.send(EventKind::Waiting {
            step: Some(self.step.clone()),
            lock: lock.into(),
            holder: holder.into(),
        });
    }

    /// A warning. It does not stop the run.
    pub fn warn(&self, text: impl Into<String>) {
        self.events.send(EventKind::Warning { text: text.into() });
    }
}
