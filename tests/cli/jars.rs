//! Jars of the file store: copied, repaired, exchanged for jars of the runtime, and taken back.

use crate::support::NodeTest;

fn node(profile: &str) -> NodeTest {
    NodeTest::new()
        .profile(profile)
        .store("Admin/jars/a-1.0.jar", "PK a")
        .store("Admin/jars/b-2.0.jar", "PK b")
        .file("databricks/jars/----x--a_2.12--0.9.jar", "PK shipped")
        .file("databricks/jars/other.jar", "PK other")
}

fn agent(node: &NodeTest, command: &str, status: i32) -> String {
    node.agent(&[command, "--profile", "x.toml"]).ended(status).all()
}

fn jars(node: &NodeTest) -> Vec<String> {
    let jars = std::fs::read_dir(node.root().join("databricks/jars")).expect("there");
    let mut jars: Vec<String> =
        jars.map(|jar| jar.expect("listed").file_name().into_string().expect("UTF-8")).collect();
    jars.sort();
    jars
}

#[test]
fn jars_are_copied_repaired_and_exchanged_and_taken_back() {
    let node =
        node("[jar]\nfiles = [\"jars/b-*.jar\", { path = \"jars/a-1.0.jar\", replaces = \"*--a_2.12--*.jar\" }]\n");
    let planned = agent(&node, "plan", 0);
    assert!(planned.contains("remove /databricks/jars/----x--a_2.12--0.9.jar"), "{planned}");
    agent(&node, "run", 0);
    assert_eq!(jars(&node), ["a-1.0.jar", "b-2.0.jar", "other.jar"]);
    let again = agent(&node, "plan", 0);
    assert!(again.contains("nothing to do"), "{again}");
    let node = node.file("databricks/jars/b-2.0.jar", "damaged");
    agent(&node, "run", 0);
    assert_eq!(node.read("databricks/jars/b-2.0.jar"), "PK b");
    let node = node.profile("");
    agent(&node, "run", 0);
    assert_eq!(jars(&node), ["----x--a_2.12--0.9.jar", "other.jar"]);
    assert_eq!(node.read("databricks/jars/----x--a_2.12--0.9.jar"), "PK shipped");
}

#[test]
fn a_jar_that_cannot_be_put_refuses_the_run() {
    let replaces = node("[jar]\nfiles = [{ path = \"jars/a-1.0.jar\", replaces = \"*--c_2.12--*.jar\" }]\n");
    let said = agent(&replaces, "run", 2);
    assert!(said.contains("no jar in `/databricks/jars` matches `*--c_2.12--*.jar`"), "{said}");
    let folder = node("[jar]\nfiles = [\"jars/a-1.0.jar\"]\nto = \"/opt/none\"\n");
    let said = agent(&folder, "run", 2);
    assert!(said.contains("there is no folder `/opt/none`"), "{said}");
    let glob = node("[jar]\nfiles = [\"jars/c-*.jar\"]\n");
    let said = agent(&glob, "run", 2);
    assert!(said.contains("no file of the file store matches `jars/c-*.jar`"), "{said}");
    let optional = node(
        "[jar]\nfiles = [\"jars/b-2.0.jar\", { path = \"jars/a-1.0.jar\", replaces = \"c.jar\", optional = true }]\n",
    );
    let said = agent(&optional, "run", 0);
    assert!(said.contains("no jar in `/databricks/jars` matches `c.jar`"), "{said}");
    assert_eq!(jars(&optional), ["----x--a_2.12--0.9.jar", "b-2.0.jar", "other.jar"]);
    let address = node("[jar]\nfiles = [\"https://127.0.0.1:9/a-1.0.jar\"]\n");
    let said = agent(&address, "run", 2);
    assert!(said.contains("`https://127.0.0.1:9/a-1.0.jar` has no digest"), "{said}");
}
