//! Access files: the messages of `check`, the permissions, and the text of denials.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    http_server::{TestServer, ok, reply},
    schema,
    support::{MARKER, NodeTest, agent_in, entries, project, snapshots},
};

const ACCESS: &str = r#"schema = 1
contact = "data-platform@lawfirms.example"

[[databases]]
name = "analytics"
host = "db.lawfirms.example"

[[databases.users]]
name = "read_only"
secret = { source = "databricks", scope = "family", key = "analytics-read-only" }

[[databases.users]]
name = "read_write"
secret = { source = "databricks", scope = "family", key = "analytics-read-write" }

[[grants]]
who = ["cluster:Family"]
read = ["family", "shared/geo-*"]
connect = ["analytics:read_only"]

[[grants]]
who = ["group:LawFirms-*-Databricks-Criminal-*", "cluster:Criminal"]
read = ["criminal"]
connect = ["analytics:read_write"]
contact = "criminal-leads@lawfirms.example"

[[grants]]
who = ["cluster:Consumer@Prod"]
profiles = ["Family"]
"#;

/// A node of a unit's cluster, with an access file.
fn node_of(unit: &str) -> NodeTest {
    NodeTest::new()
        .store("Admin/init_scripts/access.toml", ACCESS)
        .store("Criminal/init_scripts/.keep", "")
        .store("Family/init_scripts/.keep", "")
        .var("DB_CLUSTER_NAME", &format!("Prod-Operational-{unit}-15.4-x-1"))
}

/// A profile with one secret of a scope, in the environment at its default address.
fn profile_of(scope: &str) -> String {
    format!(
        "[secrets]\nsource = \"env\"\nscope = \"{scope}\"\n\
         items = [{{ key = \"token\", to = {{ file = \"/run/nodeagent/secrets/token\" }} }}]\n"
    )
}

#[test]
fn every_mistake_in_an_access_file_has_its_position() {
    let folder = project().join("tests/fixtures/access/bad");
    let mut seen = 0;
    for path in entries(&folder) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        let output = agent_in(&path, &["check", "access.toml"]).ended(2);
        assert_eq!(output.stdout, "", "errors go to standard error only");
        assert!(output.stderr.contains("access.toml:"), "{name} has no place: {}", output.stderr);
        let mut settings = snapshots();
        settings.set_snapshot_suffix(name);
        settings.bind(|| insta::assert_snapshot!("bad_access_file", output.stderr));
        seen += 1;
    }
    assert!(seen > 25, "only {seen} access files were found");
}

#[test]
fn a_valid_access_file_passes_the_check_and_the_schema() {
    let folder = project().join("tests/fixtures/access/good");
    let output = agent_in(&folder, &["check", "access.toml"]).ended(0);
    assert_eq!(output.stderr, "1 access file sound\n");
    let schema = agent_in(project(), &["schema", "access"]).ended(0).json();
    jsonschema::meta::validate(&schema).expect("it follows its own meta-schema");
    let validator = jsonschema::validator_for(&schema).expect("the schema is sound");
    let file = schema::read(&folder.join("access.toml")).expect("it is TOML");
    let errors: Vec<String> = validator.iter_errors(&file).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let profile = agent_in(project(), &["schema"]).ended(0).json();
    assert_eq!(profile, agent_in(project(), &["schema", "profile"]).ended(0).json());
}

#[test]
fn an_invalid_access_file_stops_all_commands_that_need_it() {
    let node = node_of("Family").profile("").store("Admin/init_scripts/access.toml", "schema = 1\n[[grant]]\n");
    for command in [
        &["check", "x.toml"][..],
        &["plan", "--profile", "x.toml"],
        &["run", "--profile", "x.toml", "--quiet"],
        &["auth", "can", "read", "family"],
        &["auth", "audit"],
    ] {
        let output = node.agent(command).ended(2);
        assert!(output.stderr.contains("did you mean `grants`?"), "{command:?}: {}", output.stderr);
    }
    let report = node.agent(&["report", "show", "--json"]).ended(0).json();
    assert_eq!(report["outcome"], "refused");
}

#[test]
fn a_unit_cannot_write_its_own_grants() {
    let own = "schema = 1\n[[grants]]\nwho = [\"cluster:Family\"]\nread = [\"criminal\"]\n";
    let node = node_of("Family").store("Family/init_scripts/access.toml", own).work("access.toml", own);
    node.agent(&["auth", "can", "read", "criminal"]).ended(2);
}

