//! `run` on a fake node without package tools: shell configuration and secrets.

use std::fs::File;

use nix::fcntl::{Flock, FlockArg};

use crate::support::{NodeTest, TOKEN_OF_FAMILY, entries, without_progress};

const SHELL: &str = r#"
[shell]
users = ["root", "analyst"]
bashrc = { file = "prompt.sh" }
vimrc = { text = "set number" }

[shell.profile-d]
proxy = { text = "export https_proxy=http://proxy.example.org:3128" }

[shell.variables]
GREETING = "it's ${node.os}"
"#;

const SHARED: &str = r#"
[[secrets.items]]
key = "shared"
env = "SHARED"
to = { file = "/etc/inhouse/shared", mode = "0440", owner = "root:analysts" }
"#;

fn profile() -> String {
    format!("{SHELL}{TOKEN_OF_FAMILY}{SHARED}")
}

fn node() -> NodeTest {
    NodeTest::new()
        .profile(&profile())
        .work("prompt.sh", "export PS1='\\u \\w \\$ '\r\n")
        .file("root/.bashrc", "alias ll='ls -l'\n")
        .var("FAMILY_TOKEN", "marker-hunter2")
        .var("SHARED", "marker-shared")
}

const RUN: [&str; 3] = ["run", "--profile", "x.toml"];

#[test]
fn a_run_makes_the_node_match_its_profile() {
    let node = node();
    let output = node.agent(&RUN).ended(0);
    assert_eq!(output.stdout, "");
    assert_eq!(
        node.read("root/.bashrc"),
        "alias ll='ls -l'\n# >>> nodeagent >>>\nexport PS1='\\u \\w \\$ '\n# <<< nodeagent <<<\n"
    );
    assert_eq!(node.read("home/analyst/.vimrc"), "\" >>> nodeagent >>>\nset number\n\" <<< nodeagent <<<\n");
    assert_eq!(node.read("etc/profile.d/proxy.sh"), "export https_proxy=http://proxy.example.org:3128\n");
    assert!(node.read("etc/profile.d/nodeagent-variables.sh").contains("export GREETING='it'\\''s debian'\n"));
    assert_eq!(node.read("run/nodeagent/secrets/token"), "marker-hunter2");
    assert_eq!(node.mode("run/nodeagent/secrets/token"), 0o400);
    assert_eq!(node.mode("run/nodeagent/secrets"), 0o711);
    assert_eq!((node.read("etc/inhouse/shared").as_str(), node.mode("etc/inhouse/shared")), ("marker-shared", 0o440));
    assert_eq!(node.mode("etc/profile.d/proxy.sh"), 0o644);
    node.frozen(|| insta::assert_snapshot!(without_progress(&output.stderr)));
}

#[test]
fn a_second_run_changes_no_file_and_no_time() {
    let node = node();
    node.agent(&RUN).ended(0);
    let before = node.listing();
    let output = node.agent(&RUN).ended(0);
    assert_eq!(node.changes_since(&before), [""; 0]);
    node.frozen(|| insta::assert_snapshot!(without_progress(&output.stderr)));
    let plan = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    assert!(plan.stdout.contains("nothing to do: the node is ready"), "{}", plan.stdout);
}

#[test]
fn lines_of_users_around_the_block_stay() {
    let node = node();
    node.agent(&RUN).ended(0);
    let edited = format!("# before\n{}# after\n", node.read("root/.bashrc"));
    let node = node.file("root/.bashrc", &edited).work("prompt.sh", "export PS1='new '\n");
    node.agent(&RUN).ended(0);
    assert_eq!(
        node.read("root/.bashrc"),
        "# before\nalias ll='ls -l'\n# >>> nodeagent >>>\nexport PS1='new '\n# <<< nodeagent <<<\n# after\n"
    );
}

#[test]
fn damage_is_repaired_and_nothing_else_is_changed() {
    let node = node();
    node.agent(&RUN).ended(0);
    let before = node.listing();
    let node = node.file_of_mode("run/nodeagent/secrets/token", "marker-hunter2", 0o644);
    let report = node.agent(&[&RUN[..], &["--json"]].concat()).ended(0).json();
    let steps: Vec<&str> =
        report["steps"].as_array().expect("a list").iter().filter_map(|step| step["id"].as_str()).collect();
    assert_eq!(steps, ["secret:family/token"]);
    assert_eq!(node.mode("run/nodeagent/secrets/token"), 0o400);
    let changes = node.changes_since(&before);
    let other: Vec<_> = changes
        .iter()
        .filter(|path| !path.starts_with("node/run/nodeagent/secrets") && !path.starts_with("node/var/lib/nodeagent"))
        .collect();
    assert_eq!(other, [""; 0]);
}

#[test]
fn a_profile_with_the_line_ends_of_windows_writes_none_of_them() {
    let text = format!(
        "\u{feff}schema = 1\nname = \"x\"\n{}\n[shell.profile-d.two]\ntext = \"\"\"\na\nb\n\"\"\"\n",
        profile()
    );
    let node = node().work("x.toml", &text.replace('\n', "\r\n"));
    node.agent(&RUN).ended(0);
    assert_eq!(node.read("etc/profile.d/two.sh"), "a\nb\n");
    for path in ["root/.bashrc", "home/analyst/.vimrc", "etc/profile.d/nodeagent-variables.sh"] {
        assert!(!node.read(path).contains('\r'), "{path}");
    }
    // The same profile with other line ends asks for the same node.
    let unix = node.work("x.toml", &text);
    let plan = unix.agent(&["plan", "--profile", "x.toml"]).ended(0);
    assert!(plan.stdout.contains("nothing to do"), "{}", plan.stdout);
}

