//! The stage after the launch on a fake node: its process waits for a file of the node. Real nodes are in
//! `tests/container`.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    stages,
    support::{MARKER, NodeTest},
};

const READY: &str = "[post-start]\nready = { path = \"/tmp/driver-env.sh\", timeout = \"60s\" }\n";
const VARS: &str = "[vars]\nui-port = { file = '/tmp/driver-env.sh', match = 'CONF_UI_PORT=(\\d+)' }\n";
const FILES: &str = r#"
[files]
"/etc/agent/early.conf" = { text = "early" }
"/etc/agent/spark.yaml" = { text = "url: http://127.0.0.1:${vars.ui-port}", stage = "post-start" }
"#;

fn node(profile: &str) -> NodeTest {
    NodeTest::new().profile(profile)
}

fn profile() -> String {
    format!("{VARS}{FILES}{READY}")
}

fn launch(node: &NodeTest) -> String {
    node.agent(&["run", "--profile", "./x.toml"]).ended(0).all()
}

/// The driver writes its environment.
fn start_driver(node: NodeTest) -> NodeTest {
    node.file("tmp/driver-env.sh", "export CONF_UI_PORT=40001\n")
}

/// The report of the only stage.
fn ended_stage(node: &NodeTest) -> Value {
    stages::ended(node, 1).remove(0)
}

#[test]
fn the_stage_waits_until_the_node_is_ready_and_uses_its_values() {
    let node = node(&profile());
    let said = launch(&node);
    assert!(said.contains("after the launch: 1 step"), "{said}");
    assert_eq!(node.read("etc/agent/early.conf"), "early\n");
    assert!(!node.root().join("etc/agent/spark.yaml").exists());
    let node = start_driver(node);
    let report = ended_stage(&node);
    assert_eq!((&report["outcome"], &report["exit-code"]), (&"done".into(), &0.into()), "{report:#}");
    assert_eq!(node.read("etc/agent/spark.yaml"), "url: http://127.0.0.1:40001\n");
    let ids: Vec<&Value> = report["steps"].as_array().expect("a list").iter().map(|step| &step["id"]).collect();
    assert_eq!(ids, ["files:/etc/agent/spark.yaml"]);
    assert_eq!(report["steps"][0]["origins"][0]["file"], "x.toml");
    assert!(report["waits"][0]["lock"] == "/tmp/driver-env.sh" && !report["waits"][0]["finished"].is_null());
    // The report of the launch lists the entry.
    let launched = node.agent(&["report", "list"]).ended(0).stdout;
    assert!(launched.contains("1 step\n") && launched.contains("1 step, post-start\n"), "{launched}");

    // A second launch and its stage change nothing.
    let etc = || node.listing().into_iter().filter(|line| line.contains("node/etc")).collect::<Vec<_>>();
    let before = etc();
    let said = launch(&node);
    assert!(said.contains("nothing to do"), "{said}");
    let second = stages::ended(&node, 2).remove(1);
    assert_eq!((&second["outcome"], &second["steps"]), (&"done".into(), &Value::Array(Vec::new())), "{second:#}");
    assert_eq!(etc(), before);
}

#[test]
fn a_plan_has_the_later_steps_in_a_part_of_their_own_and_starts_nothing() {
    let rest = "[hooks.x]\ncommand = [\"/opt/x\", \"${vars.ui-port}\"]\nstage = \"post-start\"\noptional = true\n";
    let node = node(&format!("{}{rest}", profile()));
    let before = node.listing();
    let planned = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    node.frozen(|| insta::assert_snapshot!(planned.stdout));
    let dry = node.agent(&["run", "--dry-run", "--profile", "x.toml"]).ended(0);
    assert_eq!(dry.stdout, planned.stdout);
    let json = node.agent(&["plan", "--profile", "x.toml", "--json"]).ended(0).json();
    let later = &json["post-start"];
    assert_eq!((&later["ready"], &later["timeout-seconds"]), (&"/tmp/driver-env.sh".into(), &60.into()));
    assert_eq!(later["steps"][1]["entry"], "hooks.x");
    assert_eq!(later["steps"][1]["order"][0]["entry"], "files./etc/agent/spark.yaml");
    assert_eq!(node.changes_since(&before), [""; 0]);
    let direct = node.agent(&["run", "--stage", "post-start", "--profile", "x"]).ended(2);
    assert!(
        direct.stderr.contains("no entries of the stage `post-start` are waiting for the profile `x`"),
        "{}",
        direct.stderr
    );
}

