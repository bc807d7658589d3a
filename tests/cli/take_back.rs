//! Items that a profile no longer names are taken back, whatever kind made them, and drift is shown and repaired.

use crate::support::{MARKER, NodeTest};

const ALL: &str = r#"
[files]
"/etc/new.conf" = { text = "ours" }
"/etc/old.conf" = { text = "ours", mode = "0644" }

[shell]
bashrc = { text = "PS1=x" }
vimrc = { text = "set number" }

[shell.variables]
GREETING = "hello"
"#;

fn node() -> NodeTest {
    NodeTest::new().profile(ALL).file("etc/old.conf", "of the image\n").file("root/.bashrc", "alias ll='ls -l'\n")
}

fn agent(node: &NodeTest, command: &str) -> String {
    node.agent(&[command, "--profile", "x.toml"]).ended(0).all()
}

#[test]
fn items_that_are_no_longer_named_are_removed_and_previous_files_restored() {
    let node = node();
    agent(&node, "run");
    assert_eq!(node.read("etc/old.conf"), "ours\n");
    let node = node.profile("");
    let planned = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    node.frozen(|| insta::assert_snapshot!(planned.stdout));
    let said = agent(&node, "run");
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(node.read("etc/old.conf"), "of the image\n");
    assert_eq!(node.read("root/.bashrc"), "alias ll='ls -l'\n");
    for gone in ["etc/new.conf", "root/.vimrc", "etc/profile.d/nodeagent-variables.sh"] {
        assert!(!node.root().join(gone).exists(), "{gone}");
    }
    let left = node.listing().into_iter().filter(|line| line.contains("lib/nodeagent/previous/")).count();
    assert_eq!(left, 0, "no copy is left");
    assert!(agent(&node, "plan").contains("nothing to do"));
}

#[test]
fn items_that_others_changed_stay_with_a_warning() {
    let node = node();
    agent(&node, "run");
    let node = node.profile("").file("etc/new.conf", "mine\n");
    let bashrc = node.read("root/.bashrc").replace("PS1=x", "PS1=mine");
    let node = node.file("root/.bashrc", &bashrc);
    let said = agent(&node, "run");
    assert!(said.contains("`/etc/new.conf` was changed since nodeagent wrote it, so it stays"), "{said}");
    assert!(said.contains("the block of nodeagent in `/root/.bashrc` was changed"), "{said}");
    assert_eq!((node.read("etc/new.conf").as_str(), node.read("root/.bashrc")), ("mine\n", bashrc));
    assert!(agent(&node, "plan").contains("nothing to do"), "the warning comes once");
}

#[test]
fn plans_tell_what_was_never_there_from_what_was_changed() {
    let node = node();
    let said = agent(&node, "plan");
    assert!(said.contains("write") && said.contains("etc/new.conf (missing)"), "{said}");
    agent(&node, "run");
    let node = node.file("etc/new.conf", "other\n");
    std::fs::remove_file(node.root().join("root/.vimrc")).expect("it is there");
    let said = agent(&node, "plan");
    for line in ["etc/new.conf (drifted)", ".vimrc (drifted)", "2 steps to do"] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
    let json = node.agent(&["plan", "--profile", "x.toml", "--json"]).ended(0).json();
    assert_eq!(json["steps"][0]["difference"], "drifted");
    let node = node.profile(&ALL.replace("\"ours\"", "\"new\""));
    let said = agent(&node, "plan");
    assert!(said.contains("etc/old.conf\n"), "a changed profile is no drift: {said}");
    agent(&node, "run");
    assert_eq!((node.read("etc/new.conf").as_str(), node.read("etc/old.conf").as_str()), ("new\n", "new\n"));
    let node = node.profile("");
    agent(&node, "run");
    assert_eq!(node.read("etc/old.conf"), "of the image\n", "the first file is restored");
}

