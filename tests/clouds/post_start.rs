//! The stage after the launch with trusted keys, and a file of a server that requires a login.

use nodeagent::{
    digest::Digest,
    trust::{Prehash, SecretKey, trusted_comment},
};

use crate::{
    http_server::{TestServer, reply},
    stages,
    support::{MARKER, NodeTest, put},
};

/// `reader:marker-hunter2` in base64.
const LOGIN: &str = "Basic cmVhZGVyOm1hcmtlci1odW50ZXIy";

#[test]
fn a_file_of_a_server_with_a_login_is_fetched_by_the_launch_and_used_by_the_stage() {
    let server = TestServer::start(|request, _| match (request.path(), request.header("authorization")) {
        ("/tool.txt", LOGIN) => reply("200 OK", "a tool\n"),
        _ => reply("401 Unauthorized", ""),
    });
    let profile = |digest: &str| {
        format!(
            "schema = 1\nname = \"x\"\nbusiness-unit = \"Family\"\n[files.\"/etc/tool\"]\nstage = \"post-start\"\n\
             from = {{ url = \"{}\"{digest} }}\n[post-start]\nready = {{ path = \"/tmp/ready\", timeout = \"60s\" }}\n\
             [secrets]\nsource = \"env\"\nscope = \"family\"\n\
             [[logins]]\nurl = \"{}\"\nuser = \"reader\"\nkey = \"token\"\n",
            server.at("/tool.txt"),
            server.at("/"),
        )
    };
    let key = SecretKey::generate().expect("random numbers");
    let node = NodeTest::new()
        .var("FAMILY_TOKEN", MARKER)
        .var("DB_CLUSTER_NAME", "Prod-Operational-Family-15.4-x-1")
        .file("etc/nodeagent.toml", &format!("trusted-keys = [\"{}\"]\n", key.public()));
    let write = |text: &str| {
        let path = node.beside("store/Family/init_scripts");
        std::fs::create_dir_all(&path).expect("made");
        put(&path.join("x.toml"), text);
        let comment = trusted_comment(1_700_000_000, "x.toml", None);
        let signature = key.sign(&Prehash::of(text.as_bytes()), &comment).expect("it signs");
        put(&path.join("x.toml.minisig"), &signature.to_file());
    };
    write(&profile(&format!(", sha256 = \"{}\"", Digest::sha256(b"another tool\n").hex())));
    let said = node.agent(&["run", "--profile", "x"]).ended(2).all();
    assert!(!said.contains(MARKER) && said.contains("sha256"), "{said}");

    write(&profile(&format!(", sha256 = \"{}\"", Digest::sha256(b"a tool\n").hex())));
    node.agent(&["run", "--profile", "x"]).ended(0);
    assert!(!node.root().join("etc/tool").exists());
    let requests = server.requests().len();
    assert!(requests > 0);
    // The stage does not need the server.
    drop(server);
    std::fs::create_dir_all(node.root().join("tmp")).expect("made");
    put(&node.root().join("tmp/ready"), "");
    let report = stages::ended(&node, 1).remove(0);
    assert_eq!(report["outcome"], "done", "{report:#}");
    assert_eq!(node.read("etc/tool"), "a tool\n");
    assert!(node.files_with(MARKER).is_empty(), "{:?}", node.files_with(MARKER));
}
