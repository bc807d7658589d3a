//! Services on a fake node: what is planned and what is refused. Real nodes are in `tests/container`.

use crate::support::{MARKER, NodeTest};

/// A service with a unit of nodeagent.
const COLLECTOR: &str = r#"
[secrets]
source = "env"
scope = "family"

[services.otelcol]
command = ["/opt/otel/otelcol", "--config", "/opt/otel/config.yaml", "100%", "$HOME"]
environment = { LEVEL = "info", TOKEN = { secret = "otel-token" } }
settings = { Service = { MemoryMax = "1G" } }
"#;

fn node(profile: &str) -> NodeTest {
    NodeTest::new().profile(profile).file("opt/otel/otelcol", "#!/bin/sh\n").var("FAMILY_OTEL_TOKEN", MARKER)
}

fn with_systemd(node: NodeTest) -> NodeTest {
    node.file("run/systemd/system/.keep", "")
}

fn plan(node: &NodeTest, code: i32) -> String {
    let before = node.listing();
    let said = node.agent(&["plan", "--profile", "./x.toml"]).ended(code).all();
    assert_eq!(node.changes_since(&before), [""; 0], "a plan changes nothing");
    assert!(!said.contains(MARKER), "{said}");
    said
}

#[test]
fn a_unit_is_planned_without_its_secret() {
    let said = plan(&with_systemd(node(COLLECTOR)), 0);
    for line in [
        "otelcol: change its unit, change its secrets, enable, start",
        r#"+ExecStart="/opt/otel/otelcol" "--config" "/opt/otel/config.yaml" "100%%" "$$HOME""#,
        "+EnvironmentFile=/run/nodeagent/services/otelcol.env",
        "+Restart=on-failure",
        "+MemoryMax=1G",
        "write /run/nodeagent/services/otelcol.env with the secrets otel-token",
        "systemctl start otelcol.service",
    ] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
}

#[test]
fn without_systemd_an_init_script_is_planned() {
    let said = plan(&node(COLLECTOR), 0);
    for line in [
        "otelcol: change its init script, change its secrets, enable, start",
        "+# Provides:          otelcol",
        "+            --startas '/opt/otel/otelcol' -- '--config' '/opt/otel/config.yaml' '100%' '$HOME'",
        "update-rc.d otelcol enable",
        "`settings` has no effect: systemd is not process 1 of this node",
    ] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
}

#[test]
fn a_command_for_a_service_that_others_define_is_refused() {
    let systemd = with_systemd(node(COLLECTOR)).file("lib/systemd/system/otelcol.service", "[Service]\n");
    let scripts = node(COLLECTOR).file("etc/init.d/otelcol", "#!/bin/sh\n### BEGIN INIT INFO\n");
    // A unit that an administrator wrote is not replaced either.
    let written = with_systemd(node(COLLECTOR)).file("etc/systemd/system/otelcol.service", "[Service]\n");
    for node in [systemd, scripts, written] {
        let said = plan(&node, 2);
        assert!(said.contains("already defines this service"), "{said}");
    }
}

#[test]
fn missing_services_programs_and_users_are_refused() {
    for (profile, message) in [
        ("[services]\nnginx = \"running\"\n", "there is no service `nginx` on this node"),
        ("[services.x]\ncommand = [\"/opt/x\"]\n", "the program `/opt/x` of `x` does not exist"),
        ("[services.x]\ncommand = [\"/opt/otel/otelcol\"]\nuser = \"otel\"\n", "there is no user `otel` on this node"),
    ] {
        let said = plan(&with_systemd(node(profile)), 2);
        assert!(said.contains(message), "{said}");
        // A package may create it.
        plan(&with_systemd(node(&format!("[apt]\npackages = [\"jq\"]\n{profile}"))).debs(&[("bash", "5.2")]), 0);
    }
}

#[test]
fn a_service_without_a_record_is_ready_if_it_runs_and_nothing_is_newer() {
    let ready = |name: &str| {
        let node = with_systemd(node(&format!("[services.{name}]\nrestart-on = [\"/etc/{name}/*.conf\"]\n")))
            .file(&format!("lib/systemd/system/{name}.service"), "[Install]\nWantedBy=multi-user.target\n")
            .file(&format!("etc/systemd/system/multi-user.target.wants/{name}.service"), "")
            .file(&format!("etc/{name}/a.conf"), "");
        std::fs::create_dir_all(node.root().join("run/systemd/units")).expect("made");
        let link = node.root().join(format!("run/systemd/units/invocation:{name}.service"));
        std::os::unix::fs::symlink("0123", link).expect("linked");
        node
    };
    let said = plan(&ready("nginx"), 0);
    assert!(said.contains("services: nginx (running)"), "{said}");
    // Times of files have a resolution of milliseconds.
    let started = |node: &NodeTest| {
        let link = node.root().join("run/systemd/units/invocation:nginx.service");
        link.symlink_metadata().and_then(|found| found.modified()).expect("there")
    };
    let mut newer = ready("nginx");
    loop {
        newer = newer.file("etc/nginx/b.conf", "newer");
        let written = newer.root().join("etc/nginx/b.conf").metadata().and_then(|found| found.modified());
        if written.expect("there") > started(&newer) {
            break;
        }
    }
    let said = plan(&newer, 0);
    assert!(said.contains("nginx: restart (/etc/nginx/b.conf changed)"), "{said}");
}

#[test]
fn a_step_that_changes_a_watched_file_comes_first() {
    let profile =
        "[files]\n\"/etc/nginx/a.conf\" = { text = \"new\" }\n[services.nginx]\nrestart-on = [\"/etc/nginx/*.conf\"]\n";
    let node = with_systemd(node(profile)).file("lib/systemd/system/nginx.service", "[Service]\n");
    let said = plan(&node, 0);
    assert!(said.contains("restarts if the step `files:/etc/nginx/a.conf` changes something"), "{said}");
    assert!(said.contains("files come before services"), "{said}");
}
