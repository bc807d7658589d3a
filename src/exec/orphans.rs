//! Finds and kills the children that a killed run left running. They would disturb the next run.

use std::{fs, time::Duration};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Pid, getpid},
};

/// How long killed processes may take to disappear.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// The variable that marks a process as started by nodeagent.
pub(super) const MARK: &str = "NODEAGENT_CHILD";

/// Kills the process groups that a killed run left running. nodeagent has started their leaders, they are no children
/// of this process, and their command line satisfies `is_ours`. Call it before this run starts such a command itself.
/// Returns the number of groups.
pub fn kill_orphans(is_ours: impl Fn(&[String]) -> bool) -> usize {
    let leaders: Vec<Pid> = leaders().filter(|&pid| is_ours(&words(pid, "cmdline")) && is_marked(pid)).collect();
    for &leader in &leaders {
        // The process may have ended in the meantime.
        let _ = killpg(leader, Signal::SIGKILL);
    }
    let began = std::time::Instant::now();
    while leaders.iter().any(|&leader| works(leader)) && began.elapsed() < KILL_TIMEOUT {
        std::thread::sleep(Duration::from_millis(10));
    }
    leaders.len()
}

/// The leaders of process groups, without this process and its children.
fn leaders() -> impl Iterator<Item = Pid> {
    let us = getpid().as_raw();
    let others = processes().filter(move |found| found.pid == found.group && found.pid != us && found.parent != us);
    others.map(|found| Pid::from_raw(found.pid))
}

/// Whether a process of a group is still running. Zombies do not count: in a container they may stay forever.
fn works(group: Pid) -> bool {
    processes().any(|found| found.group == group.as_raw() && !matches!(found.state, 'Z' | 'X'))
}

struct Process {
    pid: i32,
    state: char,
    parent: i32,
    group: i32,
}

fn processes() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
}

/// Parses a `stat` line. Its second field is a name in parentheses, which may contain any character.
fn parse_stat(pid: i32, stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Process { pid, state, parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

/// Whether nodeagent has started a process. Other users' processes may have the same command line.
fn is_marked(pid: Pid) -> bool {
    words(pid, "environ").iter().any(|variable| variable.split_once('=').is_some_and(|(name, _)| name == MARK))
}

/// The command line or the environment of a process.
fn words(pid: Pid, file: &str) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).split('\0').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_contain_parentheses() {
        let read = parse_stat(42, "42 (a (b) c) S 1 40 40 0").expect("good");
        assert_eq!((read.state, read.parent, read.group), ('S', 1, 40));
        assert!(parse_stat(42, "").is_none());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it must not be a child that dies with us")]
    fn only_orphans_are_killed() {
        use std::os::unix::process::CommandExt as _;
        let mark = format!("{}.25", 100_000 + std::process::id());
        let temp = tempfile::tempdir().expect("a temporary folder");
        let begun = temp.path().join("begun").display().to_string();
        let script = format!("sleep {mark} & echo $! > {begun}; wait");
        // The parent of the leader ends immediately, as in a killed run.
        let outer = format!("setsid sh -c '{script}' > /dev/null 2>&1 & until [ -s {begun} ]; do sleep 0.05; done");
        let start = |marked: bool| {
            let mut command = std::process::Command::new("sh");
            command.args(["-c", &outer]).process_group(0);
            if marked {
                command.env(MARK, "1");
            }
            command.status().expect("sh runs");
        };
        let kill = || kill_orphans(|args| args.iter().any(|arg| arg.contains(&mark)));
        start(true);
        assert_eq!(kill(), 1);
        assert_eq!(kill(), 0);
        // Another user runs the same command.
        fs::remove_file(&begun).expect("it was written");
        start(false);
        assert_eq!(kill(), 0);
        let others = fs::read_to_string(&begun).expect("it was written").trim().parse().expect("a pid");
        let group = nix::unistd::getpgid(Some(Pid::from_raw(others))).expect("it runs");
        killpg(group, Signal::SIGKILL).expect("it runs");
    }
}