#[test]
fn the_stage_runs_the_profile_and_the_files_of_the_launch() {
    let profile = format!(
        "business-unit = \"Family\"\nextends = [\"shared\"]\n{VARS}[files]\n\"/etc/a\" = {{ from = \"lib/a.conf\", stage \
         = \"post-start\" }}\n\"/etc/many/\" = \"lib/*.conf\"\n\"/etc/later/\" = {{ from = \"lib/*.conf\", stage = \
         \"post-start\" }}\n\"/etc/b\" = {{ from = \"b.tmpl\", template = true, stage = \"post-start\" }}\n{READY}"
    );
    let shared =
        "schema = 1\nname = \"shared\"\n[files]\n\"/etc/c\" = { text = \"launched\", stage = \"post-start\" }\n";
    let node = NodeTest::new()
        .store("Family/init_scripts/family.toml", &format!("schema = 1\nname = \"family\"\n{profile}"))
        .store("Admin/init_scripts/shared.toml", shared)
        .store("Family/lib/a.conf", "launched\n")
        .store("Family/b.tmpl", "port ${vars.ui-port}\n");
    node.agent(&["run", "--profile", "family"]).ended(0);
    let node = node
        .store("Family/init_scripts/family.toml", "broken")
        .store("Admin/init_scripts/shared.toml", "broken")
        .store("Family/lib/a.conf", "changed\n");
    fs::remove_file(node.beside("store/Family/b.tmpl")).expect("it is there");
    let node = start_driver(node);
    let report = ended_stage(&node);
    assert_eq!(report["outcome"], "done", "{report:#}");
    let read = ["a", "b", "c", "later/a.conf"].map(|name| node.read(&format!("etc/{name}")));
    assert_eq!(read, ["launched\n", "port 40001\n", "launched\n", "launched\n"]);
    let file = report["steps"][2]["origins"][0]["file"].as_str().expect("a file").to_owned();
    assert!(file.ends_with("store/Admin/init_scripts/shared.toml") && !file.contains("post-start"), "{file}");
    let kept = node.root().join("var/lib/nodeagent/post-start/family");
    assert_eq!(
        fs::metadata(kept).expect("the copies").permissions(),
        std::os::unix::fs::PermissionsExt::from_mode(0o40700)
    );
}

#[test]
fn a_missing_file_of_a_later_entry_refuses_the_launch() {
    let profile = format!("[files]\n\"/etc/a\" = {{ from = \"no.conf\", stage = \"post-start\" }}\n{READY}");
    let node = node(&profile);
    let before = node.listing();
    let said = node.agent(&["run", "--profile", "x.toml"]).ended(2).stderr;
    assert!(said.contains("the file `no.conf` is not in the file store"), "{said}");
    assert_eq!(node.changes_since(&before), [""; 0]);
}

#[test]
fn other_nodes_than_drivers_of_databricks_need_a_test() {
    let entry = "[files]\n\"/etc/a\" = { text = \"a\", stage = \"post-start\" }\n";
    let missing = node(entry).agent(&["plan", "--profile", "x.toml"]).ended(2).stderr;
    assert!(missing.contains("`stage = \"post-start\"` needs `ready`") && missing.contains("x.toml:4:"), "{missing}");
    let driver = |is_driver: &str| {
        let node = node(entry).var("DB_IS_DRIVER", is_driver).var("DATABRICKS_RUNTIME_VERSION", "15.4");
        node.agent(&["plan", "--profile", "x.toml"])
    };
    assert!(driver("TRUE").ended(0).stdout.contains("when `ready` succeeds: /tmp/driver-env.sh"));
    driver("FALSE").ended(2);
    // An entry that does not apply needs no test.
    let elsewhere = entry.replace("stage", "when = { gpu = true }, stage");
    node(&elsewhere).agent(&["plan", "--profile", "x.toml"]).ended(0);
}

