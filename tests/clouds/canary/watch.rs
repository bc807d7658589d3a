//! Records the command line, the environment and the limits of every descendant of a process, many times a second.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{sleep, spawn},
    time::Duration,
};

const PAUSE: Duration = Duration::from_millis(2);

/// The records of one command and its descendants.
pub(super) struct Seen {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// The descendants of the command.
    pub(super) processes: BTreeSet<u32>,
    /// Their command lines.
    pub(super) arguments: BTreeSet<Vec<u8>>,
    /// Their environments.
    pub(super) environments: BTreeSet<Vec<u8>>,
    /// Their core limits.
    pub(super) core_limits: BTreeSet<String>,
}

/// Runs a command and records its descendants.
pub(super) fn run(mut command: Command) -> Seen {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    let top = child.id();
    let ended = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&ended);
    let watcher = spawn(move || watch(top, &stop));
    let output = child.wait_with_output().expect("it ends");
    ended.store(true, Ordering::Release);
    let seen = watcher.join().expect("the watcher ends");
    Seen { code: output.status.code(), stdout: output.stdout, stderr: output.stderr, ..seen }
}

fn watch(top: u32, ended: &AtomicBool) -> Seen {
    let mut seen = Seen {
        code: None,
        stdout: Vec::new(),
        stderr: Vec::new(),
        processes: BTreeSet::new(),
        arguments: BTreeSet::new(),
        environments: BTreeSet::new(),
        core_limits: BTreeSet::new(),
    };
    while !ended.load(Ordering::Acquire) {
        let own = read(top, "cmdline");
        for pid in below(top) {
            let before = read(pid, "cmdline");
            let environment = read(pid, "environ");
            // Until a child starts its program, it has the memory of its parent.
            if before.is_empty() || before == own || read(pid, "cmdline") != before {
                continue;
            }
            seen.processes.insert(pid);
            seen.arguments.insert(before);
            seen.environments.insert(environment);
            let limits = String::from_utf8_lossy(&read(pid, "limits")).into_owned();
            seen.core_limits
                .extend(limits.lines().filter(|line| line.starts_with("Max core file size")).map(str::to_owned));
        }
        sleep(PAUSE);
    }
    seen
}

fn read(pid: u32, name: &str) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

/// All descendants of a process. The kernel lists the children of each thread.
fn below(top: u32) -> BTreeSet<u32> {
    let (mut found, mut left) = (BTreeSet::new(), vec![top]);
    while let Some(pid) = left.pop() {
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let children = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
            left.extend(children.filter(|&pid| found.insert(pid)));
        }
    }
    found
}
