//! The users of secrets: databases, private packages, remote file stores, with real servers and programs.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use super::scene::{Scene, state_with_markers, value, write};
use crate::{
    database::{Postgres, READ_ONLY, READ_WRITE},
    free_port::free_port,
    private::{FROM_INDEX, PASSWORD, Private, VAULT, behind_basic, index, repository, temp},
    server::{Server, client, program},
    support::NodeTest,
    workspace::Workspace,
};

/// The values of a search.
fn values(of: &[(&'static str, &str)]) -> Vec<(&'static str, Vec<u8>)> {
    of.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect()
}

#[test]
fn nothing_of_a_database_leaks() {
    let postgres = Postgres::start();
    let mut scene = Scene::of(NodeTest::new(), &values(&[("read_only", READ_ONLY), ("read_write", READ_WRITE)]));
    let store = scene.node.beside("store").display().to_string();
    let access = postgres.access("");
    write(&scene.node.beside("store/Admin/init_scripts/access.toml"), access.as_bytes());
    let sql = "select pg_sleep(0.3), current_user";
    for (database, user, sql, code) in [
        ("analytics", "read_only", sql, 0),
        ("analytics", "read_only", "selct 1", 1),
        ("analytics", "read_only", "select pg_sleep(9)", 1),
        ("analytics", "read_only", "insert into matters values (3, 'x')", 1),
        ("stale", "read_only", sql, 1),
        ("elsewhere", "read_only", sql, 1),
        ("secured", "read_only", sql, 1),
        ("down", "read_only", sql, 1),
        ("stale", "gone", sql, 2),
        ("analytics", "read_write", sql, 2),
    ] {
        let query = ["db", "query", database, "--as", user, "--timeout", "1s", "-c", sql];
        let connect = ["db", "connect", database, "--as", user];
        let seen = scene.call(&store, &[], &query);
        let stderr = String::from_utf8_lossy(&seen.stderr);
        assert_eq!(seen.code, Some(code), "{query:?}: {stderr}");
        assert!(code == 2 || !seen.environments.is_empty(), "psql did not run: {query:?}");
        scene.call(&store, &[], &connect);
    }
    scene.call(&store, &[], &["auth", "explain", "connect", "analytics", "--as", "read_write"]);
    scene.search_files();
    assert!(scene.counted.files > 2 && scene.counted.environments > 5, "the search covered too little");
    scene.ended_clean("databases");
}

#[test]
fn nothing_of_a_login_leaks() {
    const WRONG: &str = "marker-Wr0ng!%password";
    // The password, and the login in the form of an address and a header.
    let forms = [("password", PASSWORD), ("wrong password", WRONG), ("login", "reader:marker-Zq8!%pw")];
    let mut findings = Vec::new();
    let mut play = |private: Private, body: &str, name: &str| {
        let private = private.venv(body.contains("installer")).profile(body, true);
        let store = private.node.beside("store").display().to_string();
        let url = private.server.url();
        let mut scene = Scene::of(private.node, &values(&forms));
        scene.path = std::env::var("PATH").expect("a search path");
        // The source of the password, and a program with a checked digest.
        scene.own.extend(["store/vault/", "node/var/cache/nodeagent/python/uv-"]);
        scene.begins_now();
        let vault = scene.node.beside("store").join(VAULT);
        write(&vault, WRONG.as_bytes());
        let reports = scene.node.beside("reports").display().to_string();
        let run = ["run", "--profile", "x.toml", "--report-to", &reports];
        assert_eq!(scene.call(&store, &[], &run).code, Some(1), "{name}: the wrong password");
        write(&vault, PASSWORD.as_bytes());
        assert_eq!(scene.call(&store, &[], &["plan", "--profile", "x.toml", "--json"]).code, Some(0));
        let seen = scene.call(&store, &[], &run);
        assert_eq!(seen.code, Some(0), "{name}: {}", String::from_utf8_lossy(&seen.stderr));
        let has_login = seen.environments.iter().any(|text| contains(text, b"nodeagent/logins"));
        assert!(has_login, "{name}: no tool had a file of logins for {url}");
        scene.search_files();
        scene.ended_clean(name);
        findings.push(scene.counted.processes);
    };
    let folder = temp();
    play(Private::new(index(folder.path())), FROM_INDEX, "an index, by uv");
    let folder = temp();
    let files = folder.path().join("files");
    repository(&files, folder.path());
    let git = "[pip]\npackages = [\"firmhelper @ git+SERVER/git/team/firmhelper.git@main\"]\ninstaller = \"pip\"\n";
    play(Private::new(behind_basic(&files, &folder.path().join("users"))), git, "a repository of git, by pip");
    let folder = temp();
    let files = folder.path().join("files");
    repository(&files, folder.path());
    let clone = format!("[git.\"/opt/x\"]\nurl = \"SERVER/git/team/firmhelper.git\"\ncommit = \"{}\"\n", head(&files));
    play(Private::new(behind_basic(&files, &folder.path().join("users"))), &clone, "a clone");
    assert!(findings.iter().all(|&processes| processes > 2), "{findings:?}");
}

/// The commit of the repository.
fn head(files: &Path) -> String {
    let mut git = program("git");
    git.arg("-C").arg(files.join("git/team/firmhelper.git")).args(["rev-parse", "main"]);
    String::from_utf8(git.output().expect("git runs").stdout).expect("text").trim().to_owned()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

const VOLUME: &str = "/Volumes/lawfirms/platform/filestore";
const PROFILE: &str = r#"schema = 1
name = "canary"
business-unit = "Family"
[shell]
vimrc = { file = "lib/vimrc" }
[secrets]
source = "databricks"
scope = "family"
items = [{ key = "analytics-read-only", to = { file = "/run/nodeagent/secrets/analytics" } }]
"#;

/// The workspace of the canary, with the profile in each of its stores.
fn with_profile(folder: &Path) -> Workspace {
    let mut state: Value = serde_json::from_str(&state_with_markers()).expect("it is JSON");
    for (kind, root) in [("dbfs", "/FileStore"), ("volumes", VOLUME)] {
        state[kind][format!("{root}/Family/init_scripts/canary.toml")] = json!(PROFILE);
    }
    write(&folder.join("state.json"), state.to_string().as_bytes());
    Workspace::of(&folder.join("state.json"))
}

#[test]
fn nothing_of_a_remote_store_leaks() {
    const REJECTED: &str = "dapi-c4n4ry-that-is-rejected-0123";
    let temp = tempfile::tempdir().expect("a temporary folder");
    let workspace = with_profile(temp.path());
    let (token, secret) = (value("workspace token"), value("of the workspace"));
    let known = values(&[("workspace token", &token), ("of the workspace", &secret), ("rejected token", REJECTED)]);
    let node =
        NodeTest::new().store("Family/init_scripts/canary.toml", PROFILE).store("Family/lib/vimrc", "set number\n");
    let mut scene = Scene::of(node, &known);
    let port = free_port();
    let mut command: Command = client("python");
    command.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string(), "--directory"]);
    let server = Server::start(
        {
            command.arg(scene.node.beside("store"));
            command
        },
        port,
    );
    let web = server.url();
    let with = |token: &str| {
        vec![
            ("DATABRICKS_HOST", workspace.url()),
            ("DATABRICKS_TOKEN", token.to_owned()),
            ("DB_CLUSTER_NAME", "Prod-Operational-Family-15.4-x-1".to_owned()),
        ]
    };
    let (allowed, rejected) = (with(&token), with(REJECTED));
    let reports = scene.node.beside("reports").display().to_string();
    for store in ["dbfs:/FileStore", VOLUME, &web] {
        scene.undo();
        for (arguments, codes) in [
            (&["check", "--assets", "canary"][..], [0, 0]),
            (&["plan", "--profile", "canary", "--json"], [0, 0]),
            (&["run", "--profile", "canary", "--report-to", &reports], [0, 0]),
            (&["run", "--profile", "canary", "--json"], [0, 0]),
            (&["report", "show"], [0, 0]),
            (&["auth", "audit"], [0, 1]),
            (&["check", "criminal"], [0, 2]),
            (&["run", "--profile", "nowhere"], [2, 2]),
        ] {
            let seen = scene.call(store, &allowed, arguments);
            let stderr = String::from_utf8_lossy(&seen.stderr);
            assert!(seen.code.is_some_and(|code| codes.contains(&code)), "{store} {arguments:?}: {stderr}");
        }
        assert_eq!(scene.node.read("run/nodeagent/secrets/analytics"), secret);
        for arguments in [&["run", "--profile", "canary"][..], &["check", "canary"], &["auth", "audit", "--json"]] {
            let seen = scene.call(store, &rejected, arguments);
            assert!(matches!(seen.code, Some(0..=2)), "{store} {arguments:?}");
        }
        // An error page, and a broken connection, with the token in the request.
        for fault in ["html", "truncated"] {
            workspace.fault(&json!({ "path": "/api/2.0/", "kind": fault, "count": 2 }));
            scene.call(store, &allowed, &["plan", "--profile", "canary"]);
            workspace.ask("DELETE", "/_faults", None);
        }
        scene.search_files();
    }
    assert!(scene.counted.files > 30, "{:?}", scene.counted.files);
    scene.ended_clean("remote stores");
}