#[test]
fn a_node_that_is_not_ready_in_time_gives_a_failed_report() {
    let node = node(&profile().replace("60s", "1s"));
    launch(&node);
    let report = ended_stage(&node);
    assert_eq!((&report["outcome"], &report["exit-code"]), (&"failed".into(), &1.into()));
    let message = report["refusals"][0]["message"].as_str().expect("a message");
    assert!(message.starts_with("the node was not ready after 1s: `/tmp/driver-env.sh` cannot be read"), "{message}");
    assert!(!node.root().join("etc/agent/spark.yaml").exists());
    // The next launch converges.
    let node = start_driver(node);
    launch(&node);
    assert_eq!(stages::ended(&node, 2)[1]["outcome"], "done");
    assert_eq!(node.read("etc/agent/spark.yaml"), "url: http://127.0.0.1:40001\n");
}

#[test]
fn a_variable_without_a_value_refuses_the_stage_and_not_the_launch() {
    let node = node(&profile()).file("tmp/driver-env.sh", "nothing\n");
    launch(&node);
    let report = ended_stage(&node);
    assert_eq!((&report["outcome"], &report["exit-code"]), (&"refused".into(), &2.into()));
    let message = report["refusals"][0]["message"].as_str().expect("a message");
    assert!(message.contains("`${vars.ui-port}` has no value on this node"), "{message}");
}

#[test]
fn a_failed_step_of_the_stage_leaves_the_launch_alone() {
    let hook = "[hooks.x]\ncommand = [\"false\"]\nstage = \"post-start\"\n";
    let node = start_driver(node(&format!("{}{hook}", profile())));
    launch(&node);
    let report = ended_stage(&node);
    assert_eq!((&report["outcome"], &report["exit-code"]), (&"failed".into(), &1.into()), "{report:#}");
    assert_eq!(node.read("etc/agent/spark.yaml"), "url: http://127.0.0.1:40001\n");
}

#[test]
fn a_later_launch_replaces_a_stage_that_waits() {
    let node = node(&profile());
    launch(&node);
    let node = node.profile(&profile().replace("url:", "address:"));
    launch(&node);
    let replaced = ended_stage(&node);
    assert_eq!(replaced["outcome"], "interrupted");
    assert_eq!(replaced["warnings"][0], "a later launch run has replaced this stage");
    let node = start_driver(node);
    assert_eq!(stages::ended(&node, 2)[1]["outcome"], "done");
    assert_eq!(node.read("etc/agent/spark.yaml"), "address: http://127.0.0.1:40001\n");
    let left = fs::read_dir(node.root().join("var/lib/nodeagent/post-start/x")).expect("the folder of the stage");
    let folders = left.filter(|entry| entry.as_ref().expect("readable").path().is_dir()).count();
    assert_eq!(folders, 1, "the copies of the first launch are removed");
}

#[test]
fn a_launch_without_later_entries_ends_a_stage_that_waits() {
    let node = node(&profile());
    launch(&node);
    let node = node.profile("[files]\n\"/etc/agent/early.conf\" = { text = \"early\" }\n");
    launch(&node);
    assert_eq!(ended_stage(&node)["outcome"], "interrupted");
    let node = start_driver(node);
    std::thread::sleep(Duration::from_millis(500));
    assert!(!node.root().join("etc/agent/spark.yaml").exists());
}

