//! Keys of apt sources on a server of loopback.

use std::{fs, os::unix::fs::PermissionsExt as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nodeagent::digest::Digest;

use crate::{
    http_server::{TestServer, reply},
    support::{NodeTest, put},
};

/// A key made for the tests, and its fingerprint.
const KEY: &str = include_str!("../fixtures/keys/apt.asc");
const FINGERPRINT: &str = "74DF 5806 E755 C859 4BFE  405B 294A 5ECC 7791 CC5A";
const OTHER: &str = "0E143B2A14F7CB0B8789177170937F2E6A8511A2";

fn server() -> TestServer {
    TestServer::start(|request, _| match request.path() {
        "/key.asc" => reply("200 OK", KEY),
        _ => reply("404 Not Found", ""),
    })
}

/// A node whose apt-get does nothing, with a source that has this key.
fn node(key: &str, fingerprint: &str) -> NodeTest {
    let node = NodeTest::new().debs(&[("dpkg", "1.21")]);
    let program = node.beside("bin/apt-get");
    fs::create_dir_all(program.parent().expect("a folder")).expect("created");
    put(&program, "#!/bin/sh\nexit 0\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    let path = format!("{}:/usr/bin:/bin", node.beside("bin").display());
    node.search_path(&path).profile(&source(key, fingerprint))
}

fn source(key: &str, fingerprint: &str) -> String {
    format!(
        "[[apt.sources]]\nname = \"inhouse\"\nuris = \"https://apt.firm.example/\"\nsuites = \"./\"\nkey = {key}\n\
         fingerprint = {fingerprint}\n"
    )
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// Whether the node has the key as gpg exports it.
fn has_key(node: &NodeTest) -> bool {
    let armoured: String =
        KEY.lines().skip_while(|line| !line.is_empty()).take_while(|line| !line.starts_with('=')).collect();
    let expected = STANDARD.decode(armoured).expect("base64");
    fs::read(node.root().join("etc/apt/keyrings/inhouse.gpg")).is_ok_and(|found| found == expected)
}

fn agent(node: &NodeTest, command: &str, status: i32) -> String {
    node.agent(&[command, "--profile", "x.toml"]).ended(status).all()
}

#[test]
fn a_key_is_fetched_by_its_fingerprint_and_a_ready_node_sends_no_request() {
    let server = server();
    let key = format!("{{ url = [\"{}\", \"{}\"] }}", server.at("/gone.asc"), server.at("/key.asc"));
    let node = node(&key, &quoted(FINGERPRINT));
    let planned = agent(&node, "plan", 0);
    assert!(planned.contains("Signed-By: /etc/apt/keyrings/inhouse.gpg"), "{planned}");
    assert_eq!(server.paths(), [""; 0], "a plan fetches nothing");
    agent(&node, "run", 0);
    assert!(has_key(&node));
    assert!(node.read("etc/apt/sources.list.d/inhouse.sources").contains("Signed-By: /etc/apt/keyrings/inhouse.gpg\n"));
    let requests = server.paths();
    assert_eq!(requests, ["/gone.asc", "/key.asc"]);
    assert!(agent(&node, "run", 0).contains("nothing to do"));
    // A damaged key is replaced.
    let node = node.file("etc/apt/keyrings/inhouse.gpg", "damaged");
    assert_eq!(server.paths(), requests, "a ready node needs no server");
    agent(&node, "run", 0);
    assert!(has_key(&node));
}

#[test]
fn a_key_without_its_fingerprints_or_digest_refuses_the_run() {
    let server = server();
    let url = quoted(&server.at("/key.asc"));
    let with_digest = |digest: &Digest| format!("{{ url = {url}, sha256 = \"{}\" }}", digest.hex());
    let gone = quoted(&server.at("/gone.asc"));
    for (key, fingerprint, why) in [
        (&url, quoted(OTHER), "does not have the fingerprint in the profile"),
        (
            &url,
            format!("[\"{FINGERPRINT}\", \"{OTHER}\"]"),
            "is in a file that does not contain all keys of `fingerprint`",
        ),
        (&with_digest(&Digest::sha256(b"x")), quoted(FINGERPRINT), "does not have the expected digest"),
        (&gone, quoted(FINGERPRINT), "could not be fetched"),
    ] {
        let node = node(key, &fingerprint);
        let before = node.listing();
        let said = agent(&node, "run", 2);
        assert!(said.contains(why) && said.contains("x.toml:4"), "{said}");
        let changed = node.changes_since(&before);
        assert!(!changed.iter().any(|line| line.contains("etc/apt")), "{changed:?}");
    }
    let node = node(&with_digest(&Digest::sha256(KEY.as_bytes())), &quoted(FINGERPRINT));
    agent(&node, "run", 0);
    assert!(has_key(&node));
}

#[test]
fn key_files_on_servers_have_a_size_limit() {
    let big = "x".repeat(2 << 20);
    let digest = Digest::sha256(big.as_bytes());
    let server = TestServer::start(move |_, _| reply("200 OK", &big));
    let url = quoted(&server.at("/key.asc"));
    for key in [url.clone(), format!("{{ url = {url}, sha256 = \"{}\" }}", digest.hex())] {
        let node = node(&key, &quoted(FINGERPRINT));
        let said = agent(&node, "run", 2);
        assert!(said.contains("the answer is larger than 1048576 bytes") && said.contains("x.toml:4"), "{said}");
    }
}

#[test]
fn a_key_of_the_file_store_may_have_a_digest() {
    let key = |digest: &Digest| format!("{{ path = \"key.asc\", sha256 = \"{}\" }}", digest.hex());
    let wrong = node(&key(&Digest::sha256(b"x")), &quoted(FINGERPRINT)).work("key.asc", KEY);
    let said = agent(&wrong, "run", 2);
    assert!(said.contains("the key of apt source `inhouse` does not have the digest in the profile"), "{said}");
    let node = node(&key(&Digest::sha256(KEY.as_bytes())), &quoted(FINGERPRINT)).work("key.asc", KEY);
    agent(&node, "run", 0);
}

#[test]
fn a_key_of_the_file_store_is_checked_by_the_plan() {
    let key = quoted("key.asc");
    for (content, fingerprint, why) in [
        (format!("# our key\n{KEY}"), FINGERPRINT, "a line outside of the armoured block"),
        ("<html>not found</html>".to_owned(), FINGERPRINT, "a line outside of the armoured block"),
        (KEY.replace("PUBLIC", "PRIVATE"), FINGERPRINT, "the file holds a secret key"),
        (KEY.to_owned(), OTHER, "does not have the fingerprint in the profile"),
    ] {
        let node = node(&key, &quoted(fingerprint)).work("key.asc", &content);
        let said = agent(&node, "plan", 2);
        assert!(said.contains("the key of apt source `inhouse`") && said.contains(why), "{said}");
        assert!(said.contains("x.toml:4"), "{said}");
    }
}
