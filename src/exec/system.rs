//! Runs programs as children of this process.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

use super::{
    Cmd, ExecError, Finished, LineWatcher, Runner, Tail, find_program,
    inherited::all_inherited,
    orphans::MARK,
    output::{Consumer, Sink},
    search_path::search_path,
    tail_lines,
};
use crate::fs::append;

const MAX_STDOUT_BYTES: usize = 4 << 20;
const MAX_STDERR_BYTES: usize = 1 << 20;
/// The time between SIGTERM and SIGKILL for a child.
const GRACE: Duration = Duration::from_secs(5);
/// How long the streams are still read after the child has ended.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts real programs.
#[derive(Debug)]
pub struct SystemRunner {
    build_slots: Option<jobserver::Client>,
    withheld: BTreeSet<String>,
    /// Variables that children get in place of those of this process. `None` removes a variable.
    variables: BTreeMap<String, Option<String>>,
    live: Live,
}

/// The process groups of the running children.
type Live = Arc<Mutex<BTreeSet<i32>>>;

impl SystemRunner {
    /// A runner that shares a pool of build slots with `make`. It withholds the named variables from children, and
    /// always those that hold credentials of a cloud.
    pub fn new(build_slots: Option<jobserver::Client>, withheld: impl IntoIterator<Item = String>) -> Self {
        Self {
            build_slots,
            withheld: super::withheld_variables(withheld),
            variables: BTreeMap::new(),
            live: Live::default(),
        }
    }

    /// Sets variables for children. `None` removes a variable. A command's own variables take precedence.
    #[must_use]
    pub fn with_variables(self, variables: BTreeMap<String, Option<String>>) -> Self {
        Self { variables, ..self }
    }

    fn command(&self, cmd: &Cmd) -> std::io::Result<Command> {
        // A name without a folder is looked up here, because a program may be in a folder that others can change.
        let program = if cmd.program.contains('/') {
            PathBuf::from(&cmd.program)
        } else {
            find_program(&cmd.program).ok_or(std::io::ErrorKind::NotFound)?
        };
        #[expect(clippy::disallowed_methods, reason = "only `exec` starts programs")]
        let mut command = Command::new(program);
        command.args(&cmd.args).process_group(0).kill_on_drop(true);
        command.env_clear().envs(all_inherited()).env("PATH", search_path()).env("LC_ALL", "C").env(MARK, "1");
        for name in &self.withheld {
            command.env_remove(name);
        }
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.envs(&cmd.env);
        command.stdin(if cmd.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.current_dir(cmd.cwd.as_deref().unwrap_or(Path::new("/")));
        if let (true, Some(slots)) = (cmd.shares_build_slots, &self.build_slots) {
            slots.configure_make(command.as_std_mut());
        }
        Ok(command)
    }

    async fn run_to_end(&self, cmd: &Cmd, watcher: Option<LineWatcher>) -> Result<Finished, ExecError> {
        let not_started =
            |error: std::io::Error| ExecError::NotStarted { program: cmd.program.clone(), reason: error.to_string() };
        let log = cmd.log.as_deref().map(append).transpose().map_err(not_started)?;
        tracing::debug!("runs {}", cmd.described());
        let mut child = self.command(cmd).and_then(|mut command| command.spawn()).map_err(not_started)?;
        let mut group = Group::of(&child, &self.live);

        let feed = child.stdin.take().zip(cmd.stdin.as_ref().map(super::Input::bytes));
        let (mut out, mut err) = (Tail::new(MAX_STDOUT_BYTES), Tail::new(MAX_STDERR_BYTES));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let streams = async {
            let write = async {
                if let Some((mut pipe, bytes)) = feed {
                    // If the child does not read its input, its exit status explains why.
                    let _ = pipe.write_all(bytes).await;
                }
            };
            tokio::join!(
                drain(stdout, Sink::new(Consumer::Parser, &mut out, log.as_ref(), watcher.clone())),
                drain(stderr, Sink::new(Consumer::People, &mut err, log.as_ref(), watcher.clone())),
                write,
            );
        };
        let work = async {
            tokio::pin!(streams);
            tokio::select! {
                () = &mut streams => child.wait().await,
                status = child.wait() => {
                    // A daemon that the child started may keep the streams open.
                    let _ = tokio::time::timeout(OUTPUT_TIMEOUT, streams).await;
                    status
                }
            }
        };
        let ended = match cmd.timeout {
            Some(limit) => tokio::time::timeout(limit, work).await,
            None => Ok(work.await),
        };
        let Ok(status) = ended else {
            group.end(&mut child).await;
            let (cmd, limit) = (cmd.to_string(), cmd.timeout.unwrap_or_default());
            return Err(ExecError::TimedOut { cmd, limit, stderr: tail_lines(&err.into_text()) });
        };
        group.forget();
        finished(cmd, status.map_err(not_started)?, out.into_text(), err.into_text())
    }
}

impl Runner for SystemRunner {
    fn watch<'a>(&'a self, cmd: &'a Cmd, watcher: Option<LineWatcher>) -> BoxFuture<'a, Result<Finished, ExecError>> {
        Box::pin(self.run_to_end(cmd, watcher))
    }

