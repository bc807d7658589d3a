//! Runs that are killed at random instants, on a fake node: files, variables, settings, jars, cron entries. The next
//! run completes the node, and a profile without the entries restores it. Clones, installers and hooks are completed,
//! too. Packages are in `tests/container/kills.rs`, accounts in `tests/container/accounts.rs`.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Instant};

use crate::{
    archives::{archive, write},
    git,
    support::{MARKER, NodeTest},
};

const PROFILE: &str = r#"
[secrets]
source = "env"
scope = "family"

[files]
"/opt/tool/" = { from = "tool.tgz", unpack = { strip = 1 } }
"/usr/bin/tool" = { from = "tool.tgz", unpack = { pick = "*/bin/tool" }, mode = "0755" }
"/etc/all/" = { from = "conf/", template = true }
"/etc/replaced" = { text = "new" }
"/etc/secret" = { text = "token=${secret.token}" }
"/opt/link" = { link = "tool/bin/tool" }
"/opt/folder/" = { dir = true, mode = "0700" }
"/opt/old1" = { absent = true }

[files."/etc/mysql.cnf"]
set = { mysqld = { bind-address = "0.0.0.0", new = 1 } }
block = { text = "key=1", name = "firm", below = '^\[client\]' }

[env.variables]
EDITOR = { value = "vim", to = ["login", "system"] }
LOG_KEY = { secret = "token", to = ["spark"] }

[spark-conf]
to = ["driver"]
settings = { "spark.plugins" = "com.firm.Metrics" }

[jar]
files = [{ path = "a-1.0.jar", replaces = "*--a_2.12--*.jar" }]

[cron.logs]
schedule = "@daily"
command = ["/usr/bin/true"]
"#;
/// The instants of a test. A hundred with `NODEAGENT_INSTANTS=100`.
const INSTANTS: u32 = 10;

fn node(profile: &str) -> NodeTest {
    let node = NodeTest::new()
        .profile(profile)
        .var("FAMILY_TOKEN", MARKER)
        .var("DATABRICKS_RUNTIME_VERSION", "15.4")
        .work("conf/a.conf", "unit=${profile.name}\n")
        .work("conf/inner/b.conf", "b")
        .work("a-1.0.jar", "PK a")
        .file("usr/bin/tool", "of the image")
        .file("usr/sbin/cron", "")
        .file("etc/replaced", "old")
        .file("etc/environment", "LANG=C\n")
        .file("etc/mysql.cnf", "[client]\nport=1\n\n[mysqld]\nbind-address=127.0.0.1\n")
        .file("run/.keep", "")
        .file("etc/cron.d/.placeholder", "")
        .file("etc/profile.d/.keep", "")
        .file("opt/old1", "1")
        .file("databricks/spark/conf/spark-env.sh", "export A=1\n")
        .file("databricks/driver/conf/.keep", "")
        .file("databricks/jars/----x--a_2.12--0.9.jar", "PK shipped");
    let large = "x".repeat(200_000);
    archive(
        &node,
        "tool.tgz",
        &[("tool-1/bin/tool", "one"), ("tool-1/bin/t->", "tool"), ("tool-1/large", &large), ("tool-1/a/b/c", "deep")],
    );
    node
}

/// Path, permissions and content of all files and of folders with a mode of their own, without the agent's own. Folders
/// that a run makes for its files stay.
pub(crate) fn state(node: &NodeTest) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let own = ["var/log/nodeagent", "var/lib/nodeagent", "var/cache/nodeagent", "run/nodeagent", "proc"];
    let (mut state, mut open) = (BTreeMap::new(), vec![node.root()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let (path, found) = (entry.path(), entry.metadata().expect("there"));
            let name = path.strip_prefix(node.root()).expect("below").to_owned();
            if found.is_dir() && !own.iter().any(|own| name.starts_with(own)) {
                open.push(path.clone());
            }
            let content = if found.is_symlink() {
                fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
            } else if found.is_file() {
                fs::read(&path).expect("readable")
            } else if found.permissions().mode() & 0o777 == 0o755 {
                continue;
            } else {
                Vec::new()
            };
            state.insert(name, (found.permissions().mode(), content));
        }
    }
    state.retain(|name, _| !own.iter().any(|own| name.starts_with(own)));
    state
}

