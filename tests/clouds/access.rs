//! Grants for groups of a workspace, and the audit of scopes and trees.

use serde_json::{Value, json};

use crate::{
    http_server::{TestServer, reply},
    support::{NodeTest, put},
    workspace::Workspace,
};

const ACCESS: &str = r#"schema = 1
contact = "data-platform@lawfirms.example"

[[grants]]
who = ["group:LawFirms-*-Databricks-Family-*"]
read = ["family"]

[[grants]]
who = ["group:LawFirms-*-Databricks-Criminal-*"]
read = ["criminal"]
"#;

/// A node that authenticates with a token.
fn node(workspace: &Workspace, token: &str) -> NodeTest {
    NodeTest::new()
        .store("Admin/init_scripts/access.toml", ACCESS)
        .var("DATABRICKS_HOST", &workspace.url())
        .var("DATABRICKS_TOKEN", token)
}

fn profile_of(scope: &str) -> String {
    format!(
        "[secrets]\nsource = \"databricks\"\nscope = \"{scope}\"\n\
         items = [{{ key = \"git-token\", to = {{ file = \"/run/nodeagent/secrets/git-token\" }} }}]\n"
    )
}

fn requested_paths(workspace: &Workspace) -> Vec<String> {
    let path = |request: &Value| request["path"].as_str().unwrap_or_default().to_owned();
    workspace.seen().iter().map(path).collect()
}

#[test]
fn a_group_of_the_workspace_grants_its_own_scope_only() {
    let workspace = Workspace::start();
    let node = node(&workspace, "token-of-family").profile(&profile_of("family"));
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
    assert_eq!(node.read("run/nodeagent/secrets/git-token"), "family: git");
    workspace.seen();
    let node = node.profile(&profile_of("criminal"));
    let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
    for part in ["service-principal:11111111", "group:LawFirms-Prod-Databricks-Family-Analyst", "you may read family"] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert!(output.stderr.contains("for a group that matches `LawFirms-*-Databricks-Criminal-*`"), "{}", output.stderr);
    let requests = requested_paths(&workspace);
    assert!(!requests.iter().any(|path| path.contains("/secrets/")), "no secret was asked for: {requests:?}");
}

#[test]
fn the_identity_costs_one_request_and_only_if_a_rule_needs_it() {
    let workspace = Workspace::start();
    let by_cluster = ACCESS.replace("\"group:LawFirms-*-Databricks-Family-*\"", "\"cluster:Family\"");
    let node = node(&workspace, "token-of-family")
        .store("Admin/init_scripts/access.toml", &by_cluster)
        .var("DB_CLUSTER_NAME", "Prod-Operational-Family-15.4-x-1");
    node.agent(&["auth", "can", "read", "family/git-token"]).ended(0);
    assert_eq!(requested_paths(&workspace), [""; 0], "the cluster's name was enough");
    node.agent(&["auth", "can", "read", "criminal/git-token"]).ended(2);
    let me = requested_paths(&workspace).iter().filter(|path| path.ends_with("/scim/v2/Me")).count();
    assert_eq!(me, 1);
}

#[test]
fn a_rejected_token_is_named_in_the_denial() {
    let workspace = Workspace::start();
    let node = node(&workspace, "token-of-nobody");
    let output = node.agent(&["auth", "can", "read", "family"]).ended(2);
    assert!(output.stderr.contains("databricks could not identify you"), "{}", output.stderr);
    assert!(!output.all().contains("token-of-nobody"));
    let who = node.agent(&["auth", "whoami", "--json"]).ended(1).json();
    assert_eq!(who["unknown"][0]["cloud"], "databricks", "{who:#}");
}

#[test]
fn whoami_names_the_groups_of_the_workspace() {
    let workspace = Workspace::start();
    let output = node(&workspace, "token-of-family").agent(&["auth", "whoami"]).ended(0);
    assert!(output.stdout.contains("group:LawFirms-Prod-Databricks-Family-Analyst"), "{}", output.stdout);
    assert!(output.stdout.contains("1 of 2 grants for you"), "{}", output.stdout);
}

/// The verdict for each scope.
fn doors(audit: &Value) -> Vec<String> {
    let doors = audit["resources"].as_array().expect("a list").iter().filter(|door| door["kind"] == "scope");
    doors.map(|door| format!("{} {} {}", door["name"], door["own"], door["found"]).replace('"', "")).collect()
}

/// The verdict for each tree of a remote store, on a node of Family.
fn trees(workspace: &Workspace, store: &str, code: i32) -> (Vec<String>, String) {
    let node = NodeTest::new()
        .var("DATABRICKS_HOST", &workspace.url())
        .var("DATABRICKS_TOKEN", "token-of-family")
        .var("DB_CLUSTER_NAME", "Prod-Operational-Family-15.4-x-1");
    let output = node.agent_without_store(&["--filestore", store, "auth", "audit", "--json"]).ended(code);
    let doors = output.json()["resources"].as_array().expect("a list").clone();
    let trees = doors.iter().filter(|door| door["kind"] == "tree");
    (
        trees.map(|door| format!("{} {} {}", door["name"], door["own"], door["found"]).replace('"', "")).collect(),
        output.stderr,
    )
}

