//! The environment of the canary: a node, its tools, its sources of secrets, and the counts of the search.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use flate2::{Compression, write::GzEncoder};
use nodeagent::{
    digest::Digest,
    fs::{Attributes, replace},
    redact::REDACTED,
};
use serde_json::json;

use super::{
    secret_search::SecretSearch,
    watch::{self, Seen},
};
use crate::{
    server::client,
    support::{NodeTest, entries},
    workspace::Workspace,
};

pub(super) const TOOLS: [&str; 12] = [
    "apt-get",
    "apt-cache",
    "apt-config",
    "dpkg",
    "dpkg-deb",
    "debconf-set-selections",
    "uv",
    "pip",
    "R",
    "Rscript",
    "git",
    "gpg",
];

/// Values with a name each. They contain characters that encodings write differently, line breaks, and bytes that are
/// not text.
pub(super) fn markers() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("variable", "c4n4ry-variable \"q\" it's p&ss/1%+\\é~end".as_bytes().to_vec()),
        ("plain", b"c4n4ry:plain@0123456789".to_vec()),
        ("of the workspace", b"c4n4ry0f\"w0rksp4ce\"&m0re/1%".to_vec()),
        ("blocked", b"c4n4ry-of-a-step-that-fails".to_vec()),
        ("workspace token", b"dapi-c4n4ry-0123456789abcdef".to_vec()),
        ("account key", b"c4n4ry/AwsSecret+Key/0123456789abcdefghij".to_vec()),
        ("guessed by its name", b"c4n4ry-of-somebody-else".to_vec()),
        ("file", b"-----BEGIN C4N4RY KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nshort\n-----END C4N4RY KEY-----\n".to_vec()),
        ("bytes", b"c4n4ry\x00\xff\xfe\x80 bytes \n that are no text".to_vec()),
    ]
}

/// The files for the secrets of the profiles.
pub(super) const DELIVERED: [&str; 10] = [
    "run/nodeagent/secrets/token",
    "run/nodeagent/secrets/of-a-cloud",
    "run/nodeagent/secrets/analytics",
    "run/nodeagent/secrets/key",
    "run/nodeagent/secrets/bytes",
    "run/nodeagent/secrets/family/family.env",
    "run/nodeagent/secrets/family/family.ini",
    "root/.pgpass",
    "root/.netrc",
    "root/.git-credentials",
];

/// A node, its tools, and the environment of the agent.
pub(super) struct Scene {
    pub(super) node: NodeTest,
    pub(super) values: SecretSearch,
    /// Whether the secrets may be in their files.
    pub(super) delivered: bool,
    pub(super) counted: Counted,
    /// The search path of programs.
    pub(super) path: String,
    /// Folders of the test that may contain values: the sources, and the files for the tools.
    pub(super) own: Vec<&'static str>,
    /// Files that have not changed since this time are not searched: the test wrote them before.
    since: SystemTime,
    /// The digests of everything that was searched and had no leak.
    clean: HashSet<Digest>,
    workspace: Option<Workspace>,
}

/// The counts of the search.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) commands: usize,
    pub(super) outputs: usize,
    pub(super) files: usize,
    pub(super) processes: usize,
    pub(super) command_lines: usize,
    pub(super) environments: usize,
    pub(super) bytes: usize,
    pub(super) leaks: Vec<String>,
}

