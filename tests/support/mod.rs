//! Shared by the tests of the command line: a fake node in a temporary folder, and the program run against it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use assert_cmd::Command;
use tempfile::TempDir;

/// A value that may appear only in its target file.
pub(crate) const MARKER: &str = "marker-hunter2";

/// A node in a folder: the system's files in `node`, the file store in `store`, profiles in `desk`, which is the
/// working directory of the program.
pub(crate) struct NodeTest {
    temp: TempDir,
    env: BTreeMap<String, String>,
    /// The variables in `env` that the node file passes to programs.
    passed: BTreeSet<String>,
}

/// The output and the exit status of the program.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The start of `[secrets]` in a profile: a token from the variable `FAMILY_TOKEN`, in a file.
pub(crate) const TOKEN_OF_FAMILY: &str = r#"
[secrets]
source = "env"
scope = "family"

[[secrets.items]]
key = "token"
to = { file = "/run/nodeagent/secrets/token" }
"#;

impl NodeTest {
    /// A Debian 12 with the users `root` and `analyst`. Both have the ids of the user who runs the test, because only
    /// root can change the owner of files.
    pub(crate) fn new() -> Self {
        // A long path would change how lines are shortened in snapshots.
        Self::below("/tmp")
    }

    /// The same in memory, if possible. fsync then takes no time.
    pub(crate) fn in_memory() -> Self {
        let memory = "/dev/shm";
        Self::below(if Path::new(memory).is_dir() { memory } else { "/tmp" })
    }

    fn below(folder: &str) -> Self {
        let temp = tempfile::tempdir_in(folder).expect("a temporary folder");
        let node = Self { temp, env: BTreeMap::new(), passed: BTreeSet::new() };
        let owner = fs::metadata(node.temp.path()).expect("the folder is there");
        let (uid, gid) = (owner.uid(), owner.gid());
        let passwd =
            format!("root:x:{uid}:{gid}:root:/root:/bin/bash\nanalyst:x:{uid}:{gid}::/home/analyst:/bin/bash\n");
        node.file("etc/passwd", &passwd)
            .file("etc/group", &format!("root:x:{gid}:\nanalysts:x:{gid}:\n"))
            .file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n")
            .file(
                &format!("lib/{}-linux-gnu/libc.so.6", std::env::consts::ARCH),
                "GNU C Library stable release version 2.36.\n",
            )
            .file("root/.profile", "")
            .file("home/analyst/.profile", "")
            .store("Admin/init_scripts/.keep", "")
            .work(".keep", "")
    }

    fn write(&self, path: &Path, text: &str) {
        let path = self.temp.path().join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("the folder can be made");
        put(&path, text);
    }