// Five situations with a denial.

#[test]
fn a_run_with_another_units_secret_is_refused_before_the_secret_is_read() {
    let node = node_of("Family").profile(&profile_of("criminal")).var("CRIMINAL_TOKEN", MARKER);
    let before = node.listing();
    let planned = node.agent(&["plan", "--profile", "x.toml"]).ended(2);
    assert_eq!(node.listing(), before, "planning changes nothing at all");
    let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
    assert_eq!(node.changes_since(&before), [""; 0]);
    assert!(output.stderr.lines().count() <= 10, "{}", output.stderr);
    assert!(node.files_with(MARKER).is_empty() && !output.all().contains(MARKER));
    node.frozen(|| {
        insta::assert_snapshot!("secret_run", output.stderr);
        insta::assert_snapshot!("secret_plan", planned.stderr);
    });
}

#[test]
fn a_database_user_without_a_grant_is_denied() {
    let node = node_of("Family");
    let output = node.agent(&["auth", "can", "connect", "analytics", "--as", "read_write"]).ended(2);
    assert_eq!(output.stdout, "no\n");
    let explained = node.agent(&["auth", "explain", "connect", "analytics", "--as", "read_write"]).ended(0);
    node.frozen(|| {
        insta::assert_snapshot!("database_can", output.stderr);
        insta::assert_snapshot!("database_explain", explained.stdout);
    });
}

#[test]
fn a_profile_of_another_unit_requires_a_grant() {
    let node = node_of("Criminal").profile("business-unit = \"Family\"\n");
    let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
    node.frozen(|| insta::assert_snapshot!("profile_run", output.stderr));
    let granted = node.var("DB_CLUSTER_NAME", "Prod-Operational-Consumer-15.4-x-1");
    granted.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
    let other_cluster = granted.var("DB_CLUSTER_NAME", "Dev-Operational-Consumer-15.4-x-1");
    other_cluster.agent(&["plan", "--profile", "x.toml"]).ended(2);
    // A profile that some principal may use is valid.
    other_cluster.agent(&["check", "x.toml"]).ended(0);
}

#[test]
fn profiles_of_the_own_unit_are_allowed_and_a_node_without_a_unit_may_use_all() {
    let node = node_of("Family");
    let own = node.agent(&["auth", "can", "use", "family"]).ended(0);
    assert_eq!(own.stdout, "yes: the unit is the unit of this cluster\n");
    let explained = node.agent(&["auth", "explain", "use", "Family"]).ended(0);
    assert!(
        explained.stdout.contains("rule: none is required: the unit is the unit of this cluster"),
        "{}",
        explained.stdout
    );
    node.agent(&["auth", "can", "use", "Criminal"]).ended(2);
    let nobodys = node.var("DB_CLUSTER_NAME", "somebodys cluster");
    let any = nobodys.agent(&["auth", "can", "use", "Criminal"]).ended(0);
    assert!(any.stdout.starts_with("yes: this node has no unit"), "{}", any.stdout);
}

#[test]
fn a_default_address_is_decided_as_its_scope_and_key() {
    let node = node_of("Family").var("FAMILY_TOKEN", MARKER);
    node.agent(&["secrets", "get", "token", "--source", "env", "--scope", "family"]).ended(0);
    let output = node.agent(&["auth", "can", "read", "env:FAMILY_TOKEN"]).ended(0);
    assert!(output.stdout.contains("grants `family` to cluster:Family"), "{}", output.stdout);
    let output = node.agent(&["auth", "can", "read", "env:CRIMINAL_TOKEN"]).ended(2);
    assert!(output.stderr.contains("the secret `env:CRIMINAL_TOKEN` may not be read"), "{}", output.stderr);
    let output = node.agent(&["auth", "can", "read", "vault:x"]).ended(2);
    assert!(output.stderr.contains("azure-key-vault"), "{}", output.stderr);
}

#[test]
fn an_access_file_is_recognized_with_any_name() {
    let node = NodeTest::new().work("acc/ex.toml", ACCESS);
    assert_eq!(node.agent(&["check", "acc/ex.toml"]).ended(0).stderr, "1 access file sound\n");
    let node = node.work("acc/ex.toml", "schema = 1\n[[grants]]\nwho = [\"cluster:Family\"]\n");
    assert!(node.agent(&["check", "acc/ex.toml"]).ended(2).stderr.contains("the grant permits nothing"));
}

