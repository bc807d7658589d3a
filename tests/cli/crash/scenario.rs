//! Records a command, and lets the agent recover from each state that a power loss during it may leave.

use std::{fs, path::Path};

use super::{
    call::{OPTIONS, calls},
    disk::Disk,
    history::History,
    recorder::record,
    states::{State, states},
};
use crate::support::{NodeTest, put};

/// The states of a scenario. More with `NODEAGENT_CRASH_STATES`.
const STATES: usize = 25;
/// The failures after which a test ends.
const ENOUGH: usize = 8;
/// The failures that a message shows.
const SHOWN: usize = 3;

/// The file with the identity of this start of the system.
const BOOT_ID: &str = "proc/sys/kernel/random/boot_id";

pub(super) struct Scenario {
    pub(super) node: NodeTest,
    pub(super) history: History,
}

impl Scenario {
    /// Runs the agent and records its file operations below the folder of the test.
    pub(super) fn record(node: NodeTest, arguments: &[&str]) -> Self {
        let store = node.beside("store").display().to_string();
        Self::record_without_store(node, &[&["--filestore", store.as_str()], arguments].concat())
    }

    /// The same without the file store of the test.
    pub(super) fn record_without_store(node: NodeTest, arguments: &[&str]) -> Self {
        let traces = tempfile::tempdir().expect("a temporary folder");
        let (top, trace) = (node.beside(""), traces.path().join("trace"));
        fs::create_dir_all(node.root().join(BOOT_ID).parent().expect("a folder")).expect("made");
        put(&node.root().join(BOOT_ID), "first\n");
        let mut before = Disk::read(&top);
        before.age();
        before.write(&top);
        node.agent_traced(&trace, &OPTIONS, arguments).ended(0);
        let history = history(&top, before, &trace);
        // Every operation was recorded and understood.
        assert_eq!(differences(&history.after(), &Disk::read(&top)), [""; 0]);
        Self { node, history }
    }

    /// Writes each state into the folder of the test and calls `recover`, which returns the reason if the agent does
    /// not recover.
    pub(super) fn check(&self, recover: impl Fn(&NodeTest) -> Result<(), String>) {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
        let seed = number("NODEAGENT_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
        let limit = number("NODEAGENT_CRASH_STATES").map_or(STATES, |count| usize::try_from(count).expect("small"));
        let states = states(&self.history, limit, &mut fastrand::Rng::with_seed(seed));
        report(seed, states.len(), self.history.operations.len());
        let mut failures = Vec::new();
        for state in &states {
            state.disk.write(&self.node.beside(""));
            // The system starts again.
            put(&self.node.root().join(BOOT_ID), "second\n");
            if let Err(reason) = recover(&self.node) {
                failures.push((state, reason));
                if failures.len() == ENOUGH {
                    break;
                }
            }
        }
        // The shortest history explains most.
        failures.sort_by_key(|(state, _)| state.description.len());
        let shown: Vec<String> = failures.iter().take(SHOWN).map(|(state, reason)| explain(state, reason)).collect();
        assert!(
            failures.is_empty(),
            "at least {} of {} states, NODEAGENT_TEST_SEED={seed}\n{}",
            failures.len(),
            states.len(),
            shown.join("\n")
        );
    }
}

/// The paths that differ.
fn differences(one: &Disk, other: &Disk) -> Vec<String> {
    let (one, other) = (one.listing(), other.listing());
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    [only(&one, &other), only(&other, &one)].concat()
}

/// Reads a trace.
pub(super) fn history(top: &Path, before: Disk, trace: &Path) -> History {
    let text = fs::read_to_string(trace).expect("strace wrote it");
    record(top, before, &calls(&text))
}

/// The seed repeats the states if the operations are the same.
#[expect(clippy::print_stderr, reason = "the output of a test")]
fn report(seed: u64, states: usize, operations: usize) {
    eprintln!("NODEAGENT_TEST_SEED={seed}: {states} states of {operations} operations");
}

fn explain(state: &State, reason: &str) -> String {
    format!("--- a power loss after operation {}\n{}\n{reason}\n", state.instant, state.description)
}

/// `Err` with a message unless a condition holds.
pub(super) fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message()) }
}