fn run(node: &NodeTest) -> String {
    node.agent(&["run", "--profile", "x.toml"]).ended(0).all()
}

/// Kills a run after a fraction of the seconds that a run takes.
fn kill(node: &NodeTest, seconds: f64) {
    node.agent_killed_after(seconds, &["run", "--profile", "x.toml"]);
}

fn instants() -> u32 {
    std::env::var("NODEAGENT_INSTANTS").map_or(INSTANTS, |number| number.parse().expect("a number"))
}

#[test]
fn a_run_killed_at_any_instant_is_completed_and_taken_back() {
    let first = node(PROFILE);
    let before = state(&first);
    let began = Instant::now();
    run(&first);
    let seconds = began.elapsed().as_secs_f64();
    let wanted = state(&first);
    assert!(wanted.len() > before.len() + 10);

    for fraction in (0..instants()).map(|index| (f64::from(index) + fastrand::f64()) / f64::from(instants())) {
        let node = node(PROFILE);
        kill(&node, seconds * fraction);
        let said = run(&node);
        assert_eq!(differences(&wanted, &state(&node)), [""; 0], "killed after {fraction} of {seconds} s; {said}");
        let said = run(&node);
        assert!(said.contains("nothing to do"), "{said}");

        // The profile without the entries restores the node, also after a kill.
        let node = node.profile("");
        kill(&node, seconds * fraction);
        let said = run(&node);
        assert!(!said.contains("so it stays"), "{said}");
        assert_eq!(differences(&before, &state(&node)), [""; 0], "taken back after {fraction} of {seconds} s; {said}");
        assert!(node.files_with(MARKER).is_empty(), "no copy of the secret is left");
    }
}

/// The paths that differ.
pub(crate) fn differences(
    wanted: &BTreeMap<PathBuf, (u32, Vec<u8>)>,
    found: &BTreeMap<PathBuf, (u32, Vec<u8>)>,
) -> Vec<String> {
    let paths = wanted.keys().chain(found.keys()).filter(|path| wanted.get(*path) != found.get(*path));
    let mut paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    paths.sort();
    paths.dedup();
    paths
}

#[test]
fn an_archive_is_unpacked_completely_after_a_kill_during_an_exchange() {
    let node = node("[files]\n\"/opt/tool/\" = { from = \"tool.tgz\", unpack = { strip = 1 } }\n");
    run(&node);
    let bytes = fs::read(node.beside("desk/tool.tgz")).expect("there");
    let began = Instant::now();
    let mut seconds = None;
    for fraction in (0..instants()).map(|index| (f64::from(index) + fastrand::f64()) / f64::from(instants())) {
        archive(&node, "tool.tgz", &[("tool-2/bin/tool", "two"), ("tool-2/a/b", &"y".repeat(100_000))]);
        kill(&node, seconds.unwrap_or(0.05) * fraction);
        run(&node);
        seconds.get_or_insert_with(|| began.elapsed().as_secs_f64());
        let names: Vec<PathBuf> = state(&node).into_keys().filter(|path| path.starts_with("opt/tool")).collect();
        let wanted = ["opt/tool/a/b", "opt/tool/bin/tool"];
        assert_eq!(names, wanted.map(PathBuf::from), "only the files of the second archive are there");
        write(&node.beside("desk/tool.tgz"), &bytes);
        run(&node);
    }
}

/// Programs that write files one after another.
const PROGRAMS: &str = r#"
[git."/opt/models"]
url = "ORIGIN"
commit = "COMMIT"
[git."/opt/tagged"]
url = "ORIGIN"
tag = "v1"

