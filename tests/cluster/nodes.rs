//! Nodes that start together: processes of the real binary, each with a root of its own, by one lock of Debian packages.
//!
//! What they fetch, they fetch as any run does. Only the end is a stand-in: `apt-get` is a script that notes in the
//! node's dpkg status what it was given: sixteen package managers on one machine would show nothing more.

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

/// Takes each `name_version_arch.deb` that it is given as installed. The node is where apt's cache is said to be.
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

/// Nodes, the origin of their packages, and the place they share.
pub(crate) struct Cluster {
    pub(crate) origin: Origin,
    nodes: Vec<NodeTest>,
    files: BTreeMap<String, Digest>,
    /// Where that is, if anywhere.
    place: Option<String>,
    variables: Vec<(String, String)>,
    binary: PathBuf,
    desk: tempfile::TempDir,
}

/// What all nodes together took from where, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Took {
    pub(crate) local: u64,
    pub(crate) shared: u64,
    pub(crate) origin: u64,
}

impl Cluster {
    /// So many fresh nodes, which want these files: names of packages and sizes.
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
            place: Some(shared.display().to_string()),
            variables: Vec::new(),
            binary,
            desk,
        };
        cluster.nodes = (0..count).map(|_| cluster.fresh_node(&sizes)).collect();
        cluster
    }

    /// The same with another place to share, and what it takes to get there.
    pub(crate) fn sharing(mut self, place: &str, variables: &[(&str, &str)]) -> Self {
        self.place = Some(place.to_owned());
        self.variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self
    }

    /// The same with nothing to share.
    pub(crate) fn alone(mut self) -> Self {
        self.place = None;
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
        NodeTest::new().work("x.toml", &profile).work("x.lock", &lock).debs(&[("bash", "5")])
    }

    /// Starts a node. It ends by itself.
    #[expect(clippy::disallowed_methods, reason = "processes that run at the same time, and one that is killed")]
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
            .args(self.place.iter().flat_map(|place| ["--store", place]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the agent starts")
    }

    /// Starts these nodes at the same time and waits until all are ready, without a warning.
    pub(crate) fn run(&self, nodes: std::ops::Range<usize>) -> Took {
        let started: Vec<(usize, Child)> = nodes.map(|node| (node, self.start(node))).collect();
        let took = started.into_iter().map(|(node, child)| self.ready(node, child));
        took.fold(Took::default(), |sum, one| Took {
            local: sum.local + one.local,
            shared: sum.shared + one.shared,
            origin: sum.origin + one.origin,
        })
    }

    /// What a node that has ended said.
    pub(crate) fn said(&self, node: usize) -> String {
        fs::read_to_string(self.nodes[node].beside("stderr")).expect("it was written")
    }

    /// Waits for a node, and looks that it is ready and holds what it should.
    pub(crate) fn ready(&self, node: usize, mut child: Child) -> Took {
        let ended = child.wait().expect("it is our child");
        let (said, node) = (self.said(node), &self.nodes[node]);
        assert!(ended.success() && !said.contains("warning: "), "{ended}\n{said}");
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

    /// The folder that nodes share.
    pub(crate) fn shared(&self) -> PathBuf {
        self.desk.path().join("shared")
    }
}

/// Bytes that differ from file to file.
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

/// Packages like those of a profile: most are small, a few hold most of the bytes. Sizes are spread over four orders.
pub(crate) fn like_a_profile(count: usize, largest: usize) -> Vec<(String, usize)> {
    let mut random = fastrand::Rng::with_seed(4);
    let size = |index: usize, random: &mut fastrand::Rng| match index % 20 {
        0..8 => random.usize(5_000..60_000),
        8..15 => random.usize(70_000..400_000),
        15..19 => random.usize(400_000..1_500_000),
        _ => random.usize(largest / 2..=largest),
    };
    (0..count).map(|index| (format!("package-{index:03}"), size(index, &mut random))).collect()
}
