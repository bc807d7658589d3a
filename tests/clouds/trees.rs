//! Folders and globs of remote file stores, with trusted keys: the mirror has each file of the tree and its signature,
//! and no file that the file store no longer has.

use std::{collections::BTreeMap, path::Path};

use nodeagent::trust::{Prehash, SecretKey, trusted_comment};
use serde_json::{Value, json};

use crate::{
    free_port::free_port,
    server::{Server, client},
    support::{CommandOutput, NodeTest, entries, put},
    workspace::Workspace,
};

/// The file stores, with their sections in the state of the workspace and their roots.
const STORES: [(&str, &str, &str); 3] = [
    ("dbfs:/FileStore", "dbfs", "/FileStore"),
    ("/Volumes/lawfirms/platform/filestore", "volumes", "/Volumes/lawfirms/platform/filestore"),
    ("/Workspace/Shared/filestore", "workspace", "/Workspace/Shared/filestore"),
];

const CLUSTER: &str = "Prod-Operational-Family-15.4-x-1";

const PROFILE: &str = r#"schema = 1
name = "trees"
business-unit = "Family"
[files]
"/etc/app/" = "lib/conf/"
"/etc/jobs/" = { from = "lib/jobs/*.job" }
[jar]
files = ["lib/jars/*.jar"]
to = "/opt/jars"
"#;

const BEFORE: [(&str, &str); 9] = [
    ("init_scripts/trees.toml", PROFILE),
    ("lib/conf/a.conf", "a"),
    ("lib/conf/empty", ""),
    ("lib/conf/inner/b.conf", "b"),
    ("lib/conf/inner/deep/c d é.conf", "c"),
    ("lib/conf/inner/deep/more/e.conf", "e"),
    ("lib/jobs/x.job", "x"),
    ("lib/jobs/y.job", "y"),
    ("lib/jars/one-1.0.jar", "PK one"),
];
/// A file has changed, a folder and two files are gone, and two files are new.
const AFTER: [(&str, &str); 7] = [
    ("init_scripts/trees.toml", PROFILE),
    ("lib/conf/a.conf", "A"),
    ("lib/conf/empty", ""),
    ("lib/conf/inner/b.conf", "b"),
    ("lib/jobs/x.job", "x"),
    ("lib/jobs/z.job", "z"),
    ("lib/jars/two-2.0.jar", "PK two"),
];

/// A workspace with signed files of the unit in each of its file stores, and one file that nothing asks for and nobody
/// has signed. Writes the state. All files have one time of change.
fn write_state(path: &Path, key: &SecretKey, time: i64, files: &[(&str, &str)], unsigned: &[(&str, &str)]) {
    let content = |text: &str| json!({ "text": text, "modified": time * 1000 });
    let mut state: Value = serde_json::from_str(include_str!("../workspace/default_state.json")).expect("it is JSON");
    for (_, section, root) in STORES {
        let mut tree = json!({ (format!("{root}/Family/lib/jobs/readme.txt")): "unsigned" });
        for (name, text) in files.iter().chain(unsigned) {
            tree[format!("{root}/Family/{name}")] = content(text);
        }
        for (name, text) in files {
            let comment = trusted_comment(time, name.rsplit('/').next().expect("a name"), None);
            let signature = key.sign(&Prehash::of(text.as_bytes()), &comment).expect("it signs");
            tree[format!("{root}/Family/{name}.minisig")] = content(&signature.to_file());
        }
        state[section] = tree;
    }
    put(path, &state.to_string());
}

/// The files that a profile has made, with their texts.
fn made(node: &NodeTest) -> BTreeMap<String, String> {
    fn read(top: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for path in entries(folder) {
            if path.is_dir() {
                read(top, &path, found);
            } else {
                let name = path.strip_prefix(top).expect("below").display().to_string();
                found.insert(name, std::fs::read_to_string(&path).expect("text"));
            }
        }
    }
    let mut found = BTreeMap::new();
    for folder in ["etc/app", "etc/jobs", "opt/jars"] {
        read(&node.root(), &node.root().join(folder), &mut found);
    }
    found
}

/// The same, as the file store has them.
fn wanted(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let folders = [("lib/conf/", "etc/app/"), ("lib/jobs/", "etc/jobs/"), ("lib/jars/", "opt/jars/")];
    let place = |name: &str| folders.iter().find_map(|(from, to)| Some(format!("{to}{}", name.strip_prefix(from)?)));
    files.iter().filter_map(|(name, text)| Some((place(name)?, (*text).to_owned()))).collect()
}

