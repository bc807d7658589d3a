//! A child in the foreground: it has the terminal of nodeagent, and only selected variables.

use std::{
    fs::File,
    os::fd::AsFd,
    process::{ExitStatus, Stdio},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

use super::{Cmd, ExecError, Finished, Tail, system::finished};

/// How many bytes of each stream are kept.
const MAX_OUTPUT_BYTES: usize = 1 << 20;

/// The streams of nodeagent that a child in the foreground inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// None. Output is captured.
    None,
    /// Standard input and output. Standard error is captured.
    Data,
    /// All: the child has the terminal.
    All,
}

/// A program in the foreground.
#[derive(Debug, Clone, Copy)]
pub struct Foreground<'a> {
    /// The command. Its timeout is ignored: the user decides when it ends.
    pub cmd: &'a Cmd,
    /// Selects the variables that it inherits.
    pub inherits: fn(&str) -> bool,
    /// A file that the child inherits with the same descriptor number. Other children do not inherit it.
    pub file: &'a File,
    /// Its streams.
    pub streams: Streams,
}

impl Foreground<'_> {
    /// Runs the program to its end. Interrupts of the terminal are left to the child; SIGTERM and SIGHUP are forwarded
    /// to it.
    pub async fn run(&self) -> Result<Finished, ExecError> {
        let program = || self.cmd.program.clone();
        let not_started =
            |error: std::io::Error| ExecError::NotStarted { program: program(), reason: error.to_string() };
        let mut interrupts = signal(SignalKind::interrupt()).map_err(not_started)?;
        let mut quits = signal(SignalKind::quit()).map_err(not_started)?;
        let mut requests = signal(SignalKind::terminate()).map_err(not_started)?;
        let mut hangups = signal(SignalKind::hangup()).map_err(not_started)?;
        let mut child = self.spawn().map_err(not_started)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let id = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let ended = async { tokio::join!(child.wait(), kept(stdout), kept(stderr)) };
        tokio::pin!(ended);
        loop {
            let handed_on = tokio::select! {
                (status, stdout, stderr) = &mut ended => {
                    let status: ExitStatus = status.map_err(not_started)?;
                    return finished(self.cmd, status, stdout, stderr);
                }
                _ = interrupts.recv() => None,
                _ = quits.recv() => None,
                _ = requests.recv() => Some(Signal::SIGTERM),
                _ = hangups.recv() => Some(Signal::SIGHUP),
            };
            if let (Some(signal), Some(id)) = (handed_on, id) {
                let _ = kill(id, signal);
            }
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        #[expect(clippy::disallowed_methods, reason = "only `exec` starts programs")]
        let mut command = Command::new(&self.cmd.program);
        command.args(&self.cmd.args).env_clear().kill_on_drop(true);
        command.envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(self.inherits)));
        command.envs(&self.cmd.env);
        let kept = |is_ours: bool| if is_ours { Stdio::inherit() } else { Stdio::piped() };
        command.stdin(if self.streams == Streams::None { Stdio::null() } else { Stdio::inherit() });
        command.stdout(kept(self.streams != Streams::None)).stderr(kept(self.streams == Streams::All));
        inherited(self.file, true)?;
        let child = command.spawn();
        inherited(self.file, false)?;
        child
    }
}

/// Sets whether new children inherit a file.
fn inherited(file: impl AsFd, is_inherited: bool) -> std::io::Result<()> {
    let flags = if is_inherited { FdFlag::empty() } else { FdFlag::FD_CLOEXEC };
    fcntl(file, FcntlArg::F_SETFD(flags))?;
    Ok(())
}

/// The end of a stream's output.
async fn kept(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut tail = Tail::new(MAX_OUTPUT_BYTES);
    if let Some(mut stream) = stream {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            tail.push(&buffer[..count]);
        }
    }
    tail.into_text()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;
    use crate::fs::memory_file;

    #[tokio::test]
    async fn a_child_in_the_foreground_has_its_file_and_only_its_variables() {
        let file = memory_file("test", b"in memory").expect("created");
        let script = format!("cat /proc/self/fd/{}; env | cut -d= -f1 | sort; echo err >&2; exit 3", file.as_raw_fd());
        let cmd = Cmd::new("sh").args(["-c", &script]).env("GIVEN", "1");
        let child = Foreground { cmd: &cmd, inherits: |name| name == "PATH", file: &file, streams: Streams::None };
        let found = child.run().await.expect("sh runs");
        assert_eq!((found.code, found.stderr.as_str()), (3, "err\n"));
        let lines: Vec<&str> = found.stdout.lines().filter(|line| !["PWD", "SHLVL", "_"].contains(line)).collect();
        assert_eq!(lines, ["in memoryGIVEN", "PATH"]);
        let flags = fcntl(&file, FcntlArg::F_GETFD).expect("it is open");
        assert_eq!(flags, FdFlag::FD_CLOEXEC.bits(), "the next child does not have it");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let file = memory_file("test", b"").expect("created");
        let cmd = Cmd::new("no-such-program");
        let child = Foreground { cmd: &cmd, inherits: |_| false, file: &file, streams: Streams::All };
        assert!(matches!(child.run().await, Err(ExecError::NotStarted { .. })));
    }
}
