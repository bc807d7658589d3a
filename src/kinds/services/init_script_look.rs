//! The state of a service with an init script, from links, pid files and `/proc`.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    init_script,
    state::{Definition, Enabled, Running},
    unit::HEAD,
};
use crate::inventory::below;

/// The ticks of a second in `/proc`. Linux has used this value for user space on all processors since version 2.6.
const TICKS: u64 = 100;
/// A pid file is written shortly after the process began. A process that began later has only the same number.
const TOLERANCE: Duration = Duration::from_secs(2);
/// The run levels in which services run: Debian's default.
const RUN_LEVELS: [u8; 4] = [2, 3, 4, 5];

pub(super) fn read(root: &Path, name: &str) -> Definition {
    let foreign = foreign_script(root, name);
    let exists = script_path(root, name).exists();
    let running = running(root, name, foreign.is_some());
    Definition { of_package: foreign.clone(), foreign, exists, enabled: enabled(root, name), masked: false, running }
}

/// The init script of a service that nodeagent did not write.
pub(super) fn foreign_script(root: &Path, name: &str) -> Option<PathBuf> {
    let text = std::fs::read_to_string(script_path(root, name)).ok()?;
    (text.lines().nth(1) != Some(HEAD)).then(|| PathBuf::from(format!("/etc/init.d/{name}")))
}

fn script_path(root: &Path, name: &str) -> PathBuf {
    root.join("etc/init.d").join(name)
}

/// Whether a run level has a link that starts the script.
pub(super) fn enabled(root: &Path, name: &str) -> Enabled {
    let starts = |level: &u8| {
        let links = std::fs::read_dir(root.join(format!("etc/rc{level}.d"))).into_iter().flatten().flatten();
        let mut names = links.filter_map(|link| link.file_name().into_string().ok());
        names.any(|link| link.strip_prefix('S').is_some_and(|rest| rest.get(2..) == Some(name)))
    };
    Enabled::of_links(RUN_LEVELS.iter().filter(|level| starts(level)).count().min(1), 1)
}

fn running(root: &Path, name: &str, is_foreign: bool) -> Option<Running> {
    if !is_foreign {
        return of_pid_file(root, Path::new(&init_script::pid_file(name)));
    }
    let text = std::fs::read_to_string(script_path(root, name)).unwrap_or_default();
    let usual = [format!("/run/{name}.pid"), format!("/run/{name}/{name}.pid")].map(PathBuf::from);
    let named = assigned(&text, &["PIDFILE", "pidfile", "PID"]);
    let by_file = named.into_iter().chain(usual).find_map(|file| of_pid_file(root, &file));
    by_file.or_else(|| of_program(root, &assigned(&text, &["DAEMON", "daemon"])))
}

/// The absolute paths that a script assigns to variables, without those that contain other variables.
fn assigned(text: &str, variables: &[&str]) -> Vec<PathBuf> {
    let value = |line: &str| {
        let (variable, value) = line.trim().split_once('=')?;
        let value = value.split_ascii_whitespace().next().unwrap_or_default().trim_matches(['"', '\'']);
        let is_plain = value.starts_with('/') && !value.contains(['$', '`']);
        (variables.contains(&variable) && is_plain).then(|| PathBuf::from(value))
    };
    text.lines().filter_map(value).collect()
}

fn of_pid_file(root: &Path, file: &Path) -> Option<Running> {
    let file = below(root, file);
    let id = std::fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok()?;
    let written = file.metadata().ok()?.modified().ok()?;
    let began = began(root, id)?;
    (began <= written + TOLERANCE).then(|| Running { id: id.to_string(), since: began })
}

/// A process that runs one of these programs, for scripts without a pid file that can be found.
fn of_program(root: &Path, programs: &[PathBuf]) -> Option<Running> {
    let real: Vec<PathBuf> = programs.iter().filter_map(|program| below(root, program).canonicalize().ok()).collect();
    if real.is_empty() {
        return None;
    }
    let entries = std::fs::read_dir(root.join("proc")).ok()?.flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut ids: Vec<u32> = ids.collect();
    ids.sort_unstable();
    let runs = |id: &u32| std::fs::read_link(root.join(format!("proc/{id}/exe"))).is_ok_and(|exe| real.contains(&exe));
    let id = ids.into_iter().find(runs)?;
    Some(Running { id: id.to_string(), since: began(root, id)? })
}

/// The time at which a process began. `None` if it has ended.
fn began(root: &Path, id: u32) -> Option<SystemTime> {
    let stat = std::fs::read_to_string(root.join(format!("proc/{id}/stat"))).ok()?;
    // The name of the program, in parentheses, may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let ticks: u64 = fields.get(19)?.parse().ok()?;
    let boot = std::fs::read_to_string(root.join("proc/stat")).ok()?;
    let boot: u64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(boot) + Duration::from_millis(ticks * 1000 / TICKS))
}
