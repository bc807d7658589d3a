//! Disks that are full and folders that are read-only.

use crate::support::{LIBRARY, Node, R};

#[test]
fn a_full_disk_is_named_and_nothing_half_installed_stays() {
    let options = ["--tmpfs", "/databricks/spark/R/lib:60k", "--tmpfs", "/var/cache/nodeagent:200k"];
    let Some(node) = Node::with("full", &options) else { return };
    node.profile(&format!("{R}packages = [\"tinyc\"]\n"));
    let said = node.run(&[]);
    said.exits(1).is_brief().says("KiB free").says(LIBRARY).says("ring.toml:5").says("hint: the disk is full");
    node.is_tidy();
    let half = format!("for p in $(ls {LIBRARY}); do test -e {LIBRARY}/$p/Meta/package.rds || echo $p; done");
    assert_eq!(node.sh(&half), "", "what is there is whole");

    node.profile("[apt]\npackages = [\"jq\"]\n");
    let said = node.run(&[]);
    said.exits(1).is_brief().says("No space left on device").says("hint: the disk is full");
    node.has_no("jq");
}

#[test]
fn a_full_environment_keeps_no_half_of_a_distribution() {
    let Some(node) = Node::with("venv", &["--tmpfs", "/venv:30m"]) else { return };
    node.sh("/usr/bin/python3 -m venv /venv/env");
    for installer in ["", "installer = \"pip\"\n"] {
        node.profile(&format!("[pip]\npython = \"/venv/env/bin/python\"\npackages = [\"numpy\"]\n{installer}"));
        let said = node.run(&[]);
        said.exits(1).is_brief().says("/venv").says("ring.toml:5").says("hint: the disk is full");
        let left = node.sh("ls -d /venv/env/lib/python3*/site-packages/numpy*.dist-info 2> /dev/null || true");
        assert_eq!(left, "", "no half of numpy counts as installed");
    }
}

#[test]
fn a_read_only_target_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let from = folder.path().display();
    let mounts = [LIBRARY, "/etc/profile.d", "/run/secrets-here"].map(|to| format!("{from}:{to}:ro"));
    let options: Vec<&str> = mounts.iter().flat_map(|mount| ["--mount", mount]).collect();
    let Some(node) = Node::with("readonly", &options) else { return };
    let read_only = |sections: &str, place: &str| {
        node.profile(sections);
        let said = node.exec(&["--env", "RING_TOKEN=x"], &["nodeagent", "run", "--profile", "/profiles/ring.toml"]);
        said.exits(1).is_brief().says(place).says("ead-only").says("ring.toml:");
    };
    read_only(&format!("{R}packages = [\"tinypure\"]\n"), LIBRARY);
    read_only("[shell.variables]\nRING = \"1\"\n", "/etc/profile.d");
    read_only(
        "[secrets]\nsource = \"env\"\nscope = \"ring\"\n[[secrets.items]]\nkey = \"token\"\nto = { file = \
         \"/run/secrets-here/token\" }\n",
        "/run/secrets-here",
    );
    node.is_tidy();
}
