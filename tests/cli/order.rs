//! The order of steps: names of entries in `after` and `before`, and cycles.

use crate::support::NodeTest;

/// Entries whose names have several spellings. `NAME` is the name that `bashrc` waits for.
const ENTRIES: &str = r#"
[vars]
folder = "models"
key = "token"

[files]
"/etc/${vars.folder}/a" = { text = "a" }
"/opt//b" = { text = "b" }

[shell]
bashrc = { text = "true", after = ["NAME"] }

[secrets]
source = "env"
scope = "family"
items = [{ key = "${vars.key}", to = { file = "/etc/inhouse/token" } }]

[[secrets.templates]]
file = "app.conf"
text = "password = ${secret.app}"
"#;

fn node(profile: &str) -> NodeTest {
    NodeTest::new().profile(profile).var("FAMILY_TOKEN", "x").var("FAMILY_APP", "y")
}

/// The steps that a step of the plan waits for.
fn needs(node: &NodeTest, id: &str) -> Vec<String> {
    let plan = node.agent(&["plan", "x.toml", "--json"]).ended(0).json();
    let steps = plan["steps"].as_array().expect("steps are a list").clone();
    let step = steps.into_iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("{id} is not in {plan:#}"));
    step["needs"].as_array().expect("a list").iter().map(|need| need.as_str().expect("an id").to_owned()).collect()
}

#[test]
fn an_entry_is_named_as_written_or_as_resolved() {
    for (name, step) in [
        ("files./etc/${vars.folder}/a", "files:/etc/models/a"),
        ("files./etc/models/a", "files:/etc/models/a"),
        ("files./opt//b", "files:/opt/b"),
        ("files./opt/b", "files:/opt/b"),
        ("secrets.app.conf", "secret:/run/nodeagent/secrets/family/app.conf"),
        ("secrets./run/nodeagent/secrets/family/app.conf", "secret:/run/nodeagent/secrets/family/app.conf"),
        ("secrets.${vars.key}", "secret:family/token"),
        ("secrets.token", "secret:family/token"),
    ] {
        assert_eq!(needs(&node(&ENTRIES.replace("NAME", name)), "bashrc"), [step], "{name}");
    }
}

#[test]
fn a_variable_in_after_may_differ_from_the_spelling_of_the_entry() {
    let profile = ENTRIES.replace("NAME", "files.${vars.root}/b").replace("[vars]", "[vars]\nroot = \"/opt\"");
    assert_eq!(needs(&node(&profile), "bashrc"), ["files:/opt/b"]);
}

#[test]
fn a_name_of_a_replaced_entry_remains_valid() {
    let parent = "schema = 1\nname = \"parent\"\n[vars]\nfolder = \"models\"\n\
        [files.\"/etc/${vars.folder}/a\"]\ntext = \"parent\"\n\
        [shell.bashrc]\ntext = \"true\"\nafter = [\"files./etc/${vars.folder}/a\"]\n";
    let node = node("extends = [\"parent.toml\"]\n[files.\"/etc/models/a\"]\ntext = \"child\"\n");
    assert_eq!(needs(&node.work("parent.toml", parent), "bashrc"), ["files:/etc/models/a"]);
}

#[test]
fn a_configuration_file_after_the_packages_that_read_it_is_no_cycle() {
    let node = node(
        "[apt]\npackages = [\"jq\"]\n[pip]\npackages = [\"nltk\"]\n\
        [files.\"/etc/pip.conf\"]\ntext = \"[global]\"\nafter = [\"pip\"]\n",
    )
    .debs(&[])
    .python(&[]);
    assert_eq!(needs(&node, "files:/etc/pip.conf"), ["pip"]);
    assert_eq!(needs(&node, "pip"), ["apt"]);
}

#[test]
fn an_entry_of_several_users_does_not_wait_for_itself() {
    let node = node("[shell]\nusers = [\"root\", \"analyst\"]\nbashrc = { text = \"true\", after = [\"shell\"] }\n");
    assert_eq!(needs(&node, "bashrc"), [""; 0]);
}

#[test]
fn a_cycle_is_found_on_a_node_that_is_ready() {
    let node = node(
        "[files]\n\"/etc/a\" = { text = \"a\\n\", after = [\"files./etc/b\"] }\n\
        \"/etc/b\" = { text = \"b\\n\", after = [\"files./etc/a\"] }\n",
    )
    .file("etc/a", "a\n")
    .file("etc/b", "b\n");
    for command in ["check", "plan", "run"] {
        let output = node.agent(&[command, "x.toml"]).ended(2);
        assert!(output.stderr.contains("the order of steps has a cycle"), "{command}: {}", output.stderr);
    }
    let mistakes = node.agent(&["check", "x.toml", "--json"]).ended(2).json();
    let causes: Vec<&str> =
        mistakes[0]["causes"].as_array().expect("a list").iter().filter_map(serde_json::Value::as_str).collect();
    assert_eq!(
        causes,
        [
            "`files./etc/a`, asked for at x.toml:4, waits for `files./etc/b` (`after` at x.toml:4)",
            "`files./etc/b`, asked for at x.toml:5, waits for `files./etc/a` (`after` at x.toml:5)",
        ]
    );
}

#[test]
fn optional_entries_of_one_package_are_steps_with_different_ids() {
    let packages = "{ name = \"jq=1.6\", optional = true }, { name = \"jq=1.7\", optional = true }";
    let node = node(&format!("[apt]\npackages = [{packages}]\n")).debs(&[]);
    let plan = node.agent(&["plan", "x.toml", "--json"]).ended(0).json();
    let steps = plan["steps"].as_array().expect("a list");
    let ids: Vec<&str> = steps.iter().filter_map(|step| step["id"].as_str()).collect();
    assert_eq!(ids, ["apt:jq", "apt:jq#2"]);
}
