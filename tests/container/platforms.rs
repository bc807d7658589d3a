//! The chroot engine, and a root with no file except the binary.

use crate::support::{Node, binary, host, skipped};

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be visible")]
fn a_chroot_node_works() {
    if skipped() {
        return;
    }
    let possible = host("bash")
        .args([
            "-c",
            "[ \"$(id -u)\" = 0 ] && [ -f /etc/debian_version ] && command -v unshare nsenter && unshare -m true",
        ])
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: the chroot engine needs root on Debian or Ubuntu, and the right to make namespaces");
        return;
    }
    let node = Node::start("chroot", Some("chroot"), &[]);
    node.profile("[apt]\npackages = [\"jq\"]\n[shell]\nbashrc = { text = \"PS1='ring> '\" }\n[r]\nrepos = [\"http://127.0.0.1:3838/\"]\npackages = [\"tinybin\"]\n");
    node.run(&[]).exits(0).prints("3 of 3 steps done");
    node.sh("jq --version && Rscript -e 'library(tinybin)'");
    node.run(&[]).exits(0).prints("nothing to do");
    node.is_tidy();
}

/// The type of the program header that names a dynamic loader.
const PT_INTERP: u32 = 3;

#[test]
fn the_binary_needs_only_a_kernel() {
    let Some(node) = Node::fresh("empty") else { return };
    let bytes = std::fs::read(binary()).expect("the binary is readable");
    let number = |at: usize, length: usize| {
        let mut number = [0; 8];
        number[..length].copy_from_slice(&bytes[at..at + length]);
        usize::try_from(u64::from_le_bytes(number)).expect("it fits")
    };
    assert_eq!(&bytes[..5], b"\x7fELF\x02", "a 64-bit program");
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let interpreter = (0..count).any(|index| number(table + index * size, 4) == PT_INTERP as usize);
    assert!(!interpreter, "the binary needs a dynamic loader");

    node.sh("mkdir /empty && cp /usr/local/bin/nodeagent /empty/");
    let alone = |arguments: &[&str]| node.exec(&[], &[&["chroot", "/empty", "/nodeagent"], arguments].concat());
    assert!(alone(&["--version"]).exits(0).stdout.starts_with("nodeagent "));
    alone(&["check", "starter"]).exits(0);
    let plan = alone(&["plan", "--json", "--profile", "starter"]);
    let value: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap_or_else(|error| panic!("{error}: {plan}"));
    assert_eq!(value["profile"], "starter", "{plan}");
    // Without Python and without users, the plan shows its steps and the reasons why a run would be refused.
    plan.exits(2).prints("there is no Python interpreter at `/databricks/python/bin/python`").prints("starter.toml:9");
    assert_eq!(value["steps"][0]["title"], "install jq", "{plan}");
    assert_eq!(value["refusals"].as_array().map(Vec::len), Some(2), "{plan}");
    assert_eq!(node.sh("ls -A /empty"), "nodeagent\n", "nothing was written");
}
