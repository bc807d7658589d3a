//! The receipt, the journal and the files of a profile.

use super::scenario::{Scenario, ensure};
use crate::{
    archives::archive,
    kills::{differences, state},
    support::{NodeTest, put},
};

const PROFILE: &str = r#"
[files]
"/opt/tool/" = { from = "tool.tgz", unpack = { strip = 1 } }
"/etc/replaced" = { text = "new" }
"/etc/made/deep/file" = { text = "deep" }
"/opt/link" = { link = "tool/bin/tool" }
"/opt/old" = { absent = true }

[files."/etc/mysql.cnf"]
block = { text = "key=1", name = "firm", below = '^\[client\]' }

[env.variables]
EDITOR = { value = "vim", to = ["login"] }
"#;

const RUN: [&str; 3] = ["run", "--profile", "x.toml"];

fn node() -> NodeTest {
    let node = NodeTest::in_memory()
        .profile(PROFILE)
        // Part of every system, so their names are on the disk.
        .file("var/lib/.keep", "")
        .file("etc/nodeagent.toml", "wait-for-disk = true\n")
        .file("var/log/.keep", "")
        .file("etc/replaced", "old")
        .file("etc/mysql.cnf", "[client]\nport=1\n")
        .file("etc/profile.d/.keep", "")
        .file("opt/old", "1");
    archive(&node, "tool.tgz", &[("tool-1/bin/tool", "one"), ("tool-1/a/b/c", "deep")]);
    node
}

fn set_profile(node: &NodeTest, body: &str) {
    put(&node.beside("desk/x.toml"), &format!("schema = 1\nname = \"x\"\n{body}"));
}

/// A run that must succeed. Returns its output.
fn run(node: &NodeTest) -> Result<String, String> {
    let output = node.agent(&RUN);
    ensure(output.code == Some(0), || format!("status {:?}: {}", output.code, output.all()))?;
    Ok(output.all())
}

#[test]
fn a_run_is_completed_and_taken_back_after_a_power_loss_at_any_instant() {
    let before = state(&node());
    let scenario = Scenario::record(node(), &RUN);
    let wanted = state(&scenario.node);
    scenario.check(|node| {
        let said = run(node)?;
        let differences_of = |wanted| differences(wanted, &state(node));
        ensure(differences_of(&wanted).is_empty(), || format!("{:?}: {said}", differences_of(&wanted)))?;
        let listing = node.listing();
        let said = run(node)?;
        ensure(said.contains("nothing to do"), || said.clone())?;
        ensure(node.changes_since(&listing).is_empty(), || format!("{:?}", node.changes_since(&listing)))?;
        // The receipt must know every item, also after a power loss.
        set_profile(node, "");
        let said = run(node)?;
        set_profile(node, PROFILE);
        ensure(differences_of(&before).is_empty(), || format!("taken back: {:?}: {said}", differences_of(&before)))
    });
}