#[test]
fn without_a_covering_grant_the_denial_names_the_contact() {
    let node = node_of("Family");
    let output = node.agent(&["auth", "can", "read", "finance/payroll"]).ended(2);
    node.frozen(|| insta::assert_snapshot!("nobody_can", output.stderr));
}

#[test]
fn a_secret_of_another_unit_is_denied_under_any_name() {
    let profile = profile_of("family").replace("key = \"token\"", "key = \"token\", env = \"CRIMINAL_TOKEN\"");
    let node = node_of("Family").profile(&profile).var("CRIMINAL_TOKEN", MARKER);
    let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
    assert!(node.files_with(MARKER).is_empty());
    node.frozen(|| insta::assert_snapshot!("elsewhere_run", output.stderr));
}

#[test]
fn a_granted_request_is_explained_with_its_line() {
    let node = node_of("Family");
    let output = node.agent(&["auth", "can", "read", "family/token"]).ended(0);
    let explained = node.agent(&["auth", "explain", "read", "shared/geo-au"]).ended(0);
    node.frozen(|| {
        insta::assert_snapshot!("granted_can", output.stdout);
        insta::assert_snapshot!("granted_explain", explained.stdout);
    });
    let json = node.agent(&["auth", "can", "connect", "analytics", "--as", "read_only", "--json"]).ended(0).json();
    assert_eq!((&json["allowed"], &json["rule"]["line"]), (&true.into(), &19.into()), "{json:#}");
    let json = node.agent(&["auth", "can", "read", "criminal", "--json"]).ended(2).json();
    assert_eq!((&json["allowed"], json["rule"].is_null()), (&false.into(), true), "{json:#}");
}

#[test]
fn an_invalid_request_is_refused() {
    let node = node_of("Family");
    for question in [
        &["auth", "can", "connect", "analytics"][..],
        &["auth", "can", "read", "family", "--as", "x"],
        &["auth", "can", "write", "family"],
    ] {
        assert_eq!(node.agent(question).ended(2).stdout, "", "{question:?}");
    }
}

#[test]
fn without_an_access_file_the_output_says_so() {
    let node = NodeTest::new().profile(&profile_of("family")).var("FAMILY_TOKEN", MARKER);
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
    let output = node.agent(&["auth", "can", "read", "family"]).ended(0);
    assert!(output.stdout.contains("no access file"), "{}", output.stdout);
    let explained = node.agent(&["auth", "explain", "read", "family/token"]).ended(0);
    let who = node.agent(&["auth", "whoami"]).ended(0);
    node.frozen(|| {
        insta::assert_snapshot!("off_explain", explained.stdout);
        insta::assert_snapshot!("off_whoami", without_uid(&who.stdout));
    });
}

#[test]
fn whoami_prints_the_names_of_access_files() {
    let node = node_of("Family").file("etc/passwd", &passwd());
    let output = node.agent(&["auth", "whoami"]).ended(0);
    node.frozen(|| insta::assert_snapshot!("whoami", without_uid(&output.stdout)));
    let json = node.agent(&["auth", "whoami", "--json"]).ended(0).json();
    assert_eq!(json["names"], serde_json::json!(["cluster:Family@Prod", "local:somebody"]));
    assert!(json["databricks"].is_null() && json["unknown"].as_array().is_some_and(Vec::is_empty), "{json:#}");
}

fn without_uid(text: &str) -> String {
    text.replace(&format!("(uid {})", nix::unistd::Uid::effective()), "(uid [UID])")
}

/// A user name for the user id of the test.
fn passwd() -> String {
    format!("somebody:x:{}:0::/root:/bin/sh\n", nix::unistd::Uid::effective())
}