[installers.tool]
from = "install.sh"
args = ["ROOT/opt/tool"]
creates = "/opt/tool/bin/tool"
[installers.steps]
after = ["installers.tool", "git"]
command = [["/bin/mkdir", "-p", "ROOT/opt/steps"], ["/bin/cp", "-r", "ROOT/opt/models/a", "ROOT/opt/tool/lib", "ROOT/opt/steps"]]
unless = ["/usr/bin/diff", "-r", "ROOT/opt/tool/lib", "ROOT/opt/steps/lib"]

[secrets]
source = "env"
scope = "family"
[files]
"/etc/watched" = { text = "one" }
[hooks.once]
text = "wc -c < $TOKEN_FILE > ROOT/etc/length; for i in $(seq 20); do echo $i; done > ROOT/etc/once"
secrets = { TOKEN_FILE = "token" }
[hooks.watching]
command = ["/bin/cp", "ROOT/etc/watched", "ROOT/etc/copied"]
watch = ["/etc/watched"]
"#;

/// The last file of the tool proves that it is installed.
const INSTALL: &str = "#!/bin/sh -eu\nmkdir -p \"$1/bin\" \"$1/lib\"\nfor i in $(seq 20); do echo $i > \"$1/lib/$i\"; done\n\
                       echo tool > \"$1/bin/tool\"\n";

#[test]
fn programs_of_a_run_killed_at_any_instant_are_completed() {
    let origins = tempfile::tempdir().expect("a temporary folder");
    let commits = git::commits(origins.path(), &["one", "two"]);
    git::git(origins.path(), &["tag", "v1", &commits[1]]);
    let profile = |node: &NodeTest, commit: &str| {
        let root = node.root().display().to_string();
        let url = format!("file://{}", origins.path().display());
        PROGRAMS.replace("ROOT", &root).replace("ORIGIN", &url).replace("COMMIT", commit)
    };
    let node = |commit: &str| {
        let node = NodeTest::new()
            .file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
            .debs(&[("bash", "5.2")])
            .file("run/.keep", "")
            .file("opt/.keep", "")
            .var("FAMILY_TOKEN", MARKER)
            .work("install.sh", INSTALL);
        let profile = profile(&node, commit);
        node.profile(&profile)
    };
    // The index of a clone has times.
    let state = |node: &NodeTest| {
        let is_inner = |path: &PathBuf| path.components().any(|part| part.as_os_str() == ".git");
        let mut state = state(node);
        state.retain(|path, _| !is_inner(path) || path.ends_with(".git/HEAD"));
        state
    };
    let undisturbed = |commit: &str| {
        let node = node(commit);
        let began = Instant::now();
        run(&node);
        (state(&node), began.elapsed().as_secs_f64())
    };
    let (wanted, seconds) = undisturbed(&commits[0]);
    let (updated, _) = undisturbed(&commits[1]);
    for path in
        ["opt/models/a", "opt/tagged/.git/HEAD", "opt/tool/bin/tool", "opt/steps/lib/20", "etc/once", "etc/copied"]
    {
        assert!(wanted.contains_key(std::path::Path::new(path)), "{path}");
    }
    for fraction in (0..instants()).map(|index| (f64::from(index) + fastrand::f64()) / f64::from(instants())) {
        let node = node(&commits[0]);
        kill(&node, seconds * fraction);
        let said = run(&node);
        assert_eq!(differences(&wanted, &state(&node)), [""; 0], "killed after {fraction} of {seconds} s; {said}");
        let said = run(&node);
        assert!(said.contains("nothing to do"), "{said}");

        // Another commit replaces the clone.
        let profile = profile(&node, &commits[1]);
        let node = node.profile(&profile);
        kill(&node, seconds * fraction / 2.0);
        let said = run(&node);
        // The installer has copied a file of the first commit.
        let mut found = state(&node);
        found.insert("opt/steps/a".into(), updated[std::path::Path::new("opt/steps/a")].clone());
        assert_eq!(differences(&updated, &found), [""; 0], "updated after {fraction} of {seconds} s; {said}");
        let said = run(&node);
        assert!(said.contains("nothing to do"), "{said}");
        assert!(node.files_with(MARKER).is_empty(), "no copy of the secret is left");
    }
}
