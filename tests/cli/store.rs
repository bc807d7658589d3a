//! The `store` commands with folders as stores: output, kills, full disks and read-only folders.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::Instant,
};

use nodeagent::digest::Digest;

use crate::support::{CommandOutput, NodeTest, put};

const LOCAL: &str = "var/cache/nodeagent/store";

/// A node with these objects in its local store.
fn node_with(objects: &[&[u8]]) -> NodeTest {
    let node = NodeTest::new();
    for bytes in objects {
        let path = node.root().join(LOCAL).join(object(bytes));
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        write(&path, bytes);
    }
    node
}

fn object(bytes: &[u8]) -> String {
    let hex = Digest::sha256(bytes).hex().to_owned();
    format!("v1/objects/{}/{hex}", &hex[..2])
}

#[expect(clippy::disallowed_methods, reason = "a test prepares its files without the code under test")]
fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("the file can be written");
}

/// An empty folder as the shared store.
fn shared(node: &NodeTest) -> PathBuf {
    let folder = node.beside("shared");
    fs::create_dir(&folder).expect("it can be made");
    folder
}

fn store(node: &NodeTest, shared: &Path, arguments: &[&str]) -> CommandOutput {
    let shared_store = shared.to_str().expect("UTF-8");
    node.agent_without_store(&[&["store"], arguments, &["--store", shared_store]].concat())
}

#[test]
fn one_node_pushes_and_another_pulls() {
    let (one, two) = (node_with(&[b"hello", b"world and all"]), NodeTest::new());
    let shared_store = shared(&one);
    let output = store(&one, &shared_store, &["push"]).ended(0);
    assert_eq!(output.stdout, "published: 2 objects (18 B), 0 entries\n");
    assert_eq!(store(&one, &shared_store, &["push"]).ended(0).stdout, "published: 0 objects (0 B), 0 entries\n");
    assert_eq!(store(&two, &shared_store, &["pull"]).ended(0).stdout, "copied: 2 objects (18 B), 0 entries\n");
    assert_eq!(two.read(&format!("{LOCAL}/{}", object(b"hello"))), "hello");
    let output = store(&two, &shared_store, &["stat"]).ended(0);
    one.frozen(|| two.frozen(|| insta::assert_snapshot!("stat", output.stdout)));
    let value = store(&two, &shared_store, &["stat", "--json"]).ended(0).json();
    assert_eq!(value["shared"]["objects"], serde_json::json!({ "objects": 2, "bytes": 18 }));
    let output = store(&two, &shared_store, &["gc", "--limit", "13 B"]).ended(0);
    assert!(output.stdout.starts_with("removed: 1 object ("), "{}", output.stdout);
}

#[test]
fn damaged_objects_are_reported_and_removed() {
    let node = node_with(&[b"hello", b"world"]);
    let shared_store = shared(&node);
    store(&node, &shared_store, &["push"]).ended(0);
    assert_eq!(store(&node, &shared_store, &["verify"]).ended(0).stdout, "2 objects (10 B) match their digests\n");
    for (root, options) in [(node.root().join(LOCAL), &["verify"][..]), (shared_store.clone(), &["verify", "--shared"])]
    {
        write(&root.join(object(b"hello")), b"hellp");
        put(&root.join("v1/objects/README"), "not ours");
        let output = store(&node, &shared_store, options).ended(1);
        node.frozen(|| insta::assert_snapshot!("damaged", output.stdout));
        assert!(!root.join(object(b"hello")).exists());
        store(&node, &shared_store, options).ended(0);
    }
}

#[test]
fn push_without_a_shared_store_is_refused() {
    let node = NodeTest::new();
    let output = node.agent_without_store(&["store", "push"]).ended(2);
    insta::assert_snapshot!(output.stderr);
}

#[test]
fn invalid_store_addresses_and_sizes_are_refused() {
    let node = NodeTest::new();
    let output = node.agent_without_store(&["store", "stat", "--store", "https://example.org/store"]).ended(2);
    insta::assert_snapshot!("no_location", output.stderr);
    let node = node.file("etc/nodeagent.toml", "store = \"/mnt/x\"\nstore-limit = \"much\"\n");
    let output = node.agent_without_store(&["store", "stat"]).ended(2);
    node.frozen(|| insta::assert_snapshot!("no_size", output.stderr));
}

#[test]
fn a_missing_shared_store_is_one_warning() {
    let node = node_with(&[b"hello"]);
    let output = store(&node, Path::new("/nonexistent/store"), &["push"]).ended(1);
    insta::assert_snapshot!(output.stderr);
}

