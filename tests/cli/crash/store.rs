//! The store on the node, the shared store, and leases.

use std::fs;

use nodeagent::digest::Digest;

use super::{
    disk::Disk,
    scenario::{Scenario, ensure},
};
use crate::{
    http_server::{TestServer, reply},
    support::{CommandOutput, NodeTest, put},
};

const LOCAL: &str = "node/var/cache/nodeagent/store";
const RUN: [&str; 3] = ["run", "--profile", "x.toml"];

fn node() -> NodeTest {
    let node = NodeTest::in_memory().file("var/lib/.keep", "").file("var/log/.keep", "").file("var/cache/.keep", "");
    fs::create_dir(node.beside("shared")).expect("made");
    node
}

fn with_store<'a>(arguments: &[&'a str], shared: &'a str) -> Vec<&'a str> {
    [arguments, &["--store", shared]].concat()
}

fn shared(node: &NodeTest) -> String {
    node.beside("shared").display().to_string()
}

fn agent(node: &NodeTest, arguments: &[&str]) -> CommandOutput {
    node.agent(&with_store(arguments, &shared(node)))
}

fn record(node: NodeTest, arguments: &[&str]) -> Scenario {
    let shared = shared(&node);
    Scenario::record(node, &with_store(arguments, &shared))
}

fn succeeds(node: &NodeTest, arguments: &[&str]) -> Result<String, String> {
    let output = agent(node, arguments);
    ensure(output.code == Some(0), || format!("{arguments:?}: {}", output.all())).map(|()| output.all())
}

/// Every object has the content of its name.
fn is_sound(node: &NodeTest, store: &str) -> Result<(), String> {
    let disk = Disk::read(&node.beside(store));
    let damaged = disk.nodes.iter().flat_map(|node| &node.entries).filter(|(name, inode)| {
        let found = Digest::sha256(&disk.nodes[**inode].content);
        name.len() == 64 && disk.nodes[**inode].entries.is_empty() && found.hex() != name.to_string_lossy()
    });
    let damaged: Vec<_> = damaged.map(|(name, _)| name.display().to_string()).collect();
    ensure(damaged.is_empty(), || format!("damaged: {damaged:?}"))
}

/// A damaged object is found and removed, and a second command completes the store.
fn is_completed(node: &NodeTest, command: &[&str], store: &str, option: &[&str]) -> Result<(), String> {
    let verify = [&["store", "verify"], option].concat();
    succeeds(node, command)?;
    let output = agent(node, &verify);
    ensure(output.code == Some(0) || output.stdout.contains("damaged and removed"), || output.all())?;
    succeeds(node, command)?;
    succeeds(node, &verify)?;
    is_sound(node, store)?;
    let stat = agent(node, &["store", "stat", "--json"]).json();
    let tier = if option.is_empty() { "local" } else { "shared" };
    ensure(stat[tier]["objects"]["objects"] == 3, || stat.to_string())
}

/// A node with objects in its own store or in the shared one.
fn with_objects(store: &str) -> NodeTest {
    let node = node();
    for bytes in [vec![b'a'; 10], vec![b'b'; 3000], vec![b'c'; 300_000]] {
        let text = String::from_utf8(bytes).expect("text");
        let hex = Digest::sha256(text.as_bytes()).hex().to_owned();
        let folder = node.beside(store).join("v1/objects").join(&hex[..2]);
        fs::create_dir_all(&folder).expect("made");
        put(&folder.join(hex), &text);
    }
    node
}

#[test]
fn a_push_is_completed_after_a_power_loss_at_any_instant() {
    let scenario = record(with_objects(LOCAL), &["store", "push"]);
    scenario.check(|node| is_completed(node, &["store", "push"], "shared", &["--shared"]));
}

#[test]
fn a_pull_is_completed_after_a_power_loss_at_any_instant() {
    let scenario = record(with_objects("shared"), &["store", "pull"]);
    scenario.check(|node| is_completed(node, &["store", "pull"], LOCAL, &[]));
}

/// Leases of a process that has ended expire after some seconds. The test does not wait for it: they are older.
fn expire_leases(node: &NodeTest) {
    let folder = node.beside("shared/v1/leases");
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let text = String::from_utf8_lossy(&fs::read(&path).expect("readable")).replace(":\"20", ":\"19");
        put(&path, &text);
        let an_hour = std::time::Duration::from_secs(3600);
        let times = fs::FileTimes::new().set_modified(std::time::SystemTime::now() - an_hour);
        fs::File::open(&path).and_then(|file| file.set_times(times)).expect("set");
    }
}

#[test]
fn a_fetched_file_is_whole_after_a_power_loss_at_any_instant() {
    let body = "data".repeat(5000);
    let digest = Digest::sha256(body.as_bytes());
    let server = TestServer::start(move |_, _| reply("200 OK", &body));
    let from = format!("{{ url = \"{}\", sha256 = \"{}\" }}", server.at("data"), digest.hex());
    let node = node().profile(&format!("[files]\n\"/opt/data\" = {{ from = {from} }}\n"));
    let scenario = record(node, &RUN);
    assert!(fs::read_dir(scenario.node.beside("shared/v1/leases")).is_ok(), "a lease was taken");
    let is_whole = |node: &NodeTest| {
        let found = fs::read(node.root().join("opt/data")).map(|bytes| Digest::sha256(&bytes));
        ensure(found.is_ok_and(|found| found == digest), || "the file has other content".to_owned())
    };
    scenario.check(|node| {
        expire_leases(node);
        succeeds(node, &RUN)?;
        is_whole(node)?;
        let said = succeeds(node, &RUN)?;
        ensure(said.contains("nothing to do"), || said.clone())?;
        // Now from the store of the node, which may have a damaged copy.
        fs::remove_file(node.root().join("opt/data")).expect("removed");
        succeeds(node, &RUN)?;
        is_whole(node)
    });
}