    /// Adds a file of the node.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.write(&Path::new("node").join(path), text);
        self
    }

    /// Adds a file of the node with permissions.
    pub(crate) fn file_of_mode(self, path: &str, text: &str, mode: u32) -> Self {
        let whole = self.root().join(path);
        if whole.exists() {
            fs::set_permissions(&whole, fs::Permissions::from_mode(0o600)).expect("the test owns the file");
        }
        let node = self.file(path, text);
        fs::set_permissions(whole, fs::Permissions::from_mode(mode)).expect("the test owns the file");
        node
    }

    /// Adds a file of the file store.
    pub(crate) fn store(self, path: &str, text: &str) -> Self {
        self.write(&Path::new("store").join(path), text);
        self
    }

    /// Adds a file to the working directory, which contains the profiles.
    pub(crate) fn work(self, path: &str, text: &str) -> Self {
        self.write(&Path::new("desk").join(path), text);
        self
    }

    /// Adds the profile `x.toml` to the working directory; `body` follows its name.
    pub(crate) fn profile(self, body: &str) -> Self {
        self.work("x.toml", &format!("schema = 1\nname = \"x\"\n{body}"))
    }

    /// Sets an environment variable of the program.
    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Looks programs up in these folders.
    pub(crate) fn search_path(self, path: &str) -> Self {
        self.passed_var("PATH", path)
    }

    /// Sets an environment variable of the program and of the programs that it starts.
    pub(crate) fn passed_var(mut self, name: &str, value: &str) -> Self {
        self.passed.insert(name.to_owned());
        let line = format!("pass-environment = {:?}\n", self.passed);
        self.file("etc/nodeagent.toml", &line.replace('{', "[").replace('}', "]")).var(name, value)
    }

    /// Adds installed Debian packages.
    pub(crate) fn debs(self, packages: &[(&str, &str)]) -> Self {
        let stanza = |(name, version): &(&str, &str)| {
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
        };
        self.file("var/lib/dpkg/status", &packages.iter().map(stanza).collect::<String>())
    }

    /// Adds the runtime's virtualenv of Python 3.11 with these distributions.
    pub(crate) fn python(self, distributions: &[(&str, &str)]) -> Self {
        const HOME: &str = "databricks/python";
        let mut node = self
            .file(&format!("{HOME}/bin/python3.11"), "")
            .file(&format!("{HOME}/pyvenv.cfg"), "home = /usr/bin\nversion = 3.11.2\n")
            .file(&format!("{HOME}/lib/python3.11/site-packages/README"), "");
        for (name, version) in distributions {
            let folder = format!("{HOME}/lib/python3.11/site-packages/{name}-{version}.dist-info");
            let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n");
            node = node.file(&format!("{folder}/METADATA"), &metadata).file(&format!("{folder}/RECORD"), "");
        }
        let link = node.root().join(HOME).join("bin/python");
        if !link.is_symlink() {
            symlink("python3.11", link).expect("the interpreter can be linked");
        }
        node
    }

    /// Adds R 4.2.2 with these packages in the runtime's library.
    pub(crate) fn r(self, packages: &[(&str, &str)]) -> Self {
        let description = |name: &str, version: &str, priority: &str| {
            format!("Package: {name}\nVersion: {version}\n{priority}Built: R 4.2.2; ; 2026-01-01 00:00:00 UTC; unix\n")
        };
        let mut node = self
            .file("usr/bin/R", "")
            .file("usr/lib/R/library/base/DESCRIPTION", &description("base", "4.2.2", "Priority: base\n"));
        for (name, version) in packages {
            let path = format!("databricks/spark/R/lib/{name}/DESCRIPTION");
            node = node.file(&path, &description(name, version, ""));
        }
        node
    }

    /// The root of the node.
    pub(crate) fn root(&self) -> PathBuf {
        self.temp.path().join("node")
    }

    /// The content of a file of the node.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The permissions of a file of the node.
    pub(crate) fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.root().join(path)).expect("the file is there").permissions().mode() & 0o7777
    }

    /// A path beside the node, for example for `--report-to`.
    pub(crate) fn beside(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    /// Runs the program with the file store of this node.
    pub(crate) fn agent(&self, arguments: &[&str]) -> CommandOutput {
        let store = self.temp.path().join("store").display().to_string();
        self.agent_without_store(&[&["--filestore", store.as_str()], arguments].concat())
    }

    /// Kills the program after this time (`timeout` is part of Debian). The program may end before.
    pub(crate) fn agent_killed_after(&self, seconds: f64, arguments: &[&str]) -> CommandOutput {
        let mut command = Command::new("/usr/bin/timeout");
        command.args(["--signal", "KILL", &format!("{:.4}", seconds.max(0.001))]);
        command.arg(assert_cmd::cargo::cargo_bin!("nodeagent")).arg("--root").arg(self.root());
        command.arg("--filestore").arg(self.temp.path().join("store")).args(arguments);
        self.output_of(command)
    }

    /// Runs the program under strace, which writes the system calls to a file. Without `--filestore`.
    pub(crate) fn agent_traced(&self, trace: &Path, options: &[&str], arguments: &[&str]) -> CommandOutput {
        let strace = Path::new("/usr/bin/strace");
        assert!(strace.exists(), "the test needs strace: apt-get install strace");
        let mut command = Command::new(strace);
        command.args(options).arg("--output").arg(trace);
        command.arg(assert_cmd::cargo::cargo_bin!("nodeagent")).arg("--root").arg(self.root());
        command.args(arguments);
        self.output_of(command)
    }

    /// Runs the program under a umask.
    pub(crate) fn agent_with_umask(&self, umask: &str, arguments: &[&str]) -> CommandOutput {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", umask]);
        command.arg(assert_cmd::cargo::cargo_bin!("nodeagent")).arg("--root").arg(self.root());
        command.arg("--filestore").arg(self.temp.path().join("store")).args(arguments);
        self.output_of(command)
    }

    /// Runs the program without `--filestore`.
    pub(crate) fn agent_without_store(&self, arguments: &[&str]) -> CommandOutput {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("nodeagent"));
        command.arg("--root").arg(self.root()).args(arguments);
        self.output_of(command)
    }

    /// Runs the program as an unprivileged user; `None` if the test cannot change its user.
    pub(crate) fn agent_as_unprivileged_user(&self, arguments: &[&str]) -> Option<CommandOutput> {
        const UNPRIVILEGED_ID: &str = "65534";
        let setpriv = Path::new("/usr/bin/setpriv");
        if !nix::unistd::Uid::effective().is_root() || !setpriv.exists() {
            return None;
        }
        fs::set_permissions(self.temp.path(), fs::Permissions::from_mode(0o755)).expect("the test owns the file");
        // Other users may have no access to the build folder, so the program is copied.
        let program = self.beside("nodeagent");
        copy(assert_cmd::cargo::cargo_bin!("nodeagent"), &program);
        // A child of another test may hold the copy open until it has called exec.
        loop {
            let mut command = Command::new(setpriv);
            command
                .args(["--reuid", UNPRIVILEGED_ID, "--regid", UNPRIVILEGED_ID, "--clear-groups"])
                .arg(&program)
                .args(arguments);
            let output = self.output_of(command);
            if !output.stderr.contains("Text file busy") {
                return Some(output);
            }
        }
    }

    /// Runs the program with a terminal as standard output (`script` is part of Debian). Returns the output.
    pub(crate) fn agent_on_terminal(&self, arguments: &[&str]) -> String {
        let agent = assert_cmd::cargo::cargo_bin!("nodeagent").display().to_string();
        let root = self.root().display().to_string();
        let words = [&[agent.as_str(), "--root", root.as_str()], arguments].concat();
        let mut command = Command::new("/usr/bin/script");
        command.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
        self.output_of(command).stdout
    }

    /// Runs a file beside the node: by itself, as the kernel starts a script, or by another program.
    pub(crate) fn execute(&self, program: Option<&str>, file: &Path) -> CommandOutput {
        let mut command = Command::new(program.map_or(file, Path::new));
        if program.is_some() {
            command.arg(file);
        }
        self.output_of(command)
    }

    fn output_of(&self, mut command: Command) -> CommandOutput {
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(&self.env);
        command.current_dir(self.temp.path().join("desk")).timeout(Duration::from_secs(60));
        CommandOutput::from(command.output().expect("the agent starts"))
    }

    /// All files and folders of node and file store: path, kind, permissions, owner, size, modification time.
    pub(crate) fn listing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        list(self.temp.path(), self.temp.path(), &mut lines);
        lines.sort();
        lines
    }

    /// The changes since an earlier listing, without the folder of reports: every run may write a report.
    pub(crate) fn changes_since(&self, before: &[String]) -> Vec<String> {
        let now = self.listing();
        let added = now.iter().filter(|line| !before.contains(line));
        let gone = before.iter().filter(|line| !now.contains(line));
        let mut changed: Vec<String> = added
            .chain(gone)
            .filter_map(|line| line.split(' ').next())
            .filter(|path| !path.starts_with("node/var/log") && !["node", "node/var"].contains(path))
            .map(str::to_owned)
            .collect();
        changed.sort();
        changed.dedup();
        changed
    }

    /// All files in and beside the node that contain a text.
    pub(crate) fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        search(self.temp.path(), text, &mut found);
        found.sort();
        found.iter().map(|path| path.strip_prefix(self.temp.path()).expect("it is below").to_owned()).collect()
    }

    /// Runs a check with variable parts of the output replaced: folders, digests, times, versions, process ids.
    pub(crate) fn frozen(&self, check: impl FnOnce()) {
        let temp = self.temp.path().display().to_string();
        let mut settings = snapshots();
        settings.add_filter(&regex_of(&format!("{temp}/node")), "[ROOT]");
        settings.add_filter(&regex_of(&format!("{temp}/store")), "[STORE]");
        settings.add_filter(&regex_of(&temp), "[TEMP]");
        settings.add_filter(r"sha256:[0-9a-f]{12,64}", "sha256:[SHA256]");
        settings.add_filter(r#""sha256": "[0-9a-f]{64}""#, r#""sha256": "[SHA256]""#);
        settings.add_filter(r"\d{8}T\d{6}Z-\d+", "[RUN]");
        settings.add_filter(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "[TIME]");
        settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[TIME]");
        settings.add_filter(r"\b\d\d:\d\d:\d\d\b", "[TIME]");
        settings.add_filter(r"\b\d+(\.\d+)? m?s\b", "[DURATION]");
        settings.add_filter(r"\bsha256 [0-9a-f]{64}", "sha256 [SHA256]");
        settings.add_filter(r"nodeagent \d+\.\d+\.\d+", "nodeagent [VERSION]");
        settings.add_filter(r"\b(amd64|arm64)\b|(x86_64|aarch64)", "[ARCH]");
        settings.bind(check);
    }
}

