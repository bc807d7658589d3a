//! Nodes that start together: processes of the real binary, each with its own root, with one lock of Debian packages.
//!
//! Downloads are those of any run. Only `apt-get` is a script, which adds its packages to the dpkg status of the node:
//! real package managers would prove nothing more here.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use nodeagent::{
    digest::Digest,
    report::{RUNS, RunFolders},
};
use serde_json::Value;

use crate::{
    origin::{Origin, Pace},
    support::{NodeTest, put},
};

/// Marks each `name_version_arch.deb` among its arguments as installed. The option for the cache of apt shows the root.
const APT_GET: &str = r#"#!/bin/sh
for word; do
    case $word in
        Dir::Cache=*) root=${word#Dir::Cache=} root=${root%%/var/cache/*} ;;
        *.deb)
            file=${word##*/} file=${file%.deb}
            printf 'Package: %s\nStatus: install ok installed\nArchitecture: %s\nVersion: 1\n\n' \
                "${file%%_*}" "${file##*_}" >> "$root/var/lib/dpkg/status"
            ;;
    esac
done
"#;

/// Nodes, the origin of their packages, and their shared store.
pub(crate) struct Cluster {
    pub(crate) origin: Origin,
    nodes: Vec<NodeTest>,
    files: BTreeMap<String, Digest>,
    /// The shared store.
    store: Option<String>,
    variables: Vec<(String, String)>,
    binary: PathBuf,
    desk: tempfile::TempDir,
}

/// The bytes that all nodes together got from each source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Took {
    pub(crate) local: u64,
    pub(crate) shared: u64,
    pub(crate) origin: u64,
}

