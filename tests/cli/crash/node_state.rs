//! The highest serials of signed files, the lock file, and the copy of a remote file store.

use std::fs;

use nodeagent::trust::{Prehash, SecretKey, beside, trusted_comment};

use super::scenario::{Scenario, ensure};
use crate::{
    http_server::{TestServer, reply},
    support::{NodeTest, put},
};

const ACCESS: &str = "store/Admin/init_scripts/access.toml";
const PROFILE: &str = "store/Family/init_scripts/family.toml";
const RUN: [&str; 3] = ["run", "--profile", "family"];

fn node() -> NodeTest {
    NodeTest::in_memory().file("var/lib/.keep", "").file("var/log/.keep", "").file("var/cache/.keep", "")
}

/// Signs a file of the file store.
fn sign(node: &NodeTest, key: &SecretKey, file: &str, text: &str) {
    let path = node.beside(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    put(&path, text);
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let comment = trusted_comment(1_700_000_000, name, None);
    let signature = key.sign(&Prehash::of(text.as_bytes()), &comment).expect("it signs");
    put(&beside(&path), &signature.to_file());
}

#[test]
fn serials_do_not_fall_after_a_power_loss_at_any_instant() {
    let key = SecretKey::generate().expect("random numbers");
    let node = node()
        .var("DB_CLUSTER_NAME", "Prod-Operational-Family-15.4-nightly-1")
        .file("etc/nodeagent.toml", &format!("trusted-keys = [\"{}\"]\n", key.public()));
    let text = "schema = 1\nname = \"family\"\nbusiness-unit = \"Family\"\n[files]\n\"/etc/x\" = { text = \"1\" }\n";
    sign(&node, &key, PROFILE, text);
    let serve = |node: &NodeTest, serial: u8| sign(node, &key, ACCESS, &format!("schema = 1\nserial = {serial}\n"));
    serve(&node, 3);
    node.agent(&RUN).ended(0);
    fs::remove_file(node.root().join("etc/x")).expect("removed");
    serve(&node, 5);
    let scenario = Scenario::record(node, &RUN);
    let run = |node: &NodeTest, code: i32| {
        let output = node.agent(&RUN);
        ensure(output.code == Some(code), || format!("not {code}: {}", output.all()))
    };
    scenario.check(|node| {
        serve(node, 2);
        run(node, 2)?;
        serve(node, 5);
        run(node, 0)?;
        // The run has recorded the new serial, or the power loss did not undo it.
        serve(node, 4);
        run(node, 2)
    });
}

#[test]
fn a_lock_is_whole_or_absent_after_a_power_loss_at_any_instant() {
    const LOCK: [&str; 3] = ["lock", "--profile", "x.toml"];
    let node = node().profile("[files]\n\"/etc/x\" = { from = \"x.txt\" }\n").work("x.txt", "one");
    node.agent(&LOCK).ended(0);
    let old = fs::read_to_string(node.beside("desk/x.lock")).expect("made");
    let node = node.work("x.txt", "two");
    let scenario = Scenario::record(node, &LOCK);
    let new = fs::read_to_string(scenario.node.beside("desk/x.lock")).expect("made");
    assert_ne!(old, new);
    scenario.check(|node| {
        let found = fs::read_to_string(node.beside("desk/x.lock")).unwrap_or_default();
        ensure(found == old || found == new, || format!("a torn lock: {found:?}"))?;
        let output = node.agent(&LOCK);
        ensure(output.code == Some(0), || output.all())?;
        let output = node.agent(&["lock", "--check", "--profile", "x.toml"]);
        ensure(output.code == Some(0), || output.all())
    });
}

#[test]
fn the_copy_of_a_remote_file_store_is_whole_after_a_power_loss_at_any_instant() {
    let profile = "schema = 1\nname = \"x\"\n[files]\n\"/etc/x\" = { from = \"data.txt\" }\n";
    let data = "content ".repeat(2000);
    let also = data.clone();
    let server = TestServer::start(move |request, _| match request.path() {
        "/Admin/init_scripts/x.toml" => reply("200 OK\r\netag: \"one\"", profile),
        "/Admin/init_scripts/data.txt" => reply("200 OK\r\netag: \"two\"", &also),
        _ => reply("404 Not Found", ""),
    });
    let store = server.url.to_string();
    let arguments = ["--filestore", store.as_str(), "run", "--profile", "x"];
    let scenario = Scenario::record_without_store(node(), &arguments);
    let run = |node: &NodeTest| {
        let output = node.agent_without_store(&arguments);
        ensure(output.code == Some(0), || output.all())?;
        ensure(node.read("etc/x") == data, || "the file has other content".to_owned()).map(|()| output.all())
    };
    scenario.check(|node| {
        run(node)?;
        fs::remove_file(node.root().join("etc/x")).expect("removed");
        // From the copy, which may be torn.
        run(node)?;
        let said = run(node)?;
        ensure(said.contains("nothing to do"), || said.clone())
    });
}