#[test]
fn quiet_prints_nothing_after_success() {
    let node = node();
    for _ in 0..2 {
        let output = node.agent(&[&RUN[..], &["--quiet"]].concat()).ended(0);
        assert_eq!(output.all(), "");
    }
}

#[test]
fn a_report_in_json_is_the_stored_report() {
    let node = node();
    let output = node.agent(&[&RUN[..], &["--json", "--quiet"]].concat()).ended(0);
    assert_eq!(output.stderr, "");
    let report = output.json();
    assert_eq!(
        (&report["format"], &report["outcome"], &report["exit-code"]),
        (&1.into(), &"done".into(), &0.into()),
        "{report:#}"
    );
    assert_eq!(node.agent(&["report", "show", "--json"]).ended(0).json(), report);
    let run = report["run"].as_str().expect("a run has a name");
    let folder = node.root().join("var/log/nodeagent").join(run);
    let events = std::fs::read_to_string(folder.join("events.jsonl")).expect("events are kept");
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("an event is JSON");
        assert!(event["time"].is_string(), "{event}");
    }
}

#[test]
fn a_report_is_copied_to_the_requested_folder() {
    let node = node().var("DB_CLUSTER_ID", "0712-family").var("DB_CONTAINER_IP", "10.0.0.7");
    let target = node.beside("reports");
    let target_text = target.to_str().expect("UTF-8");
    node.agent(&[&RUN[..], &["--report-to", target_text]].concat()).ended(0);
    let copies = entries(&target);
    assert_eq!(copies.len(), 1);
    let name = copies[0].file_name().and_then(|name| name.to_str()).expect("UTF-8");
    assert!(name.ends_with("-0712-family-10.0.0.7"), "{name}");
    assert!(copies[0].join("report.json").is_file() && copies[0].join("events.jsonl").is_file());
    let shown = node.agent(&["report", "show", copies[0].to_str().expect("UTF-8")]).ended(0);
    assert!(shown.stdout.contains("profile"), "{}", shown.stdout);
}

#[test]
fn a_report_that_cannot_be_copied_fails_no_run() {
    let node = node();
    let target = node.beside("desk/x.toml");
    let output =
        node.agent(&[&RUN[..], &["--quiet", "--report-to", target.to_str().expect("UTF-8")]].concat()).ended(0);
    assert!(output.stderr.starts_with("warning: the report was not copied to"), "{}", output.stderr);
}

const OPTIONAL_SECRET: &str = "[shell.variables]\nA = \"b\"\n[secrets]\nsource = \"env\"\nscope = \"family\"\n\
    items = [{ key = \"token\", optional = true, to = { file = \"/run/token\" } }]\n";

#[test]
fn an_optional_step_that_fails_degrades_the_run_and_counts_only_when_asked() {
    let node = NodeTest::new().profile(OPTIONAL_SECRET);
    let output = node.agent(&RUN).ended(0);
    assert!(node.read("etc/profile.d/nodeagent-variables.sh").contains("export A='b'"));
    node.frozen(|| insta::assert_snapshot!(without_progress(&output.stderr)));
    node.agent(&[&RUN[..], &["--strict"]].concat()).ended(3);
    let quiet = node.agent(&[&RUN[..], &["--strict", "--quiet"]].concat()).ended(3);
    assert!(quiet.stderr.contains("FAMILY_TOKEN") && quiet.stderr.lines().count() <= 10, "{}", quiet.stderr);
    let fixed = node.var("FAMILY_TOKEN", "x");
    fixed.agent(&[&RUN[..], &["--strict"]].concat()).ended(0);
}

#[test]
fn a_run_waits_for_another_and_gives_up_at_its_deadline() {
    let node = NodeTest::new().profile("[shell.variables]\nA = \"b\"\n").file("var/lib/nodeagent/lock", "4711");
    let lock = File::options().write(true).open(node.root().join("var/lib/nodeagent/lock")).expect("it is there");
    let held = Flock::lock(lock, FlockArg::LockExclusiveNonblock).expect("the lock is free");
    let output = node.agent(&[&RUN[..], &["--deadline", "700ms"]].concat()).ended(4);
    assert!(!node.root().join("etc/profile.d").exists(), "nothing was done");
    assert!(output.stderr.contains("lock, held by nodeagent (pid 4711)"), "{}", output.stderr);
    node.frozen(|| insta::assert_snapshot!(without_progress(&output.stderr)));
    drop(held);
    node.agent(&[&RUN[..], &["--deadline", "30s"]].concat()).ended(0);
}

#[test]
fn a_ready_node_waits_for_no_other_run() {
    let node = node();
    node.agent(&RUN).ended(0);
    let lock = File::options().write(true).open(node.root().join("var/lib/nodeagent/lock")).expect("it is there");
    let _held = Flock::lock(lock, FlockArg::LockExclusiveNonblock).expect("the lock is free");
    node.agent(&[&RUN[..], &["--deadline", "5s"]].concat()).ended(0);
}

#[test]
fn a_target_that_cannot_be_written_fails_its_step_and_no_other() {
    // A folder is in the way of the file; root is stopped by it, too.
    let node = NodeTest::new()
        .file("run/token/x", "")
        .var("FAMILY_TOKEN", "marker-hunter2")
        .profile(&OPTIONAL_SECRET.replace(" optional = true,", ""));
    let output = node.agent(&[&RUN[..], &["--quiet"]].concat()).ended(1);
    assert!(node.root().join("etc/profile.d/nodeagent-variables.sh").is_file());
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}
