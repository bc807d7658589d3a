//! Starts programs. A command is a value: it can be run, printed and compared. No other module starts programs.
//!
//! No shell is involved. Every child of a [`Runner`] gets only the variables that [`inherited`] names, `LC_ALL=C`,
//! closed standard input (unless bytes are given) and its own process group. It is killed when the run ends.
//! [`Foreground`] and [`replace_process`] give a program the terminal.

mod detached;
#[cfg(test)]
pub(crate) mod fake;
mod foreground;
mod inherited;
mod orphans;
mod output;
mod program;
mod replace_process;
mod search_path;
mod system;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub use detached::{begin_session, start_detached};
pub use foreground::{Foreground, Streams};
use futures::future::BoxFuture;
pub use inherited::{inherited, pass_environment};
pub use orphans::kill_orphans;
pub use output::Tail;
pub use program::find_program;
pub use replace_process::replace_process;
pub use search_path::environment;
use secrecy::zeroize::Zeroizing;
pub use system::SystemRunner;

use crate::redact;

/// How many lines of a child's standard error an error keeps.
pub const KEPT_STDERR_LINES: usize = 20;

/// The variables of this process that are withheld from children: the named ones, and those that hold credentials of a
/// cloud.
pub fn withheld_variables(named: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    // This variable names the variable that holds the token.
    let pointed_at = std::env::var("DATABRICKS_OIDC_TOKEN_ENV").ok();
    named.into_iter().chain(pointed_at).chain(ours.filter(|name| redact::holds_credential(name))).collect()
}

/// Called with each line of a child's output while it runs.
pub type LineWatcher = Arc<dyn Fn(&str) + Send + Sync>;

/// Bytes for a child's standard input. They may be secret: `Debug` does not show them, and they are wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Input(Zeroizing<Vec<u8>>);

impl Input {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input([{} bytes])", self.0.len())
    }
}

/// A program to start, as a value. Its text form contains no values of variables, and secrets are redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Cmd {
    /// The name or path of the program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables that are set in addition to the inherited ones.
    pub env: BTreeMap<String, String>,
    /// The working directory. `None` for `/`.
    pub cwd: Option<PathBuf>,
    /// The time limit, after which the child is killed. `None`: only the deadline of the run applies.
    pub timeout: Option<Duration>,
    /// Bytes for standard input. `None` closes it.
    pub stdin: Option<Input>,
    /// A file that receives all output of the child.
    pub log: Option<PathBuf>,
    /// Whether `make` in this child shares the build slots of the run.
    pub shares_build_slots: bool,
}

impl Cmd {
    /// A command without arguments.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            timeout: None,
            stdin: None,
            log: None,
            shares_build_slots: false,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, path: impl Into<PathBuf>) -> Self {
        self.cwd = Some(path.into());
        self
    }

    /// Sets the time limit.
    #[must_use]
    pub fn timeout(mut self, limit: Option<Duration>) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets the bytes for standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(Input(Zeroizing::new(bytes.into())));
        self
    }

    /// Copies all output to a file.
    #[must_use]
    pub fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// Lets `make` in this child share the build slots of the run.
    #[must_use]
    pub fn shares_build_slots(mut self) -> Self {
        self.shares_build_slots = true;
        self
    }
}

impl Cmd {
    /// The command line, its folder, and the names of its variables.
    pub(crate) fn described(&self) -> String {
        let folder = self.cwd.as_ref().map(|cwd| format!(" in {}", cwd.display())).unwrap_or_default();
        let names: Vec<&str> = self.env.keys().map(String::as_str).collect();
        let names = if names.is_empty() { String::new() } else { format!(" with {}", names.join(", ")) };
        redact::text(&format!("{self}{folder}{names}")).into_owned()
    }

    fn line(&self) -> String {
        let plain = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&b))
        };
        let quoted = |word: &String| {
            if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
        };
        std::iter::once(&self.program).chain(&self.args).map(quoted).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact::text(&self.line()))
    }
}

impl fmt::Debug for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cmd({})", self.described())
    }
}

/// The result of a child that ended.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Finished {
    /// The exit status; 0 is success.
    pub code: i32,
    /// The last 4 MiB of standard output, unchanged for parsers. May contain secrets.
    pub stdout: String,
    /// The last 1 MiB of standard error, without secrets.
    pub stderr: String,
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stdout, stderr) = (redact::text(&self.stdout), redact::text(&self.stderr));
        f.debug_struct("Finished").field("code", &self.code).field("stdout", &stdout).field("stderr", &stderr).finish()
    }
}

impl Finished {
    /// Converts a non-zero status into an error that names the command.
    pub fn ok(self, cmd: &Cmd) -> Result<Self, ExecError> {
        if self.code == 0 {
            return Ok(self);
        }
        Err(ExecError::Failed { cmd: cmd.to_string(), code: self.code, stderr: tail_lines(&self.stderr) })
    }
}