    fn interrupt(&self) {
        for &group in lock(&self.live).iter() {
            let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
        }
    }

    fn is_idle(&self) -> bool {
        lock(&self.live).is_empty()
    }
}

fn lock(live: &Live) -> std::sync::MutexGuard<'_, BTreeSet<i32>> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn finished(cmd: &Cmd, status: ExitStatus, stdout: String, stderr: String) -> Result<Finished, ExecError> {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(Finished { code, stdout, stderr }),
        (None, signal) => Err(ExecError::Signalled {
            cmd: cmd.to_string(),
            signal: signal
                .and_then(|number| Signal::try_from(number).ok())
                .map_or_else(|| "of an unknown number".to_owned(), |signal| signal.as_str().to_owned()),
            stderr: tail_lines(&stderr),
        }),
    }
}

/// The process group of a child. Dropping it kills the whole group.
struct Group {
    id: Option<Pid>,
    live: Live,
}

impl Group {
    fn of(child: &Child, live: &Live) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        lock(live).extend(id);
        Self { id: id.map(Pid::from_raw), live: Arc::clone(live) }
    }

    /// Forgets the group, because the child has ended.
    fn forget(&mut self) {
        if let Some(id) = self.id.take() {
            lock(&self.live).remove(&id.as_raw());
        }
    }

    async fn end(&mut self, child: &mut Child) {
        let Some(group) = self.id else { return };
        let _ = killpg(group, Signal::SIGTERM);
        let gone = async {
            // A child that was not waited for is still a member of its group.
            while matches!(child.try_wait(), Ok(None)) || killpg(group, None).is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(GRACE, gone).await;
        // `drop` kills the rest of the group.
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.id {
            let _ = killpg(group, Signal::SIGKILL);
        }
        self.forget();
    }
}

async fn drain(stream: Option<impl AsyncRead + Unpin>, mut sink: Sink<'_>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        sink.take(&buffer[..count]);
    }
    sink.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(cmd: &Cmd) -> Result<Finished, ExecError> {
        SystemRunner::new(None, ["NODEAGENT_TEST_WITHHELD".to_owned()]).run(cmd).await
    }

    #[tokio::test]
    async fn output_streams_are_separate_and_the_status_is_returned() {
        let done = run(&Cmd::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).await.expect("sh runs");
        assert_eq!(done, Finished { code: 3, stdout: "out\n".into(), stderr: "err\n".into() });
    }

    #[tokio::test]
    async fn a_missing_program_has_its_own_error() {
        let error = run(&Cmd::new("no-such-program")).await.expect_err("it is not there");
        assert!(matches!(error, ExecError::NotStarted { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_signal_is_named() {
        let error = run(&Cmd::new("sh").args(["-c", "kill -9 $$"])).await.expect_err("killed");
        assert!(matches!(error, ExecError::Signalled { ref signal, .. } if signal == "SIGKILL"), "{error:?}");
    }

    #[tokio::test]
    async fn a_timeout_kills_grandchildren() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let cmd = Cmd::new("sh")
            .args(["-c", "sleep 300 & echo $!; wait"])
            .log(temp.path().join("log"))
            .timeout(Some(Duration::from_secs(2)));
        let error = run(&cmd).await.expect_err("it sleeps");
        assert!(matches!(error, ExecError::TimedOut { .. }), "{error:?}");
        let log = cmd.log.expect("set above");
        let pid = std::fs::read_to_string(&log).expect("the log is there").trim().parse().expect("a pid");
        assert!(nix::sys::signal::kill(Pid::from_raw(pid), None).is_err(), "the grandchild still runs");
    }

    #[tokio::test]
    async fn a_daemon_that_stays_does_not_delay_the_run() {
        let began = std::time::Instant::now();
        let done = run(&Cmd::new("sh").args(["-c", "echo started; sleep 30 &"])).await.expect("sh runs");
        assert_eq!(done.stdout, "started\n");
        assert!(began.elapsed() < Duration::from_secs(20), "waited for the daemon");
    }

    #[tokio::test]
    async fn secrets_in_the_output_of_a_child_are_redacted() {
        drop(crate::redact::Secret::from("hunter22".to_owned()));
        let temp = tempfile::tempdir().expect("a temporary folder");
        let log = temp.path().join("log");
        let script = "printf 'out hun'; sleep 0.1; echo ter22; printf 'err hun' >&2; sleep 0.1; echo ter22 >&2; exit 1";
        let cmd = Cmd::new("sh").args(["-c", script]).log(&log);
        let done = run(&cmd).await.expect("sh runs");
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out hunter22\n", "err [redacted]\n"));
        assert!(!format!("{done:?}").contains("hunter22"), "{done:?}");
        let log = std::fs::read_to_string(log).expect("the log is there");
        assert!(log.matches("[redacted]").count() == 2 && !log.contains("hun"), "{log}");
    }

    #[tokio::test]
    async fn standard_input_is_given_or_closed() {
        assert_eq!(run(&Cmd::new("cat").stdin("hello")).await.expect("cat runs").stdout, "hello");
        assert_eq!(run(&Cmd::new("cat")).await.expect("cat runs").stdout, "");
    }
}
