//! The value of a secret appears only in its file: one marker, every command, every file.

use std::path::PathBuf;

use crate::support::{MARKER, NodeTest, TOKEN_OF_FAMILY};

const SHELL: &str = r#"
[vars]
tier = "gold"

[shell]
bashrc = { text = "export TIER=${vars.tier}" }
"#;

const BLOCKED: &str = r#"
[[secrets.items]]
key = "blocked"
env = "FAMILY_TOKEN"
optional = true
to = { file = "/run/blocked" }
"#;

fn node() -> NodeTest {
    // A folder has the path of the second secret: that step fails.
    NodeTest::new()
        .profile(&format!("{SHELL}{TOKEN_OF_FAMILY}{BLOCKED}"))
        .var("FAMILY_TOKEN", MARKER)
        .file("run/blocked/x", "")
}

#[test]
fn no_output_and_no_other_file_contains_a_secret() {
    let node = node();
    let target = node.beside("reports");
    let target = target.to_str().expect("UTF-8");
    for arguments in [
        &["check", "--show", "x.toml"][..],
        &["plan", "--profile", "x.toml"],
        &["plan", "--profile", "x.toml", "--json"],
        &["run", "--profile", "x.toml", "--dry-run"],
        &["run", "--profile", "x.toml", "-v", "--report-to", target],
        &["run", "--profile", "x.toml", "--json", "-v"],
        &["run", "--profile", "x.toml", "--strict"],
        &["report", "show"],
        &["report", "show", "--json"],
        &["report", "blame"],
    ] {
        let output = node.agent(arguments);
        assert!(!output.all().contains(MARKER), "{arguments:?}: {}", output.all());
    }
    assert_eq!(node.files_with(MARKER), [PathBuf::from("node/run/nodeagent/secrets/token")]);
}

#[test]
fn a_profile_cannot_read_the_environment() {
    let node = node().profile("[shell.variables]\nTOKEN = \"${env.FAMILY_TOKEN}\"\n");
    let output = node.agent(&["plan", "--profile", "x.toml"]).ended(2);
    assert!(output.stderr.contains("is not a known value") && !output.all().contains(MARKER), "{}", output.stderr);
}

#[test]
fn a_secret_from_a_file_is_delivered_unchanged() {
    let node = NodeTest::new().store("vault/family/token", "marker-hunter2\n");
    let path = node.beside("store/vault").display().to_string();
    let node = node.profile(&format!(
        "[secrets]\nsource = \"file\"\npath = \"{path}\"\nscope = \"family\"\n\
         items = [{{ key = \"token\", to = {{ file = \"/run/token\" }} }}]\n"
    ));
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
    assert_eq!((node.read("run/token").as_str(), node.mode("run/token")), ("marker-hunter2\n", 0o400));
}

#[test]
fn a_changed_secret_is_delivered_again() {
    let node = node();
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
    let node = node.var("FAMILY_TOKEN", "rotated");
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
    assert_eq!(node.read("run/nodeagent/secrets/token"), "rotated");
    assert!(node.files_with(MARKER).is_empty());
}

#[test]
fn a_failure_of_nodeagent_itself_shows_no_secret() {
    // The report folder is a file: no report can be written, and everything is printed on standard error.
    let node = node().file("var/log/nodeagent", "");
    let output = node.agent(&["run", "--profile", "x.toml", "-v"]).ended(0);
    assert!(output.stderr.contains("warning: "), "{}", output.stderr);
    assert!(!output.all().contains(MARKER));
}
