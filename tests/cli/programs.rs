//! Installers and hooks on a fake node. Real nodes are in `tests/container`.

use crate::support::{MARKER, NodeTest, agent_in, project};

fn node(profile: &str) -> NodeTest {
    NodeTest::new()
        .profile(profile)
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        .file("etc/group", "root:x:0:\n")
        .debs(&[("bash", "5.2")])
        .var("FAMILY_TOKEN", MARKER)
}

fn plan(node: &NodeTest, code: i32) -> String {
    let before = node.listing();
    let said = node.agent(&["plan", "--profile", "./x.toml"]).ended(code).all();
    assert_eq!(node.changes_since(&before), [""; 0], "a plan changes nothing");
    assert!(!said.contains(MARKER), "{said}");
    said
}

#[test]
fn an_installer_runs_until_all_its_checks_hold() {
    let profile =
        |rest: &str| format!("[installers.x]\ncommand = [\"make\", \"install all\"]\ncreates = \"/opt/x\"\n{rest}");
    let said = plan(&node(&profile("")), 0);
    for line in ["x: run (`/opt/x` does not exist)", "make 'install all'"] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
    let installed = |rest: &str| node(&profile(rest)).file("opt/x", "");
    assert!(plan(&installed(""), 0).contains("installers: x"));
    assert!(plan(&installed("unless = [\"sh\", \"-c\", \"exit 3\"]\n"), 0).contains("x: run (`unless` exits with 3)"));
    let version = |is: &str| format!("version = {{ command = [\"echo\", \"x 1.5.2\"], is = \"{is}\" }}\n");
    assert!(plan(&installed(&version(">=2")), 0).contains("x: run (the version is 1.5.2, not `>=2`)"));
    assert!(plan(&installed(&version(">=1.5, <2")), 0).contains("nothing to do"));
}

#[test]
fn a_program_of_the_node_does_not_see_secrets_in_its_checks() {
    let profile = "[secrets]\nsource = \"env\"\nscope = \"family\"\n[hooks.x]\ncommand = [\"true\"]\nsecrets = { F = \
                   \"token\" }\nunless = [\"sh\", \"-c\", \"test -z $FAMILY_TOKEN\"]\n";
    let said = plan(&node(profile), 0);
    assert!(said.contains("hooks: x") && said.contains("nothing to do"), "{said}");
}

#[test]
fn hooks_come_last_and_one_after_another() {
    let profile = "[secrets]\nsource = \"env\"\nscope = \"family\"\n[users.eve]\n[hooks.b]\ncommand = [\"true\"]\nsecrets = \
                   { TOKEN_FILE = \"token\" }\n[hooks.a]\ntext = \"echo\"\nuser = \"eve\"\nwatch = [\"/etc/x.conf\"]\n\
                   [files]\n\"/etc/x.conf\" = { text = \"new\" }\n";
    let said = plan(&node(profile), 0);
    for line in [
        "b: run (it has not run yet)",
        "TOKEN_FILE is the path of a file with the secret token",
        "bash -eu SCRIPT",
        "runs as eve",
        "hooks run one after another",
        "it creates the user `eve`",
        "runs if the step `files:/etc/x.conf` changes something",
    ] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
}

#[test]
fn a_user_that_does_not_exist_is_refused() {
    let said = plan(&node("[hooks.x]\ncommand = [\"true\"]\nuser = \"eve\"\n"), 2);
    assert!(said.contains("there is no user `eve` on this node"), "{said}");
}

#[test]
fn check_recommends_a_check_for_a_hook_without_one() {
    let folder = project().join("tests/fixtures/profiles/good");
    let said = agent_in(&folder, &["check", "--role", "driver", "programs.toml"]).ended(0).stderr;
    assert!(said.contains("note: the hook `notify` at programs.toml:"), "{said}");
    assert!(!said.contains("study-database"), "{said}");
}
