//! What happens during a run, as data. Events are the only way steps speak; what becomes of them (the terminal, the
//! event log, the report) is decided by the observers.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{diagnostic::Origin, problem::Problem};

/// The version of the event and report formats. A field may be added under the same number; nothing is removed or
/// renamed without a new one.
pub const FORMAT: u32 = 1;

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened, UTC.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum EventKind {
    /// The first event of a run.
    RunStarted {
        /// Version of this format.
        format: u32,
        /// The run's name, also that of its folder.
        run: String,
        /// The agent's version.
        version: String,
        /// The profile's name.
        profile: String,
        /// The files it was read from, parents first.
        sources: Vec<ProfileSource>,
        /// What is known of the node, as shown by `plan`.
        node: serde_json::Value,
    },
    /// What is to be done, in profile order.
    PlanMade {
        /// The steps.
        steps: Vec<PlannedStep>,
        /// What needs nothing, in words such as `apt: jq 1.6-2.1`.
        ready: Vec<String>,
    },
    /// Work stands still because of somebody else.
    Waiting {
        /// The step, when it is one that waits.
        step: Option<String>,
        /// For what, such as `/var/lib/dpkg/lock-frontend`.
        lock: String,
        /// Who has it, such as `unattended-upgr (pid 812)`.
        holder: String,
    },
    /// A step began to act.
    StepStarted {
        /// Its id.
        step: String,
    },
    /// What a step is at; shown live, not kept.
    StepProgress {
        /// Its id.
        step: String,
        /// A few words, such as `building stringi`.
        text: String,
        /// How far, and out of how much: bytes or pieces.
        amount: Option<Amount>,
    },
    /// A part of a step ended: a download, one package built.
    TaskFinished {
        /// The step's id.
        step: String,
        /// The part, such as `build stringi`.
        task: String,
        /// When it began.
        started: Timestamp,
        /// Whether it did what it should.
        succeeded: bool,
    },
    /// A step ended.
    StepFinished {
        /// Its id.
        step: String,
        /// How.
        status: StepStatus,
        /// Why it failed or was skipped.
        failure: Option<Problem>,
    },
    /// What came from the store and what past it, when anything was fetched.
    StoreUsed {
        /// From where.
        store: StoreUse,
    },
    /// Something that people should know and that stops nothing.
    Warning {
        /// One line.
        text: String,
    },
    /// The last event of a run.
    RunFinished {
        /// How it ended.
        outcome: Outcome,
        /// The process's exit status.
        exit_code: u8,
        /// What was refused, when the run was refused.
        refusals: Vec<Problem>,
    },
}

/// A file a profile was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileSource {
    /// Path, address or `built-in:NAME`.
    pub file: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

/// A step as planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its id, unique in the plan.
    pub id: String,
    /// Its kind: `apt`, `pip`, `wheel`, `r`, `shell`, `secret`.
    pub kind: String,
    /// What it does, in one line.
    pub title: String,
    /// The steps that must be done before.
    pub needs: Vec<String>,
    /// Whether the run goes on when it fails.
    pub optional: bool,
    /// The profile lines that asked for it.
    pub origins: Vec<Origin>,
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Amount {
    /// Done so far.
    pub done: u64,
    /// In all; 0 when not known.
    pub total: u64,
    /// Of what.
    pub unit: Unit,
}

/// What an [`Amount`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Packages, files.
    Pieces,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// A second look found what was asked for.
    Done,
    /// It did not do what it should.
    Failed,
    /// It was not tried, because a step it needs failed.
    Skipped,
    /// The run ended before it began.
    NotStarted,
    /// The run ended while it worked.
    Interrupted,
}

/// What one place gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Served {
    /// How many objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What came from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreUse {
    /// From the node's own place.
    pub local: Served,
    /// From the shared place.
    pub shared: Served,
    /// From where it is made, past the store.
    pub origin: Served,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything asked for is there.
    Done,
    /// Everything required is there; something optional is not.
    Degraded,
    /// Something required is not there.
    Failed,
    /// Nothing was changed.
    Refused,
    /// The deadline passed.
    DeadlinePassed,
    /// A signal ended it.
    Interrupted,
}

/// Hears of every event, in order.
pub trait Observer: Send {
    /// Takes notice. Must not block for long.
    fn observe(&mut self, event: &Event);
}

/// Where events go. Cheap to clone; every part of a run has one.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Vec<Box<dyn Observer>>>>);

impl Events {
    /// Events for these observers.
    pub fn new(observers: Vec<Box<dyn Observer>>) -> Self {
        Self(Arc::new(Mutex::new(observers)))
    }

    /// Tells every observer, with the present time. Secrets in its texts are taken out first.
    pub fn send(&self, kind: EventKind) {
        let event = Event { time: Timestamp::now(), kind: kind.redacted() };
        // An observer that panicked has been reported; the others still want to know.
        let mut observers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for observer in observers.iter_mut() {
            observer.observe(&event);
        }
    }

    /// The same events as a step sends them.
    pub fn of_step(&self, step: impl Into<String>) -> Progress {
        Progress { events: self.clone(), step: step.into() }
    }
}

/// A step's way to say what it is at.
#[derive(Clone)]
pub struct Progress {
    events: Events,
    step: String,
}

impl Progress {
    /// The same events as another step sends them.
    #[must_use]
    pub fn of_other_step(&self, step: impl Into<String>) -> Self {
        self.events.of_step(step)
    }

    /// The step begins to act.
    pub fn started(&self) {
        self.events.send(EventKind::StepStarted { step: self.step.clone() });
    }

    /// The step ended.
    pub fn ended(&self, status: StepStatus, failure: Option<Problem>) {
        self.events.send(EventKind::StepFinished { step: self.step.clone(), status, failure });
    }

    /// What the step is at, in a few words.
    pub fn now(&self, text: impl Into<String>, amount: Option<Amount>) {
        self.events.send(EventKind::StepProgress { step: self.step.clone(), text: text.into(), amount });
    }

    /// A part of the step ended.
    pub fn task_finished(&self, task: impl Into<String>, started: Timestamp, succeeded: bool) {
        self.events.send(EventKind::TaskFinished { step: self.step.clone(), task: task.into(), started, succeeded });
    }

    /// The step waits for a lock that somebody else has.
    pub fn waiting(&self, lock: impl Into<String>, holder: impl Into<String>) {
        self.events.send(EventKind::Waiting {
            step: Some(self.step.clone()),
            lock: lock.into(),
            holder: holder.into(),
        });
    }

    /// Something that people should know and that stops nothing.
    pub fn warn(&self, text: impl Into<String>) {
        self.events.send(EventKind::Warning { text: text.into() });
    }
}