#[test]
fn every_decision_and_every_fetch_is_logged_without_values() {
    let node = node_of("Family")
        .file("etc/passwd", &format!("{}root:x:{}:0::/root:/bin/sh\n", passwd(), nix::unistd::Uid::effective()))
        .profile(&profile_of("family"))
        .var("FAMILY_TOKEN", MARKER);
    let target = node.beside("reports");
    let copied = target.to_str().expect("UTF-8");
    node.agent(&["run", "--profile", "x.toml", "--quiet", "--report-to", copied]).ended(0);
    let run = entries(&node.root().join("var/log/nodeagent")).into_iter().find(|path| path.is_dir()).expect("a run");
    let name = run.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
    let log = format!("var/log/nodeagent/{name}/audit.jsonl");
    assert_eq!(node.mode(&log), 0o600);
    let text = node.read(&log);
    let copy = entries(&target).into_iter().next().expect("a copy").join("audit.jsonl");
    assert_eq!(fs::read_to_string(copy).expect("it was copied"), text);
    // A command outside a run.
    node.agent(&["auth", "can", "read", "criminal"]).ended(2);
    node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    let outside = node.read("var/log/nodeagent/audit.jsonl");
    assert_eq!(node.mode("var/log/nodeagent/audit.jsonl"), 0o600);
    node.frozen(|| {
        insta::assert_snapshot!("audit_run", text);
        insta::assert_snapshot!("audit_outside", outside);
    });
    let delivered = node.files_with(MARKER);
    assert_eq!(delivered, [PathBuf::from("node/run/nodeagent/secrets/token")]);
}

#[test]
fn a_failed_fetch_is_logged() {
    let node = node_of("Family").profile(&profile_of("family"));
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
    let runs = entries(&node.root().join("var/log/nodeagent"));
    let run = runs.iter().find(|path| path.is_dir()).expect("a run");
    let text = fs::read_to_string(run.join("audit.jsonl")).expect("it is there");
    let last: serde_json::Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["event"], &last["outcome"]), (&"fetch".into(), &"not-set".into()), "{text}");
}

#[test]
fn a_readable_tree_of_another_unit_fails_the_audit() {
    let node = node_of("Family");
    let output = node.agent(&["auth", "audit"]).ended(1);
    node.frozen(|| {
        insta::assert_snapshot!("audit_table", output.stdout);
        insta::assert_snapshot!("audit_output", output.stderr);
    });
    let json = node.agent(&["auth", "audit", "--json"]).ended(1).json();
    assert_eq!(json["resources"].as_array().map(Vec::len), Some(3), "{json:#}");
}

#[test]
fn a_closed_tree_passes_the_audit() {
    let node = node_of("Family");
    let store = node.beside("store");
    let store = store.to_str().expect("UTF-8");
    let closed = Path::new(store).join("Criminal");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("it is ours");
    let root = node.root();
    let root = root.to_str().expect("UTF-8");
    let Some(output) = node.agent_as_unprivileged_user(&["--root", root, "--filestore", store, "auth", "audit"]) else {
        return; // only root can change its user
    };
    // Without a configured workspace, scopes were not tested and are not reported as closed.
    let output = output.ended(1);
    assert!(output.stdout.contains("tree  Criminal  closed"), "{}", output.stdout);
    assert!(output.stderr.starts_with("error: no Databricks workspace is configured"), "{}", output.stderr);
    assert!(!output.stderr.contains("should be closed"), "{}", output.stderr);
}

#[test]
fn a_tree_that_refuses_its_listing_and_serves_files_is_open() {
    for file in ["init_scripts/criminal.toml", "lib/tools.whl", "init_scripts/lib/tools.whl"] {
        let family = "schema = 1\nname = \"family\"\n[wheel]\nfiles = [{ path = \"lib/tools.whl\" }]\n";
        let node = node_of("Family")
            .store("Family/init_scripts/family.toml", family)
            .store(&format!("Criminal/{file}"), "x")
            .store("Criminal/init_scripts/lib/.keep", "");
        let (root, store) = (node.root(), node.beside("store"));
        let (root, store) = (root.to_str().expect("UTF-8"), store.to_str().expect("UTF-8"));
        for folder in ["", "init_scripts"] {
            let closed = Path::new(store).join("Criminal").join(folder);
            fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).expect("it is ours");
        }
        let audit = ["--root", root, "--filestore", store, "auth", "audit"];
        let Some(output) = node.agent_as_unprivileged_user(&audit) else { return };
        let output = output.ended(1);
        let row = format!("no listing, but `{store}/Criminal/{file}` can be read");
        assert!(output.stdout.contains("tree  Criminal  OPEN") && output.stdout.contains(&row), "{}", output.stdout);
        assert!(output.stderr.contains("tree Criminal"), "{}", output.stderr);
        // The names alone do not open a file.
        let closed = Path::new(store).join("Criminal").join(file);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).expect("it is ours");
        let output = node.agent_as_unprivileged_user(&audit).expect("the user is changed again").ended(1);
        assert!(output.stdout.contains("tree  Criminal  closed"), "{}", output.stdout);
    }
}

