//! Full disks and read-only folders.

use crate::support::{LIBRARY, Node, R};

#[test]
fn a_full_disk_is_named_and_no_partial_package_remains() {
    let options = ["--tmpfs", "/databricks/spark/R/lib:60k", "--tmpfs", "/var/cache/nodeagent:200k"];
    let Some(node) = Node::with("full", &options) else { return };
    node.profile(&format!("{R}packages = [\"tinyc\"]\n"));
    let output = node.run(&[]);
    output
        .exits(1)
        .is_brief()
        .prints("KiB free")
        .prints(LIBRARY)
        .prints("ring.toml:5")
        .prints("hint: the disk is full");
    node.is_tidy();
    let half = format!("for p in $(ls {LIBRARY}); do test -e {LIBRARY}/$p/Meta/package.rds || echo $p; done");
    assert_eq!(node.sh(&half), "", "every package in the library is complete");

    node.profile("[apt]\npackages = [\"jq\"]\n");
    let output = node.run(&[]);
    output.exits(1).is_brief().prints("No space left on device").prints("hint: the disk is full");
    node.has_no("jq");
}

#[test]
fn a_full_environment_keeps_no_partial_distribution() {
    let Some(node) = Node::with("venv", &["--tmpfs", "/venv:30m"]) else { return };
    node.sh("/usr/bin/python3 -m venv /venv/env");
    for installer in ["", "installer = \"pip\"\n"] {
        node.profile(&format!("[pip]\npython = \"/venv/env/bin/python\"\npackages = [\"numpy\"]\n{installer}"));
        let output = node.run(&[]);
        output.exits(1).is_brief().prints("/venv").prints("ring.toml:5").prints("hint: the disk is full");
        let left = node.sh("ls -d /venv/env/lib/python3*/site-packages/numpy*.dist-info 2> /dev/null || true");
        assert_eq!(left, "", "a partial numpy counts as installed");
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
        let output = node.exec(&["--env", "RING_TOKEN=x"], &["nodeagent", "run", "--profile", "/profiles/ring.toml"]);
        output.exits(1).is_brief().prints(place).prints("ead-only").prints("ring.toml:");
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