impl Cluster {
    /// Fresh nodes whose profile has these packages, given by name and size.
    pub(crate) fn new(count: usize, packages: &[(String, usize)], pace: Pace) -> Self {
        let desk = tempfile::tempdir_in("/tmp").expect("a temporary folder");
        let files: BTreeMap<String, Vec<u8>> =
            packages.iter().map(|(name, size)| (format!("{name}_1_{}.deb", arch()), bytes(name, *size))).collect();
        let digests = files.iter().map(|(name, bytes)| (name.clone(), Digest::sha256(bytes))).collect();
        let sizes: BTreeMap<String, usize> = files.iter().map(|(name, bytes)| (name.clone(), bytes.len())).collect();
        let origin = Origin::start(files, pace);
        let shared = desk.path().join("shared");
        fs::create_dir(&shared).expect("it can be made");
        let programs = desk.path().join("bin");
        fs::create_dir(&programs).expect("it can be made");
        for (name, script) in [("apt-get", APT_GET), ("apt-mark", "#!/bin/sh\n")] {
            put(&programs.join(name), script);
            fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        let binary = std::env::var_os("NODEAGENT_BINARY").map(PathBuf::from);
        let binary = binary.unwrap_or_else(|| assert_cmd::cargo::cargo_bin!("nodeagent").to_owned());
        let mut cluster = Self {
            origin,
            nodes: Vec::new(),
            files: digests,
            store: Some(shared.display().to_string()),
            variables: Vec::new(),
            binary,
            desk,
        };
        cluster.nodes = (0..count).map(|_| cluster.fresh_node(&sizes)).collect();
        cluster
    }

    /// The same with another shared store, and the variables to reach it.
    pub(crate) fn sharing(mut self, store: &str, variables: &[(&str, &str)]) -> Self {
        self.store = Some(store.to_owned());
        self.variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self
    }

    /// The same without a shared store.
    pub(crate) fn alone(mut self) -> Self {
        self.store = None;
        self
    }

    fn fresh_node(&self, sizes: &BTreeMap<String, usize>) -> NodeTest {
        let names: Vec<&str> = self.files.keys().map(|file| package(file)).collect();
        let profile = format!("schema = 1\nname = \"x\"\n[apt]\npackages = {names:?}\n");
        let debs = self.files.iter().map(|(file, digest)| {
            format!(
                "[[runtimes.apt]]\nname = \"{}\"\nversion = \"1\"\narch = \"{}\"\nfile = \"{file}\"\nurl = \"{}\"\nsize = \
                 {}\nsha256 = \"{}\"\n",
                package(file),
                arch(),
                self.origin.url(file),
                sizes[file],
                digest.hex(),
            )
        });
        let head = format!(
            "schema = 1\nserial = 1\nprofile = \"x\"\n[[files]]\npath = \"x.toml\"\nsha256 = \"{}\"\n[[runtimes]]\nos = \
             \"debian 12\"\narch = \"{}\"\nasks = {:?}\n",
            Digest::sha256(profile.as_bytes()).hex(),
            arch(),
            names.iter().map(|name| format!("apt {name}")).collect::<Vec<_>>(),
        );
        let lock = std::iter::once(head).chain(debs).collect::<String>();
        NodeTest::new()
            .work("x.toml", &profile)
            .work("x.lock", &lock)
            .debs(&[("bash", "5")])
            .file("etc/nodeagent.toml", "pass-environment = [\"PATH\"]\n")
    }

    /// Starts a run on a node.
    #[expect(clippy::disallowed_methods, reason = "processes run at the same time, and one is killed")]
    pub(crate) fn start(&self, node: usize) -> Child {
        let node = &self.nodes[node];
        let log = fs::File::create(node.beside("stderr")).expect("it can be made");
        Command::new(&self.binary)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.desk.path().join("bin").display()))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(node.beside("desk"))
            .arg("--root")
            .arg(node.root())
            .arg("--filestore")
            .arg(node.beside("store"))
            .args(["run", "--profile", "x.toml", "--locked"])
            .args(self.store.iter().flat_map(|store| ["--store", store]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the agent starts")
    }

    /// Starts these nodes at the same time and waits until all are ready. Panics on a warning.
    pub(crate) fn run(&self, nodes: std::ops::Range<usize>) -> Took {
        let started: Vec<(usize, Child)> = nodes.map(|node| (node, self.start(node))).collect();
        let took = started.into_iter().map(|(node, child)| self.ready(node, child));
        took.fold(Took::default(), |sum, one| Took {
            local: sum.local + one.local,
            shared: sum.shared + one.shared,
            origin: sum.origin + one.origin,
        })
    }

    /// The standard error of a node.
    pub(crate) fn stderr(&self, node: usize) -> String {
        fs::read_to_string(self.nodes[node].beside("stderr")).expect("it was written")
    }

    /// Waits for a node and asserts that every package is installed, without a warning.
    pub(crate) fn ready(&self, node: usize, mut child: Child) -> Took {
        let ended = child.wait().expect("it is our child");
        let (stderr, node) = (self.stderr(node), &self.nodes[node]);
        assert!(ended.success() && !stderr.contains("warning: "), "{ended}\n{stderr}");
        let status = node.read("var/lib/dpkg/status");
        for file in self.files.keys() {
            assert!(status.contains(&format!("Package: {}\n", package(file))), "{file} is not installed");
        }
        let run = RunFolders::of_node(&node.root()).names().pop().expect("a run");
        let report = node.read(&format!("{RUNS}/{run}/report.json"));
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let bytes = |from: &str| report["store"][from]["bytes"].as_u64().unwrap_or_else(|| panic!("{report:#}"));
        Took { local: bytes("local"), shared: bytes("shared"), origin: bytes("origin") }
    }

    /// The folder of the shared store.
    pub(crate) fn shared(&self) -> PathBuf {
        self.desk.path().join("shared")
    }
}

/// Random bytes that are the same for the same name.
fn bytes(name: &str, size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(name.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte)));
    let mut bytes = vec![0; size];
    random.fill(&mut bytes);
    bytes
}

fn package(file: &str) -> &str {
    file.split('_').next().expect("a file has a name")
}

fn arch() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// Packages with typical sizes: most are small, and a few have most of the bytes.
pub(crate) fn typical_packages(count: usize, largest: usize) -> Vec<(String, usize)> {
    let mut random = fastrand::Rng::with_seed(4);
    let size = |index: usize, random: &mut fastrand::Rng| match index % 20 {
        0..8 => random.usize(5_000..60_000),
        8..15 => random.usize(70_000..400_000),
        15..19 => random.usize(400_000..1_500_000),
        _ => random.usize(largest / 2..=largest),
    };
    (0..count).map(|index| (format!("package-{index:03}"), size(index, &mut random))).collect()
}
