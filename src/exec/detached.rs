//! Starts a program that outlives this process: in a session of its own, without the streams of this process.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::unistd::{Pid, getsid, setsid};

use super::{Cmd, ExecError};
use crate::fs::append;

/// The time that the program has to begin its session.
const BEGIN: Duration = Duration::from_secs(10);
/// Beginnings of the names of variables with which the dynamic loader and the C library run other code.
const LOADER: [&str; 3] = ["LD_", "GCONV_PATH", "GLIBC_TUNABLES"];
const INTERVAL: Duration = Duration::from_millis(1);

/// Begins a session of its own. A program that [`start_detached`] starts calls this first.
pub fn begin_session() {
    // It fails only if this process leads a group already, as when a shell started it.
    let _ = setsid();
}

/// Starts a program that calls [`begin_session`], and waits until it has done so: nothing that ends the group or the
/// session of this process reaches it then. It inherits the environment. Its output is appended to a file.
pub fn start_detached(cmd: &Cmd, log: &Path) -> Result<(), ExecError> {
    let not_started = |reason: String| ExecError::NotStarted { program: cmd.program.clone(), reason };
    let file = || append(log).map_err(|error| not_started(format!("`{}`: {error}", log.display())));
    #[expect(clippy::disallowed_methods, reason = "only `exec` starts programs")]
    let mut command = Command::new(&cmd.program);
    command.args(&cmd.args).envs(&cmd.env).current_dir("/");
    // The stage needs the environment of nodeagent, but a program that starts it is linked dynamically.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_none_or(|name| LOADER.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(file()?).stderr(file()?);
    let mut child = command.spawn().map_err(|error| not_started(error.to_string()))?;
    let pid = i32::try_from(child.id()).map(Pid::from_raw).map_err(|error| not_started(error.to_string()))?;
    let began = Instant::now();
    while getsid(Some(pid)) != Ok(pid) {
        match child.try_wait() {
            Ok(None) if began.elapsed() < BEGIN => std::thread::sleep(INTERVAL),
            Ok(None) => return Err(not_started("it does not begin its session".to_owned())),
            Ok(Some(status)) => return Err(not_started(format!("it ended: {status}; see `{}`", log.display()))),
            Err(error) => return Err(not_started(error.to_string())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detached_program_has_its_own_session_and_its_output_is_kept() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let log = temp.path().join("log");
        let cmd = Cmd::new("setsid").args(["sh", "-c", "echo hello; sleep 1"]);
        start_detached(&cmd, &log).expect("it starts");
        let began = Instant::now();
        while std::fs::read_to_string(&log).expect("the log exists") != "hello\n" {
            assert!(began.elapsed() < BEGIN, "it prints");
            std::thread::sleep(INTERVAL);
        }
    }

    #[test]
    fn a_program_that_ends_at_once_was_not_started() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let start = |program: &str| start_detached(&Cmd::new(program), &temp.path().join("log"));
        let error = start("false").expect_err("it ends").to_string();
        assert!(error.contains("it ended"), "{error}");
        start("no-such-program").expect_err("it does not exist");
    }
}