#[test]
fn folders_and_globs_of_a_remote_file_store_are_mirrored_with_their_signatures() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let state = temp.path().join("state.json");
    let key = SecretKey::generate().expect("random numbers");
    write_state(&state, &key, 1_700_000_000, &BEFORE, &[]);
    let mut workspace = Workspace::of(&state);
    let nodes = STORES.map(|(store, ..)| {
        let node = NodeTest::new()
            .var("DATABRICKS_HOST", &workspace.url())
            .var("DATABRICKS_TOKEN", "token-of-family")
            .var("DB_CLUSTER_NAME", CLUSTER)
            .file("etc/nodeagent.toml", &format!("trusted-keys = [\"{}\"]\n", key.public()))
            .file("opt/jars/own.jar", "PK");
        std::fs::remove_file(node.root().join("opt/jars/own.jar")).expect("gone");
        (store, node)
    });
    let run = |node: &NodeTest, store: &str, code: i32| -> CommandOutput {
        node.agent_without_store(&["--filestore", store, "run", "--profile", "trees"]).ended(code)
    };
    for (store, node) in &nodes {
        run(node, store, 0);
        assert_eq!(made(node), wanted(&BEFORE), "{store}");
        workspace.seen();
        assert!(run(node, store, 0).all().contains("nothing to do"), "{store}");
        let is_content = |seen: &Value| {
            let path = format!("{}?{}", seen["path"].as_str().unwrap_or(""), seen["query"].as_str().unwrap_or(""));
            ["/dbfs/read", "/fs/files/", "/export"].iter().any(|part| path.contains(part))
        };
        let read: Vec<Value> = workspace.seen().into_iter().filter(is_content).collect();
        assert!(read.is_empty(), "{store}: no file is fetched again: {read:#?}");
    }

    write_state(&state, &key, 1_700_000_100, &AFTER, &[]);
    workspace = workspace.restart(&state);
    for (store, node) in &nodes {
        run(node, store, 0);
        assert_eq!(made(node), wanted(&AFTER), "{store}");
    }

    // A file that was added to a folder without a signature refuses the run.
    write_state(&state, &key, 1_700_000_100, &AFTER, &[("lib/conf/inner/evil.conf", "evil")]);
    let _workspace = workspace.restart(&state);
    for (store, node) in &nodes {
        let said = run(node, store, 2).all();
        assert!(said.contains("inner/evil.conf` is not trusted: it has no signature"), "{store}: {said}");
        assert_eq!(made(node), wanted(&AFTER), "{store}");
    }
}

#[test]
fn a_web_server_has_neither_folders_nor_globs() {
    let profile = |from: &str| format!("schema = 1\nname = \"web\"\nbusiness-unit = \"Family\"\n[files]\n{from}\n");
    let single = profile("\"/etc/a\" = \"lib/a.conf\"");
    let node = NodeTest::new()
        .var("DB_CLUSTER_NAME", CLUSTER)
        .store("Family/init_scripts/web.toml", &single)
        .store("Family/lib/a.conf", "a")
        .store("Family/lib/b.conf", "b");
    let port = free_port();
    let mut python = client("python");
    python.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string(), "--directory"]);
    python.arg(node.beside("store"));
    let server = Server::start(python, port);
    let run = |node: &NodeTest, code: i32| {
        node.agent_without_store(&["--filestore", &server.url(), "run", "--profile", "web"]).ended(code).all()
    };
    run(&node, 0);
    // The mirror has a copy of one file, which is not the whole folder.
    for from in ["\"/etc/all/\" = \"lib/*.conf\"", "\"/etc/all/\" = \"lib/\""] {
        let node = &node;
        put(&node.beside("store/Family/init_scripts/web.toml"), &profile(from));
        let said = run(node, 2);
        assert!(said.contains("a web server does not list its files"), "{from}: {said}");
    }
}

/// Files of a later tree must not replace those that cannot be listed.
#[test]
fn a_folder_that_cannot_be_listed_refuses_the_run() {
    const VOLUME: &str = STORES[1].0;
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("state.json");
    let profile = |from: &str| {
        format!("schema = 1\nname = \"trees\"\nbusiness-unit = \"Family\"\n[files]\n\"/etc/app/\" = \"{from}\"\n")
    };
    for (from, count) in [("lib/conf/", 100), ("lib/conf/*.conf", 100), ("lib/conf/", 1), ("lib/conf/*.conf", 1)] {
        let mut state: Value =
            serde_json::from_str(include_str!("../workspace/default_state.json")).expect("it is JSON");
        state["volumes"] = json!({
            (format!("{VOLUME}/Family/init_scripts/trees.toml")): profile(from),
            (format!("{VOLUME}/Family/lib/conf/a.conf")): "of the unit",
            (format!("{VOLUME}/Admin/lib/conf/b.conf")): "of all units",
        });
        put(&path, &state.to_string());
        let workspace = Workspace::of(&path);
        let node = NodeTest::new()
            .var("DATABRICKS_HOST", &workspace.url())
            .var("DATABRICKS_TOKEN", "token-of-family")
            .var("DB_CLUSTER_NAME", CLUSTER);
        let folder = format!("/api/2.0/fs/directories{VOLUME}/Family/lib/conf");
        workspace.fault(&json!({
            "path": folder, "kind": "error", "count": count, "status": 403, "error_code": "PERMISSION_DENIED", "message": "no",
        }));
        let run = |code: i32| {
            node.agent_without_store(&["--filestore", VOLUME, "run", "--profile", "trees"]).ended(code).all()
        };
        let said = run(2);
        assert!(count == 1 || said.contains("could not be looked for"), "{from}: {said}");
        assert!(!node.root().join("etc/app").exists());
        workspace.ask("DELETE", "/_faults", None);
        run(0);
        assert_eq!(node.read("etc/app/a.conf"), "of the unit");
        assert!(!node.root().join("etc/app/b.conf").exists());
    }
}