#[test]
fn each_stage_keeps_the_items_of_the_other_and_a_launch_takes_back_what_is_no_longer_named() {
    let two = format!("{VARS}{FILES}\"/etc/agent/two.conf\" = {{ text = \"two\", stage = \"post-start\" }}\n{READY}");
    let node = start_driver(node(&two));
    launch(&node);
    ended_stage(&node);
    assert_eq!(node.read("etc/agent/two.conf"), "two\n");
    // The stage keeps what the launch made, and a launch what the stage made.
    for count in [2, 3] {
        launch(&node);
        stages::ended(&node, count);
        for name in ["early.conf", "spark.yaml", "two.conf"] {
            assert!(node.root().join("etc/agent").join(name).exists(), "{name}");
        }
    }
    let node = node.profile(&profile());
    let said = node.agent(&["plan", "--profile", "./x.toml"]).ended(0).stdout;
    assert!(said.contains("take-back:/etc/agent/two.conf") && !said.contains("take-back:/etc/agent/spark"), "{said}");
    launch(&node);
    assert!(!node.root().join("etc/agent/two.conf").exists(), "the launch takes it back");
    stages::ended(&node, 4);
    // An entry may move between the stages.
    let moved = format!(
        "{VARS}{}{READY}",
        FILES.replace("{ text = \"early\" }", "{ text = \"early\", stage = \"post-start\" }")
    );
    let node = node.profile(&moved);
    let said = launch(&node);
    assert!(said.contains("nothing to do"), "{said}");
    stages::ended(&node, 5);
    assert_eq!(node.read("etc/agent/early.conf"), "early\n");
    let node = node.profile("");
    launch(&node);
    for name in ["early.conf", "spark.yaml"] {
        assert!(!node.root().join("etc/agent").join(name).exists(), "{name}");
    }
}

#[test]
fn a_killed_stage_is_repeated_by_the_next_launch() {
    let node = node(&profile());
    launch(&node);
    let lock = node.root().join("var/lib/nodeagent/post-start/x/lock");
    let began = Instant::now();
    let process = loop {
        match fs::read_to_string(&lock).ok().and_then(|text| text.trim().parse::<i32>().ok()) {
            Some(process) => break nix::unistd::Pid::from_raw(process),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
        assert!(began.elapsed() < stages::LIMIT, "the stage takes its lock");
    };
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL).expect("it runs");
    let node = start_driver(node);
    std::thread::sleep(Duration::from_millis(500));
    assert!(!node.root().join("etc/agent/spark.yaml").exists());
    launch(&node);
    assert_eq!(ended_stage(&node)["outcome"], "done");
    assert_eq!(node.read("etc/agent/spark.yaml"), "url: http://127.0.0.1:40001\n");
}

#[test]
fn a_secret_of_a_later_entry_is_fetched_by_the_stage() {
    let secret = "[secrets]\nsource = \"file\"\nscope = \"family\"\npath = \"SECRETS\"\n[files]\n\"/etc/token\" = { text = \
                  \"${secret.token}\", stage = \"post-start\" }\n";
    let node = NodeTest::new();
    let folder = node.beside("secrets").display().to_string();
    let node = node.profile(&format!("{}{READY}", secret.replace("SECRETS", &folder)));
    // The secret does not exist during the launch.
    launch(&node);
    fs::create_dir_all(node.beside("secrets/family")).expect("a folder");
    crate::support::put(&node.beside("secrets/family/token"), MARKER);
    let node = start_driver(node);
    let report = ended_stage(&node);
    assert_eq!(report["outcome"], "done", "{report:#}");
    assert_eq!(node.read("etc/token"), format!("{MARKER}\n"));
    assert_eq!(node.mode("etc/token"), 0o600);
    let known = node.files_with(MARKER).into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    assert_eq!(known, ["node/etc/token", "secrets/family/token"]);
}

#[test]
fn the_decisions_of_the_launch_about_conditions_hold_for_the_stage() {
    let profile = format!(
        "[files]\n\"/etc/a\" = {{ text = \"a\", stage = \"post-start\", when = {{ not = {{ path = \
         \"/tmp/driver-env.sh\" }} }} }}\n{READY}"
    );
    let node = node(&profile);
    launch(&node);
    let node = start_driver(node);
    assert_eq!(ended_stage(&node)["outcome"], "done");
    assert_eq!(node.read("etc/a"), "a\n");
}