#[test]
fn trees_of_a_remote_store_are_tested() {
    const VOLUME: &str = "/Volumes/lawfirms/platform/filestore";
    const CLOSED: [&str; 5] = [
        "Admin true open",
        "Consumer false closed",
        "Criminal false closed",
        "Family true open",
        "People false closed",
    ];
    let workspace = Workspace::start();
    for store in [VOLUME, "/Workspace/Shared/filestore"] {
        let (doors, stderr) = trees(&workspace, store, 0);
        assert_eq!(doors, CLOSED, "{store}: {stderr}");
    }
    let requested_paths = requested_paths(&workspace);
    // A tree that cannot be listed is tested with known names. The server refuses all of them.
    let is_known = |path: &str| path.contains("/init_scripts/criminal.") || path.contains("/lib/");
    let in_criminal: Vec<_> = requested_paths.iter().filter(|path| path.contains("/Criminal/")).collect();
    assert!(!in_criminal.is_empty() && in_criminal.iter().all(|path| is_known(path)), "{in_criminal:?}");
    // DBFS has no access control: every user can read all files.
    let (doors, stderr) = trees(&workspace, "dbfs:/FileStore", 1);
    assert_eq!(doors.iter().filter(|door| door.ends_with("false open")).count(), 3, "{doors:?}");
    assert!(
        stderr.contains("3 resources are open and should be closed: tree Consumer, tree Criminal, tree People"),
        "{stderr}"
    );
    // The permissions of one tree are too wide.
    let mut state: Value = serde_json::from_str(include_str!("../workspace/default_state.json")).expect("it is JSON");
    state["closed"].as_object_mut().expect("by folder").remove(&format!("{VOLUME}/Criminal")).expect("it was closed");
    let temp = tempfile::tempdir().expect("a temporary folder");
    put(&temp.path().join("state.json"), &state.to_string());
    let breached = Workspace::of(&temp.path().join("state.json"));
    let (doors, stderr) = trees(&breached, VOLUME, 1);
    assert_eq!(doors[2], "Criminal false open");
    assert!(stderr.contains("1 resource is open and should be closed: tree Criminal"), "{stderr}");
}

#[test]
fn a_hidden_tree_is_closed_and_one_without_an_answer_is_unknown() {
    let workspace = Workspace::start();
    let folder = "/api/2.0/fs/directories/Volumes/lawfirms/platform/filestore";
    for (status, error_code, found, code) in [(404, "NOT_FOUND", "closed", 0), (400, "INVALID_STATE", "unknown", 1)] {
        workspace.ask("DELETE", "/_faults", None);
        let fault = json!({ "path": format!("{folder}/Criminal"), "kind": "error", "count": 9, "status": status,
            "error_code": error_code, "message": "not for you" });
        workspace.fault(&fault);
        let (doors, stderr) = trees(&workspace, "/Volumes/lawfirms/platform/filestore", code);
        assert_eq!(doors[2], format!("Criminal false {found}"), "{stderr}");
    }
    // Fetched files of a web server do not show which trees can be read.
    let server = TestServer::start(|_, _| reply("404 Not Found", ""));
    let (doors, stderr) = trees(&workspace, &server.at("store"), 0);
    assert_eq!(doors, [""; 0]);
    assert!(stderr.contains("no tree was tested"), "{stderr}");
}

#[test]
fn the_audit_shows_closed_scopes_and_ends_with_1_for_an_open_one() {
    let workspace = Workspace::start();
    let family = node(&workspace, "token-of-family");
    let audit = family.agent(&["auth", "audit", "--json"]).ended(0).json();
    let expected = ["admin", "consumer", "criminal"].map(|name| format!("{name} false closed")).to_vec();
    assert_eq!(doors(&audit)[..3], expected);
    assert_eq!(doors(&audit)[3..], ["family true open", "people false closed"]);
    assert!(!requested_paths(&workspace).iter().any(|path| path.ends_with("/secrets/get")), "no value is read");
    // A scope that could not be tested is not reported as closed.
    let broken = json!({ "path": "/api/2.0/secrets/list", "kind": "error", "count": 5, "status": 500,
        "error_code": "INTERNAL_ERROR", "message": "it broke" });
    workspace.fault(&broken);
    let output = family.agent(&["auth", "audit"]).ended(1);
    assert!(output.stderr.contains("5 resources are not known to be closed"), "{}", output.stderr);
    // The access file grants Family nothing, but the ACL permits it.
    let stricter = ACCESS.replace("LawFirms-*-Databricks-Family-*", "LawFirms-*-Databricks-Finance-*");
    let breached = family.store("Admin/init_scripts/access.toml", &stricter);
    let output = breached.agent(&["auth", "audit"]).ended(1);
    assert!(output.stderr.contains("1 resource is open and should be closed: scope family"), "{}", output.stderr);
}