#[test]
fn a_remote_tree_that_refuses_its_listing_and_serves_files_is_open() {
    let folder = |name: &str| format!("{{\"path\":\"/FileStore/{name}\",\"is_dir\":true,\"file_size\":0}}");
    let trees = format!("{{\"files\":[{},{},{}]}}", folder("Admin"), folder("Criminal"), folder("Finance"));
    let server = TestServer::start(move |request, _| {
        let asked = request.query().get("path").cloned().unwrap_or_default();
        match (request.path(), asked.as_str()) {
            ("/api/2.0/dbfs/list", "/FileStore") => ok(&trees),
            ("/api/2.0/dbfs/list", path) if !path.starts_with("/FileStore/Admin") => {
                reply("403 Forbidden", "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no listing\"}")
            }
            ("/api/2.0/dbfs/read", "/FileStore/Criminal/init_scripts/criminal.toml") => {
                ok("{\"bytes_read\":1,\"data\":\"cw==\"}")
            }
            ("/api/2.0/secrets/scopes/list", _) => ok("{}"),
            _ => reply("404 Not Found", "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\",\"message\":\"none\"}"),
        }
    });
    let node = NodeTest::new()
        .var("DATABRICKS_HOST", server.url.as_str())
        .var("DATABRICKS_TOKEN", "dapi-hunter2")
        .var("DB_CLUSTER_NAME", "Prod-Operational-Family-15.4-x-1");
    let output = node.agent_without_store(&["--filestore", "dbfs:/FileStore", "auth", "audit"]).ended(1);
    let open = "no listing, but `dbfs:/FileStore/Criminal/init_scripts/criminal.toml` can be read";
    assert!(output.stdout.contains(open), "{}", output.all());
    assert!(output.stdout.contains("tree  Finance   closed"), "{}", output.all());
}

#[test]
fn a_node_that_requires_an_access_file_allows_nothing_without_one() {
    let node = NodeTest::new().var("FAMILY_TOKEN", "hunter2").store("Family/x", "");
    let get = ["secrets", "get", "token", "--source", "env", "--scope", "family"];
    node.agent(&get).ended(0);
    let node = node.file("etc/nodeagent.toml", "access = \"required\"\n");
    let output = node.agent(&get).ended(2);
    assert!(output.stderr.contains("access.toml` is missing, and this node requires one"), "{}", output.stderr);
    let node = node.file("etc/nodeagent.toml", "access = \"never\"\n");
    let output = node.agent(&get).ended(2);
    assert!(output.stderr.contains("etc/nodeagent.toml:1:10"), "{}", output.stderr);
}

#[test]
fn the_node_file_has_precedence_over_a_variable() {
    let node = NodeTest::new().store("Admin/init_scripts/nightly.toml", "schema = 1\nname = \"nightly\"\n");
    let line = format!("filestore = \"{}\"\n", node.beside("store").display());
    let node = node.var("NODEAGENT_FILESTORE", "/nonexistent/store");
    node.agent_without_store(&["check", "nightly"]).ended(2);
    let node = node.file("etc/nodeagent.toml", &line);
    node.agent_without_store(&["check", "nightly"]).ended(0);
}

#[test]
fn the_names_at_another_address_require_a_grant_for_that_address() {
    const LIST: [&str; 4] = ["secrets", "list", "--scope", "family"];
    let node = node_of("Family").var("FAMILY_TOKEN", "hunter2");
    node.agent(&[&LIST[..], &["--source", "env"]].concat()).ended(0);
    for more in
        [["--source", "credstash", "--table", "criminal"], ["--source", "azure-key-vault", "--vault", "criminal"]]
    {
        let output = node.agent(&[&LIST[..], &more].concat()).ended(2);
        assert!(output.stderr.contains("may not be read"), "{}", output.stderr);
    }
}

#[test]
fn a_run_without_its_audit_log_is_refused_if_the_node_requires_access_control() {
    let access = "schema = 1\n";
    let node = NodeTest::new()
        .store("Admin/init_scripts/access.toml", access)
        .file("etc/nodeagent.toml", "access = \"required\"\n")
        .profile("[files.\"/etc/made\"]\ntext = \"A\"\n");
    // A file is in the place of the folder of runs.
    let node = node.file("var/log/nodeagent", "");
    let said = node.agent(&["run", "--profile", "x.toml"]).ended(2).all();
    assert!(said.contains("the audit log cannot be written"), "{said}");
    assert!(!node.root().join("etc/made").exists());
}