/// The output without progress lines, for snapshots. Columns are normalized, because their width depends on the length
/// of the temporary folder's name.
pub(crate) fn without_progress(text: &str) -> String {
    let is_time = |word: &str| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let kept = text.lines().filter(|line| !line.split(' ').next().is_some_and(is_time));
    let columns =
        |line: &str| line.split("  ").map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
    kept.map(|line| if line.starts_with(' ') { line.to_owned() } else { columns(line) }).collect::<Vec<_>>().join("\n")
}

/// The settings of all snapshots.
pub(crate) fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings
}

/// The project's folder.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the program in a folder without a node.
pub(crate) fn agent_in(folder: &Path, arguments: &[&str]) -> CommandOutput {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("nodeagent"));
    command.env_clear().current_dir(folder).args(["--root", "/nonexistent"]);
    CommandOutput::from(command.args(arguments).timeout(Duration::from_secs(60)).output().expect("the agent starts"))
}

impl CommandOutput {
    /// Asserts the exit status. A failure prints the output.
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).expect("stdout is JSON")
    }

    /// Both streams.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl From<std::process::Output> for CommandOutput {
    fn from(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }
}

/// Writes a file of a test.
#[expect(clippy::disallowed_methods, reason = "a test prepares its files without the code under test")]
pub(crate) fn put(path: &Path, text: &str) {
    fs::write(path, text).expect("the file can be written");
}

/// Copies a program.
#[expect(clippy::disallowed_methods, reason = "a test prepares its files without the code under test")]
fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).expect("it can be copied");
}

fn list(top: &Path, folder: &Path, lines: &mut Vec<String>) {
    for path in entries(folder) {
        let found = fs::symlink_metadata(&path).expect("it is there");
        let name = path.strip_prefix(top).expect("it is below").display();
        lines.push(format!(
            "{name} {:o} {}:{} {} {}.{:09}",
            found.mode(),
            found.uid(),
            found.gid(),
            if found.is_dir() { 0 } else { found.size() },
            found.mtime(),
            found.mtime_nsec()
        ));
        if found.is_dir() {
            list(top, &path, lines);
        }
    }
}

fn search(folder: &Path, text: &str, found: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            search(&path, text, found);
        // The library's search is optimised in debug builds, too.
        } else if String::from_utf8_lossy(&fs::read(&path).expect("readable")).contains(text) {
            found.push(path);
        }
    }
}

/// The entries of a folder, sorted by name.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

fn regex_of(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() || c == '/' { c.to_string() } else { format!("\\{c}") }).collect()
}
