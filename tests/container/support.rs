//! Nodes for tests, started by `scripts/node` and stopped when the value is dropped; and the results of commands in
//! them.

use std::{
    borrow::Borrow,
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use crate::free_port::free_port;

/// The variable that skips all tests with nodes.
const SKIP: &str = "NODEAGENT_SKIP_CONTAINERS";
/// The folder of the profile and its files.
pub(crate) const PROFILES: &str = "/profiles";
/// The profile of a test.
pub(crate) const PROFILE: &str = "/profiles/ring.toml";
/// The runtime's Python packages.
pub(crate) const SITE: &str = "/databricks/python3/lib/python3.11/site-packages";
/// The runtime's R library.
pub(crate) const LIBRARY: &str = "/databricks/spark/R/lib";
/// The beginning of an `[r]` section for the node's own repository.
pub(crate) const R: &str = "[r]\nrepos = [\"http://127.0.0.1:3838/\"]\n";

/// The root of the source tree.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The binary in `NODEAGENT_BINARY`, else the static binary.
pub(crate) fn binary() -> PathBuf {
    let path = std::env::var_os("NODEAGENT_BINARY").map_or_else(|| root().join("target/static/nodeagent"), Into::into);
    assert!(path.is_file(), "there is no `{}`: run scripts/build, or set NODEAGENT_BINARY", path.display());
    path
}

/// Whether tests with nodes are skipped. Prints a line if so.
#[expect(clippy::print_stderr, reason = "a skipped test must be visible")]
pub(crate) fn skipped() -> bool {
    let skipped = std::env::var_os(SKIP).is_some_and(|value| value == "1");
    if skipped {
        eprintln!("skipped: {SKIP}=1 skips all tests that need nodes");
    }
    skipped
}

/// A program of this machine.
#[expect(clippy::disallowed_methods, reason = "tests start scripts/node")]
pub(crate) fn host(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

thread_local! {
    static PORT: u16 = free_port();
}

/// The port of the server of this test. Nodes of the chroot engine share one network, and each test has a thread.
pub(crate) fn port() -> u16 {
    PORT.with(|port| *port)
}

/// A running node, which is stopped when dropped.
pub(crate) struct Node {
    name: String,
    engine: Option<&'static str>,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.script().args(["stop", &self.name]).output();
    }
}

impl Node {
    /// A fresh node; `None` when tests with nodes are skipped. `what` is a word of the test, for the list of nodes.
    pub(crate) fn fresh(what: &str) -> Option<Self> {
        Self::with(what, &[])
    }

    /// A fresh node with options of `scripts/node start`.
    pub(crate) fn with(what: &str, options: &[&str]) -> Option<Self> {
        (!skipped()).then(|| Self::start(what, None, options))
    }

    /// A fresh node whose first process is systemd; `None` when tests with nodes are skipped, or without Docker.
    pub(crate) fn with_systemd(what: &str, options: &[&str]) -> Option<Self> {
        Self::in_docker(what, &[&["--systemd"], options].concat())
    }

    /// A fresh node with options that only the Docker engine has; `None` when tests with nodes are skipped, or without
    /// Docker.
    #[expect(clippy::print_stderr, reason = "a skipped test must be visible")]
    pub(crate) fn in_docker(what: &str, options: &[&str]) -> Option<Self> {
        if skipped() {
            return None;
        }
        let engine = CommandOutput::of(host(root().join("scripts/node")).arg("engine"), "scripts/node engine");
        if engine.exits(0).stdout.trim() != "docker" {
            eprintln!("skipped: only the Docker engine has nodes with these options");
            return None;
        }
        Some(Self::start(what, None, options))
    }

    /// A fresh node of an engine.
    pub(crate) fn start(what: &str, engine: Option<&'static str>, options: &[&str]) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let node = Self { name: format!("ring-{what}-{}-{number}", std::process::id()), engine };
        let mut start = node.script();
        start.args(["start", &node.name]).args(options).env("NODEAGENT_BINARY", binary());
        CommandOutput::of(&mut start, "scripts/node start").exits(0);
        // With the folders of the agent from the beginning, listings differ only in the changes of a run.
        node.sh("mkdir -p /var/log/nodeagent /var/lib/nodeagent /var/cache/nodeagent");
        node
    }

    fn script(&self) -> Command {
        let mut script = host(root().join("scripts/node"));
        script.stdin(Stdio::null());
        if let Some(engine) = self.engine {
            script.env("NODEAGENT_ENGINE", engine);
        }
        script
    }

    /// A command in the node, with options of `scripts/node exec`.
    pub(crate) fn command(&self, options: &[&str], command: &[&str]) -> Command {
        let mut script = self.script();
        script.args(["exec", &self.name]).args(options).arg("--").args(command);
        script
    }

    /// Runs a command in the node.
    pub(crate) fn exec(&self, options: &[&str], command: &[&str]) -> CommandOutput {
        CommandOutput::of(&mut self.command(options, command), &command.join(" "))
    }

    /// Runs a shell script that must succeed, and returns its output.
    pub(crate) fn sh(&self, script: &str) -> String {
        self.exec(&[], &["bash", "-c", script]).exits(0).stdout.clone()
    }

    /// Starts a command in the node and does not wait for it.
    pub(crate) fn begin(&self, options: &[&str], command: &[&str]) -> Child {
        let mut command = self.command(options, command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("scripts/node starts")
    }

    /// Starts a server in the node and waits until it accepts connections.
    pub(crate) fn serve(&self, command: &str, port: u16) {
        self.sh(&format!(
            "setsid {command} > /dev/null 2>&1 < /dev/null &
            for i in {{1..100}}; do (exec 3<> /dev/tcp/127.0.0.1/{port}) 2> /dev/null && exit 0; sleep 0.1; done; exit 1"
        ));
    }

    /// Runs the profile of this test.
    pub(crate) fn run(&self, options: &[&str]) -> CommandOutput {
        self.exec(&[], &[&["nodeagent", "run", "--profile", PROFILE], options].concat())
    }

    /// Starts a run of the profile and does not wait for it.
    pub(crate) fn begin_run(&self, options: &[&str]) -> Child {
        self.begin(&[], &[&["nodeagent", "run", "--profile", PROFILE], options].concat())
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let script = "mkdir -p \"$(dirname \"$1\")\" && cat > \"$1\"";
        let mut command = self.command(&["-i"], &["sh", "-c", script, "write", path]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("scripts/node starts");
        child.stdin.take().expect("a pipe").write_all(bytes.as_ref()).expect("the node reads");
        CommandOutput::wait(child, path).exits(0);
    }

    /// Copies a file into the node.
    pub(crate) fn copy(&self, from: &Path, to: &str) {
        let mut copy = self.script();
        CommandOutput::of(copy.args(["copy", &self.name]).arg(from).arg(to), "scripts/node copy").exits(0);
    }

    /// Copies a file out of the node, with its mode.
    pub(crate) fn fetch(&self, from: &str, to: &Path) {
        let mut fetch = self.script();
        CommandOutput::of(fetch.args(["fetch", &self.name, from]).arg(to), "scripts/node fetch").exits(0);
        CommandOutput::of(host("chmod").arg("755").arg(to), "chmod").exits(0);
    }

    /// Writes the profile of this test from its sections. Their first line is line 3 of the file.
    pub(crate) fn profile(&self, sections: &str) {
        self.write(PROFILE, format!("schema = 1\nname = \"ring\"\n{sections}"));
    }

    /// Every file of the node with path, type, mode, owner, size, time of change and target of a link. Without `/proc`,
    /// `/sys`, `/dev`, `/tmp`, the profiles of the test and the folders of the agent.
    pub(crate) fn listing(&self) -> String {
        self.list(&["/var/log/nodeagent", "/var/lib/nodeagent", "/var/cache/nodeagent"])
    }

    /// The same with all folders of the agent but the logs: for runs that must not change anything.
    pub(crate) fn listing_but_log(&self) -> String {
        self.list(&["/var/log/nodeagent"])
    }

    fn list(&self, without: &[&str]) -> String {
        let mut command = vec!["find", "/", "-mindepth", "1"];
        for path in ["/proc", "/sys", "/dev", "/tmp", PROFILES].iter().chain(without) {
            command.extend(["-path", path, "-prune", "-o"]);
        }
        // The time of a folder only shows that its list of names changed, which the listing shows anyway. Some layered
        // file systems of container engines change it long afterwards.
        command.extend(["-type", "d", "-printf", "%p %y %m %u:%g\n", "-o", "-printf", "%p %y %m %u:%g %s %T@ %l\n"]);
        let mut lines: Vec<String> = self.exec(&[], &command).exits(0).stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines.join("\n")
    }

    /// The state that equal nodes share: the version of every package, the names of files, the shell files. Without
    /// times.
    pub(crate) fn state(&self) -> String {
        self.sh(&format!(
            "set -e
            dpkg-query -W -f '${{Package}} ${{Version}} ${{db:Status-Abbrev}}\\n'
            /databricks/python/bin/python -m pip check
            find {SITE} {LIBRARY} /root /run /home -not -path '*/pip/*' -printf '%p %y %m %u\\n' | sort
            grep -H ^Version: {LIBRARY}/*/DESCRIPTION || true
            cat /root/.bashrc"
        ))
    }

    /// Temporary files, staging folders and lock folders of programs that have ended.
    pub(crate) fn left_over(&self) -> String {
        self.sh(
            "find / -xdev \\( -path /proc -o -path /sys -o -path /dev \\) -prune -o \\( -name '.*.nodeagent' -o -name \
             '.nodeagent-*' -o -name '00LOCK*' -o -name '~*' -path '*-packages*' -o -name '*.dpkg-new' \\) -print",
        )
    }

    /// Asserts that a program is not installed.
    #[track_caller]
    pub(crate) fn has_no(&self, program: &str) {
        let output = self.exec(&[], &["sh", "-c", "command -v \"$1\"", "has", program]);
        assert_ne!(output.code, 0, "`{program}` is installed: {output}");
    }

    /// Asserts that there are no temporary files.
    #[track_caller]
    pub(crate) fn is_tidy(&self) {
        assert_eq!(self.left_over(), "", "there are temporary files");
    }
}

/// The output and the exit status of a command.
pub(crate) struct CommandOutput {
    title: String,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CommandOutput {
    /// Runs a command.
    pub(crate) fn of(command: &mut Command, title: &str) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self::wait(child.unwrap_or_else(|error| panic!("`{title}` starts: {error}")), title)
    }

    /// Waits for a child.
    pub(crate) fn wait(child: Child, title: &str) -> Self {
        let output = child.wait_with_output().expect("a child can be waited for");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            title: title.to_owned(),
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Asserts the exit status.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "exit status of {self}");
        self
    }

    /// Asserts that standard error contains a text.
    #[track_caller]
    pub(crate) fn prints(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "`{words}` is not in the standard error of {self}");
        self
    }

    /// Asserts that no output contains a text.
    #[track_caller]
    pub(crate) fn never_prints(&self, words: &str) -> &Self {
        assert!(!self.stderr.contains(words) && !self.stdout.contains(words), "`{words}` is in the output of {self}");
        self
    }

    /// Asserts that a failure is at most ten lines and ends with the path of the report.
    #[track_caller]
    pub(crate) fn is_brief(&self) -> &Self {
        let lines: Vec<&str> = self.stderr.lines().collect();
        let last = lines.iter().rposition(|line| line.starts_with("report: ")).expect("a line with the report");
        let first = lines.iter().position(|line| line.starts_with("error: ") || line.starts_with("warning: "));
        let first = first.unwrap_or_else(|| panic!("no failure in {self}"));
        assert!(last + 1 - first <= 10, "more than ten lines: {self}");
        self
    }
}

impl std::fmt::Display for CommandOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`:\n--- stdout\n{}--- stderr\n{}--- status {}", self.title, self.stdout, self.stderr, self.code)
    }
}

/// Asserts that two listings are equal, and prints the lines that differ.
#[track_caller]
pub(crate) fn assert_same(before: &str, after: &str, why: &str) {
    if before == after {
        return;
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let (old, new) = (lines(before), lines(after));
    let mut shown = String::new();
    for line in old.difference(&new).take(40) {
        let _ = writeln!(shown, "- {line}");
    }
    for line in new.difference(&old).take(40) {
        let _ = writeln!(shown, "+ {line}");
    }
    panic!("{why}, but:\n{shown}");
}

/// A wheel with one empty module.
pub(crate) fn wheel(name: &str, version: &str, requires: &[&str]) -> Vec<u8> {
    let mut metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    for requirement in requires {
        let _ = writeln!(metadata, "Requires-Dist: {requirement}");
    }
    let info = format!("{name}-{version}.dist-info");
    let files = [
        (format!("{name}.py"), format!("version = '{version}'\n")),
        (format!("{info}/METADATA"), metadata),
        (
            format!("{info}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: ring\nRoot-Is-Purelib: true\nTag: py3-none-any\n".into(),
        ),
        (format!("{info}/RECORD"), format!("{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")),
    ];
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, text) in files {
        archive.start_file(path, zip::write::SimpleFileOptions::default()).expect("a file is begun");
        archive.write_all(text.as_bytes()).expect("it is written");
    }
    archive.finish().expect("the archive is whole").into_inner()
}

/// At how many instants a test disturbs a run: ten, or the number in `NODEAGENT_INSTANTS`.
pub(crate) fn instants() -> u32 {
    std::env::var("NODEAGENT_INSTANTS").map_or(10, |number| number.parse().expect("NODEAGENT_INSTANTS is a number"))
}

/// Random fractions in ascending order. Each of `count` equal parts of 0 to 1 has one. `NODEAGENT_TEST_SEED` repeats
/// them.
#[expect(clippy::print_stderr, reason = "a failure must be repeatable")]
pub(crate) fn random_fractions(count: u32) -> Vec<f64> {
    let seed_variable = std::env::var("NODEAGENT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed_variable.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("NODEAGENT_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|index| (f64::from(index) + random.f64()) / f64::from(count)).collect()
}

/// Kills a command of the agent after a fraction of the seconds that it takes. If the command ends before, the machine
/// has become faster: it is repeated on another prepared node with an earlier kill.
#[expect(clippy::print_stderr, reason = "a failure must be repeatable")]
pub(crate) fn kill<N: Borrow<Node>>(
    seconds: &mut f64,
    fraction: f64,
    command: &[&str],
    prepare: impl Fn() -> N,
) -> (N, CommandOutput) {
    loop {
        let node = prepare();
        let after = format!("{:.3}", (*seconds * fraction).max(0.001));
        let began = Instant::now();
        let killed = ["timeout", "--foreground", "-s", "KILL", &after];
        let output = node.borrow().exec(&[], &[&killed, command].concat());
        if output.code == 137 {
            eprintln!("killed after {after} s of {seconds:.3} s");
            return (node, output);
        }
        // 124: the command ended at the instant of the kill.
        assert!([0, 124].contains(&output.code), "{output}");
        *seconds = seconds.min(began.elapsed().as_secs_f64()) * 0.95;
    }
}