fn tail_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(KEPT_STDERR_LINES)..].join("\n")
}

/// Why a program did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The program is missing or not executable.
    #[error("`{program}` could not be started: {reason}")]
    NotStarted {
        /// The program.
        program: String,
        /// The error of the operating system.
        reason: String,
    },
    /// It ran and returned a non-zero status.
    #[error("`{cmd}` exited with {code}")]
    Failed {
        /// The command line.
        cmd: String,
        /// Its status.
        code: i32,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// A signal ended it.
    #[error("`{cmd}` was ended by signal {signal}")]
    Signalled {
        /// The command line.
        cmd: String,
        /// The signal's name, such as `SIGKILL`.
        signal: String,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// Its time limit passed.
    #[error("`{cmd}` did not finish within {}", humantime::format_duration(*.limit))]
    TimedOut {
        /// The command line.
        cmd: String,
        /// The limit.
        limit: Duration,
        /// The last lines of its standard error.
        stderr: String,
    },
}

/// The hint for a program that was killed. The kernel does not tell the parent of a program why.
pub const KILLED_HINT: &str = "the program was killed, most often by the kernel because memory ran out (`dmesg`): take a node \
                               with more memory, or packages that need no compiler";

/// The hint for a status that a shell returns for a killed program.
pub fn killed_hint(code: i32) -> Option<String> {
    const KILLED_IN_SHELL: i32 = 128 + 9;
    (code == KILLED_IN_SHELL).then(|| KILLED_HINT.to_owned())
}

impl ExecError {
    /// A hint for a program that was killed from outside, also if it was a child of a shell.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Signalled { signal, .. } if signal == "SIGKILL" => Some(KILLED_HINT.to_owned()),
            Self::Failed { code, .. } => killed_hint(*code),
            _ => None,
        }
    }

    /// The last lines of the child's standard error.
    pub fn stderr(&self) -> &str {
        match self {
            Self::NotStarted { .. } => "",
            Self::Failed { stderr, .. } | Self::Signalled { stderr, .. } | Self::TimedOut { stderr, .. } => stderr,
        }
    }
}

/// Runs commands. Implemented by the system and by a fake for tests.
pub trait Runner: Send + Sync {
    /// Runs a command to its end. A non-zero status is not an error here; see [`Finished::ok`].
    fn run<'a>(&'a self, cmd: &'a Cmd) -> BoxFuture<'a, Result<Finished, ExecError>> {
        self.watch(cmd, None)
    }

    /// The same, and passes each line of output to a watcher as it appears. Dropping the future kills the child.
    fn watch<'a>(&'a self, cmd: &'a Cmd, watcher: Option<LineWatcher>) -> BoxFuture<'a, Result<Finished, ExecError>>;

    /// Sends SIGTERM to all running children.
    fn interrupt(&self) {}

    /// Whether no child is running.
    fn is_idle(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_prints_as_it_could_be_typed() {
        let cmd = Cmd::new("apt-get").args(["install", "--", "a b", "it's"]);
        assert_eq!(cmd.to_string(), r"apt-get install -- 'a b' 'it'\''s'");
    }

    #[test]
    fn a_command_shows_neither_secrets_nor_the_values_of_variables() {
        drop(redact::Secret::from("it's hunter22".to_owned()));
        let cmd = Cmd::new("psql").arg("it's hunter22").env("PGPASSFILE", "/x").cwd("/tmp").stdin("hunter22");
        assert_eq!(cmd.to_string(), "psql '[redacted]'");
        assert_eq!(format!("{cmd:?}"), "Cmd(psql '[redacted]' in /tmp with PGPASSFILE)");
    }

    #[test]
    fn a_killed_program_has_a_hint() {
        let failed = |code: i32| Finished { code, ..Finished::default() }.ok(&Cmd::new("x")).expect_err("it failed");
        assert_eq!([1, 137, 143].map(|code| failed(code).hint().is_some()), [false, true, false]);
        let signalled =
            |signal: &str| ExecError::Signalled { cmd: "x".into(), signal: signal.into(), stderr: String::new() };
        assert_eq!(["SIGKILL", "SIGTERM"].map(|signal| signalled(signal).hint().is_some()), [true, false]);
    }

    #[test]
    fn a_failed_command_keeps_the_last_lines_only() {
        let stderr = (0..50).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        let error = Finished { code: 100, stderr, ..Finished::default() }.ok(&Cmd::new("x")).expect_err("status 100");
        assert_eq!(error.stderr().lines().count(), KEPT_STDERR_LINES);
        assert!(error.stderr().ends_with("line 49"));
    }
}