#[test]
fn an_item_of_two_profiles_stays_until_both_do_not_name_it() {
    let entry = "[files]\n\"/etc/new.conf\" = { text = \"ours\" }\n";
    let node = NodeTest::new().profile(entry);
    node.agent(&["run", "--profile", "x.toml"]).ended(0);
    let other = entry.to_owned() + "\"/etc/x\" = { text = \"x\" }\n";
    let node = node.work("y.toml", &format!("schema = 1\nname = \"y\"\n{other}"));
    std::fs::remove_file(node.root().join("etc/new.conf")).expect("it is there");
    node.agent(&["run", "--profile", "y.toml"]).ended(0);
    let node = node.profile("");
    agent(&node, "run");
    assert!(node.root().join("etc/new.conf").exists(), "the other profile names it");
    let node = node.work("y.toml", "schema = 1\nname = \"y\"\n");
    node.agent(&["run", "--profile", "y.toml"]).ended(0);
    assert!(!node.root().join("etc/new.conf").exists());
}

#[test]
fn files_that_a_glob_removed_are_restored() {
    let entry = "[files]\n\"/opt/jars/*-old.jar\" = { absent = true }\n";
    let node = NodeTest::new().profile(entry).file("opt/jars/a-old.jar", "a").file("opt/jars/b.jar", "b");
    agent(&node, "run");
    // Another file that the glob matches appears, and another run removes it.
    let node = node.file_of_mode("opt/jars/c-old.jar", "c", 0o600);
    agent(&node, "run");
    assert!(agent(&node, "plan").contains("nothing to do"));
    // A file of others has the path of the first one now.
    let node = node.profile("").file("opt/jars/a-old.jar", "of others");
    let said = agent(&node, "run");
    assert!(said.contains("a path of `/opt/jars/*-old.jar` that nodeagent removed was changed"), "{said}");
    assert_eq!(
        (node.read("opt/jars/a-old.jar").as_str(), node.read("opt/jars/c-old.jar").as_str()),
        ("of others", "c")
    );
    assert_eq!(node.mode("opt/jars/c-old.jar"), 0o600);
}

#[test]
fn folders_that_a_run_created_for_its_files_are_removed_with_the_last_of_them() {
    let entries = |names: &[&str]| {
        let entry = |name: &&str| format!("\"/opt/{name}\" = {{ text = \"x\" }}\n");
        format!("[files]\n{}", names.iter().map(entry).collect::<String>())
    };
    let node = NodeTest::new().profile(&entries(&["a/b/one", "a/two", "c/d/three"]));
    agent(&node, "run");
    let node = node.profile(&entries(&["a/two"])).file("opt/c/mine", "of others");
    agent(&node, "run");
    let is_there = |path: &str| node.root().join("opt").join(path).exists();
    assert!(!is_there("a/b") && is_there("a/two"), "another file needs the folder above");
    assert!(!is_there("c/d") && is_there("c/mine"), "a folder that others use stays");
    let node = node.profile("");
    agent(&node, "run");
    assert!(!node.root().join("opt/a").exists() && node.root().join("opt/c").exists());
    assert!(agent(&node, "plan").contains("nothing to do"));
}

#[test]
fn a_secret_that_an_entry_removes_is_neither_kept_nor_restored() {
    let secrets = "[secrets]\nsource = \"env\"\nscope = \"family\"\n";
    let written = format!("{secrets}[files]\n\"/opt/app/token\" = {{ text = \"${{secret.token}}\" }}\n");
    let node = NodeTest::new().profile(&written).var("FAMILY_TOKEN", MARKER);
    agent(&node, "run");
    assert_eq!(node.read("opt/app/token"), format!("{MARKER}\n"));
    for absent in ["/opt/app/token", "/opt/app/*"] {
        let node = NodeTest::new().profile(&written).var("FAMILY_TOKEN", MARKER);
        agent(&node, "run");
        let node = node.profile(&format!("[files]\n\"{absent}\" = {{ absent = true }}\n"));
        agent(&node, "run");
        assert_eq!(node.files_with(MARKER), [""; 0].map(std::path::PathBuf::from), "{absent}");
        let node = node.profile("");
        agent(&node, "run");
        assert!(!node.root().join("opt/app/token").exists(), "{absent}");
    }
}