impl Scene {
    /// A search on the node of a test.
    pub(super) fn of(node: NodeTest, values: &[(&'static str, Vec<u8>)]) -> Self {
        let (values, counted, own) = (SecretSearch::new(values), Counted::default(), vec!["tools/", "values/"]);
        let (path, since) = ("/usr/bin:/bin".into(), SystemTime::UNIX_EPOCH);
        Self { node, values, delivered: true, counted, path, own, since, clean: HashSet::new(), workspace: None }
    }

    /// A node with a workspace and tools, and a marker for each kind of value.
    pub(super) fn new() -> Self {
        let mut scene = Self::with_tools(&markers());
        let path = scene.node.beside("values/state.json");
        write(&path, state_with_markers().as_bytes());
        scene.workspace = Some(Workspace::of(&path));
        scene
    }

    /// A node with tools that print everything that they can read.
    pub(super) fn with_tools(values: &[(&'static str, Vec<u8>)]) -> Self {
        let node = NodeTest::new()
            .debs(&[("base-files", "12")])
            .python(&[])
            .r(&[])
            // A folder has the path of the second secret, so that this step fails.
            .file("run/blocked/x", "")
            .file("etc/nodeagent.toml", "pass-environment = [\"PATH\"]\n");
        let mut scene = Self::of(node, values);
        scene.path = format!("{}:/usr/bin:/bin", scene.node.beside("tools").display());
        for (name, value) in values {
            write(&scene.node.beside(&format!("values/family/{}", name.replace(' ', "-"))), value);
        }
        scene.fails("");
        let tool = include_str!("tool.sh");
        let tool = tool.replace("@HERE@", &scene.node.beside("tools").display().to_string());
        let tool = tool.replace("@ROOT@", &scene.node.root().display().to_string());
        let of_node = ["usr/bin/R", "databricks/python/bin/python3.11"].map(|path| scene.node.root().join(path));
        for path in TOOLS.map(|name| scene.node.beside("tools").join(name)).into_iter().chain(of_node) {
            write(&path, tool.as_bytes());
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        write(&scene.node.beside("desk/probe_1.0.tar.gz"), &r_package());
        scene
    }

    /// Gives these values to the tools, in every encoding of Python's libraries.
    pub(super) fn tools_find(&self, names: &[&str]) {
        let file = |name: &&str| self.node.beside(&format!("values/family/{}", name.replace(' ', "-")));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clouds/canary/spoken.py");
        let output = client("python").arg(script).args(names.iter().map(file)).output().expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!self.values.find(&output.stdout).is_empty());
        write(&self.node.beside("tools/spoken"), &output.stdout);
    }

    /// Makes the tool of this name fail.
    pub(super) fn fails(&self, tool: &str) {
        write(&self.node.beside("tools/fails"), tool.as_bytes());
    }

    /// Removes everything that a run has installed.
    pub(super) fn undo(&self) {
        for path in [
            "databricks/python/lib/python3.11/site-packages/probe-1.0.dist-info",
            "databricks/spark/R/lib/probe",
            // A build in the store would not be repeated.
            "var/cache/nodeagent/store",
        ] {
            nodeagent::fs::remove_tree(&self.node.root().join(path)).expect("it is ours");
        }
        let status = b"Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12\n\n";
        write(&self.node.root().join("var/lib/dpkg/status"), status);
        for path in DELIVERED.into_iter().chain(["root/.bashrc"]) {
            nodeagent::fs::remove(&self.node.root().join(path)).expect("it is ours");
        }
    }

    /// Runs the agent and searches its output and its processes.
    pub(super) fn agent(&mut self, arguments: &[&str]) -> Seen {
        let mut variables = vec![
            ("DATABRICKS_HOST", self.workspace.as_ref().expect("this scene has one").url()),
            ("DATABRICKS_TOKEN", value("workspace token")),
            ("AWS_SECRET_ACCESS_KEY", value("account key")),
            ("OTHER_PASSWORD", value("guessed by its name")),
        ];
        // The agent hides only the variables of its profile from children.
        if !arguments.iter().any(|name| name.starts_with(['y', 'z']) || name.starts_with("without")) {
            let of_profile = [("FAMILY_TOKEN", "variable"), ("FAMILY_BLOCKED", "blocked"), ("FAMILY_PLAIN", "plain")];
            variables.extend(of_profile.map(|(name, marker)| (name, value(marker))));
        }
        let store = self.node.beside("store").display().to_string();
        self.call(&store, &variables, arguments)
    }

    /// Runs the agent with a file store and these variables, and searches its output and its processes.
    pub(super) fn call(&mut self, store: &str, variables: &[(&str, String)], arguments: &[&str]) -> Seen {
        let seen = watch::run(self.command(store, variables, arguments));
        self.search_output(&format!("{arguments:?}"), &seen);
        seen
    }

    /// The same for `secrets get`, which may print the value to standard output.
    pub(super) fn gets(&mut self, store: &str, variables: &[(&str, String)], arguments: &[&str]) -> Vec<u8> {
        let mut seen = watch::run(self.command(store, variables, arguments));
        let value = std::mem::take(&mut seen.stdout);
        self.search_output(&format!("{arguments:?}"), &seen);
        value
    }

    fn command(&self, store: &str, variables: &[(&str, String)], arguments: &[&str]) -> Command {
        let mut command = program(assert_cmd::cargo::cargo_bin!("nodeagent"));
        command.arg("--root").arg(self.node.root()).args(["--filestore", store, "-vvv"]).args(arguments);
        command.current_dir(self.node.beside("desk")).env_clear();
        command.env("PATH", &self.path).env("RUST_BACKTRACE", "1");
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Prints the counts of the search, and panics if it found a value.
    #[expect(clippy::print_stderr, reason = "the numbers show how much was searched")]
    pub(super) fn ended_clean(&self, name: &str) {
        let redacted = in_logs(&self.node, REDACTED);
        let Counted { commands, outputs, files, processes, command_lines, environments, bytes, leaks } = &self.counted;
        eprintln!(
            "canary of {name}: {commands} commands, {outputs} outputs, {files} files, {processes} processes \
             ({command_lines} command lines, {environments} environments), {bytes} bytes searched; {redacted} values \
             taken out of logs; {} leaks",
            leaks.len()
        );
        assert!(leaks.is_empty(), "{}", leaks.join("\n\n"));
    }

    pub(super) fn search_output(&mut self, what: &str, seen: &Seen) {
        self.counted.commands += 1;
        self.counted.processes += seen.processes.len();
        for (source, bytes) in [("stdout", &seen.stdout), ("stderr", &seen.stderr)] {
            self.counted.outputs += 1;
            self.look(&format!("{source} of {what}"), bytes);
        }
        for arguments in &seen.arguments {
            self.counted.command_lines += 1;
            self.look(&format!("a command line of {what}"), arguments);
        }
        for environment in &seen.environments {
            self.counted.environments += 1;
            // This variable belongs to the node, so children may have it; only output is redacted.
            let environment = without_variable(environment, b"OTHER_PASSWORD=");
            self.look(&format!("an environment of {what}"), &environment);
        }
    }

    pub(super) fn look(&mut self, source: &str, bytes: &[u8]) {
        self.counted.bytes += bytes.len();
        // Most files and environments are the same after every command.
        let digest = Digest::sha256(bytes);
        if self.clean.contains(&digest) {
            return;
        }
        let leaks = self.values.find(bytes);
        for found in &leaks {
            let at = String::from_utf8_lossy(bytes);
            self.counted.leaks.push(format!("{found} in {source}: {}", at.chars().take(2000).collect::<String>()));
        }
        if leaks.is_empty() {
            self.clean.insert(digest);
        }
    }

    /// Excludes all present files from the search.
    pub(super) fn begins_now(&mut self) {
        self.since = SystemTime::now();
    }

    /// Searches every file and every name of a file.
    pub(super) fn search_files(&mut self) {
        let top = self.node.beside("");
        let since = self.since.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs().cast_signed();
        let mut files = Vec::new();
        collect(&top, &mut files);
        for path in files {
            let name = path.strip_prefix(&top).expect("it is below").display().to_string();
            let ours = self.own.iter().any(|folder| name.starts_with(folder));
            let asked_for = DELIVERED.iter().any(|path| name.strip_prefix("node/") == Some(path));
            // The time of change, because an archive sets the modification time.
            let changed = fs::metadata(&path).expect("it is there").ctime();
            let was_there = since > changed;
            if ours || was_there || asked_for && self.delivered {
                continue;
            }
            self.counted.files += 1;
            self.look(&format!("the name of {name}"), name.as_bytes());
            self.look(&name, &fs::read(&path).expect("readable"));
        }
    }
}

pub(super) fn value(name: &str) -> String {
    let of = markers().into_iter().find(|(known, _)| *known == name);
    String::from_utf8(of.expect("it is a marker").1).expect("it is text")
}

/// The workspace of the law firms, with markers as a token and as a secret.
pub(super) fn state_with_markers() -> String {
    let text = include_str!("../../workspace/default_state.json");
    let text = text.replace("\"token-of-family\"", &json!(value("workspace token")).to_string());
    let text = text.replace("\"family: read only\"", &json!(value("of the workspace")).to_string());
    assert_eq!(text.matches("c4n4ry").count(), 2);
    text
}

/// All files below a folder, without links.
pub(super) fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() && !path.is_symlink() {
            collect(&path, files);
        } else if path.is_file() {
            files.push(path);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test starts the program under test")]
pub(super) fn program(path: impl AsRef<OsStr>) -> Command {
    Command::new(path)
}

pub(super) fn write(path: &Path, bytes: &[u8]) {
    replace(path, bytes, Attributes::default()).expect("the file can be written");
}

pub(super) fn without_variable(environment: &[u8], name: &[u8]) -> Vec<u8> {
    let others = environment.split(|&byte| byte == 0).filter(|variable| !variable.starts_with(name));
    others.collect::<Vec<_>>().join(&0)
}

/// The source of an R package, as `R CMD build` packs it.
pub(super) fn r_package() -> Vec<u8> {
    let description = b"Package: probe\nVersion: 1.0\nNeedsCompilation: no\n";
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(description.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append_data(&mut header, "probe/DESCRIPTION", &description[..]).expect("packed");
    archive.into_inner().and_then(GzEncoder::finish).expect("packed")
}

/// The number of times that a text is in the logs of programs.
pub(super) fn in_logs(node: &NodeTest, text: &str) -> usize {
    let mut files = Vec::new();
    collect(&node.root().join("var/log/nodeagent"), &mut files);
    let logs = files.iter().filter(|path| path.parent().is_some_and(|folder| folder.ends_with("logs")));
    logs.map(|path| String::from_utf8_lossy(&fs::read(path).expect("readable")).matches(text).count()).sum()
}
