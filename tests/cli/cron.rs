//! Scheduled jobs on a fake node. Real nodes are in `tests/container`.

use crate::support::NodeTest;

const JOB: &str = "[cron.x]\nschedule = \"@daily\"\ncommand = [\"/opt/x/x\", \"100%\"]\n";

fn node(profile: &str) -> NodeTest {
    NodeTest::new()
        .profile(profile)
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        .file("etc/group", "root:x:0:\n")
        .debs(&[("bash", "5.2")])
}

fn plan(node: &NodeTest, code: i32) -> String {
    node.agent(&["plan", "--profile", "./x.toml"]).ended(code).all()
}

#[test]
fn a_job_needs_cron_on_the_node_or_among_the_packages() {
    let refused = "there is no cron on this node";
    assert!(plan(&node(JOB), 2).contains(refused));
    assert!(plan(&node(&format!("[apt]\npackages = [\"jq\"]\n{JOB}")), 2).contains(refused));
    let said = plan(&node(&format!("[apt]\npackages = [\"cron\"]\n{JOB}")), 0);
    for line in ["nodeagent-x", r"+@daily root /opt/x/x '100\%'", "system packages come before files"] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
    let said = plan(&node(JOB).file("usr/sbin/cron", ""), 0);
    assert!(said.contains("+SHELL=/bin/sh"), "{said}");
}

#[test]
fn a_job_needs_its_user() {
    let profile = format!("{JOB}user = \"eve\"\n");
    let with_cron = |profile: &str| node(profile).file("usr/sbin/cron", "");
    assert!(plan(&with_cron(&profile), 2).contains("there is no user `eve` on this node"));
    let said = plan(&with_cron(&format!("[users.eve]\n{profile}")), 0);
    assert!(said.contains("it creates the user `eve`"), "{said}");
}