#[test]
fn a_missing_folder_is_created_if_its_parent_exists() {
    let node = node_with(&[b"hello"]);
    let missing = node.beside("missing");
    let output = store(&node, &missing, &["push"]).ended(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("published: 1 object (5 B), 0 entries\n", ""));
    assert!(missing.join(object(b"hello")).is_file());
    store(&node, &node.beside("absent/store"), &["push"]).ended(1);
    assert!(!node.beside("absent").exists());
}

#[test]
fn a_ready_node_does_not_open_the_store() {
    let node = NodeTest::new().debs(&[("jq", "1.6-2.1")]).profile("[apt]\npackages = [\"jq\"]\n");
    let before = node.listing();
    let output = node.agent(&["run", "--profile", "./x.toml", "--store", "/nonexistent/store"]).ended(0);
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
    assert_eq!(node.changes_since(&before), Vec::<String>::new());
}

#[test]
fn the_nodes_file_can_set_the_shared_store() {
    let node = node_with(&[b"hello"]);
    let shared_store = shared(&node);
    let node = node.file("etc/nodeagent.toml", &format!("store = \"{}\"\n", shared_store.display()));
    node.agent_without_store(&["store", "push"]).ended(0);
    assert!(shared_store.join(object(b"hello")).is_file());
}

/// A push that is killed at any time leaves a valid store, and the next push completes it.
#[test]
fn a_killed_push_leaves_a_valid_store() {
    let objects: Vec<Vec<u8>> = (0..24).map(|index: u8| vec![index; 3 << 20]).collect();
    let node = node_with(&objects.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let shared_store = shared(&node);
    let began = Instant::now();
    store(&node, &shared_store, &["push"]).ended(0);
    let whole = began.elapsed();
    fs::remove_dir_all(&shared_store).and_then(|()| fs::create_dir(&shared_store)).expect("it is ours");
    let mut killed = 0;
    for instant in 0..20 {
        let mut child = start(&node, &shared_store);
        sleep(whole * (instant + 1) / 25);
        let has_ended = child.try_wait().expect("it is our child").is_some();
        killed += i32::from(!has_ended);
        let _ = child.kill();
        let _ = child.wait();
        let output = store(&node, &shared_store, &["verify", "--shared", "--json"]).ended(0).json();
        assert_eq!(output["damaged"], serde_json::json!([]));
        if instant % 4 == 3 {
            fs::remove_dir_all(&shared_store).and_then(|()| fs::create_dir(&shared_store)).expect("it is ours");
        }
    }
    assert!(killed > 3, "only {killed} were killed in time");
    store(&node, &shared_store, &["push"]).ended(0);
    let value = store(&node, &shared_store, &["verify", "--shared", "--json"]).ended(0).json();
    assert_eq!(value["sound"]["objects"], 24);
}

#[expect(clippy::disallowed_methods, reason = "a child that is killed is no command of the agent's")]
fn start(node: &NodeTest, shared_store: &Path) -> std::process::Child {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("nodeagent"));
    command.env_clear().arg("--root").arg(node.root()).args(["store", "push", "--store"]).arg(shared_store);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the agent starts")
}

/// In a mount namespace of its own: a file system of 2 MiB, then the same read-only.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test prepares its files without the code under test")]
fn full_and_read_only_stores_are_one_warning_each() {
    let node = node_with(
        &(1..5).map(|index| vec![index; 900_000]).collect::<Vec<_>>().iter().map(Vec::as_slice).collect::<Vec<_>>(),
    );
    let shared_store = shared(&node);
    let agent = assert_cmd::cargo::cargo_bin!("nodeagent");
    let script = "mount -t tmpfs -o size=2m tmpfs \"$1\" || exit 77\n\
                  push() { \"$2\" --root \"$3\" store push --store \"$1\"; echo \"status $?\"; }\n\
                  push \"$@\" 2>&1; mount -o remount,ro \"$1\" || exit 77; push \"$@\" 2>&1\n\
                  \"$2\" --root \"$3\" store verify --shared --store \"$1\" 2>&1";
    let mut command = Command::new("unshare");
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(&shared_store)
        .arg(agent)
        .arg(node.root());
    let output = command.output().expect("unshare is in every Debian");
    if !output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("status") {
        return; // this machine does not allow mount namespaces
    }
    let text = String::from_utf8_lossy(&output.stdout).replace(shared_store.to_str().expect("UTF-8"), "[PLACE]");
    let words = |words: &str| text.matches(words).count();
    assert_eq!(words("warning: nothing is published to the shared store `[PLACE]`: it is full"), 1, "{text}");
    assert_eq!(
        words("warning: nothing is published to the shared store `[PLACE]`: it is read-only for this user"),
        1,
        "{text}"
    );
    assert_eq!((words("warning: "), words("status 1")), (2, 2), "{text}");
    // How many objects fit depends on how many are written at the same time.
    assert!(words("published: 0 ") == 1 && text.contains(" match"), "{text}");
}
