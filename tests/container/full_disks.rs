//! Disks that become full at any instant while files are published, baked or restored. The store stays valid, and with
//! free space the next run completes the node.

use crate::{
    shared::Shared,
    support::{LIBRARY, Node, PROFILE, R, assert_same, instants, random_fractions},
};

/// A shared store on its own file system, which is larger than its content.
const STORE: &str = "/store";

/// Environment and library have their own file systems.
fn profile() -> String {
    format!(
        "[pip]\npython = \"/venv/env/bin/python\"\npackages = [\"humanize\", \"joblib\"]\n{R}packages = [\"tinypure\", \"tinybin\"]\n"
    )
}

/// Fills the file system of a folder until `left` bytes are free.
fn fill(node: &Node, folder: &str, left: u64) {
    node.sh(&format!(
        "free=$(($(stat -f -c '%a * %S' {folder}))); dd if=/dev/zero of={folder}/filler bs=4096 count=$(((free - {left}) / 4096)) \
         2> /dev/null"
    ));
}

/// The bytes that a folder uses on the disk.
fn size(node: &Node, folder: &str) -> u64 {
    node.sh(&format!("du -s -B1 {folder}"))
        .split_whitespace()
        .next()
        .and_then(|size| size.parse().ok())
        .expect("a size")
}

/// Every file of environment and library. Without `.pyc` files, which contain the time of their module.
fn files(node: &Node) -> String {
    node.sh(&format!(
        "cd / && find venv/env .{LIBRARY} -not -path '*/__pycache__*' -printf '%p %y %m %u:%g %l\\n' | sort
         find venv/env .{LIBRARY} -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum"
    ))
}

fn is_sound(node: &Node, store: &str) {
    node.exec(&[], &["nodeagent", "store", "verify"]).exits(0);
    node.exec(&[], &["nodeagent", "store", "verify", "--shared", "--store", store]).exits(0);
}

/// A fraction of `whole`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the exact number does not matter"
)]
fn part(whole: u64, part: f64) -> u64 {
    (whole as f64 * part) as u64
}

#[test]
#[expect(clippy::print_stderr, reason = "a failure must be repeatable")]
fn a_disk_that_becomes_full_at_any_instant_leaves_all_sound() {
    let Some(shared) = Shared::new("brim") else { return };
    let library = format!("{LIBRARY}:2m");
    let options = ["--tmpfs", "/venv:40m", "--tmpfs", &library, "--tmpfs", "/store:64m"];
    let node = shared.fresh("brim", &options).expect("nodes are not skipped");
    node.sh("/usr/bin/python3 -m venv /venv/env && cp -a /venv/env /root/clean");
    node.profile(&profile());
    node.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    let run = ["--locked", "--store", "/shared"];
    node.run(&run).exits(0);
    let bake = |store: &str| node.exec(&[], &["nodeagent", "store", "bake", "--store", store, "--profile", PROFILE]);
    bake("/shared").exits(0);
    let wanted = files(&node);

    // Publish everything that the node has, and bake.
    let push = || node.exec(&[], &["nodeagent", "store", "push", "--store", STORE]);
    node.sh(&format!("rm -rf {STORE}/*"));
    push().exits(0);
    let whole = size(&node, STORE);
    let mut complaints = 0;
    for left in random_fractions(instants()) {
        let left = part(whole, left);
        node.sh(&format!("rm -rf {STORE}/*"));
        fill(&node, STORE, left);
        let (pushed, baked) = (push(), bake(STORE));
        eprintln!("{left} of {whole} bytes left: push {}, bake {}", pushed.code, baked.code);
        complaints += u32::from(pushed.code != 0 || pushed.stderr.contains("warning"));
        is_sound(&node, STORE);
        node.sh(&format!("rm {STORE}/filler"));
        push().exits(0);
        is_sound(&node, STORE);
    }

    assert!(complaints * 2 > instants(), "the store was not full: {complaints} of {} complained", instants());

    // Restore environment and library.
    let (of_env, of_library) = (size(&node, "/venv/env") - size(&node, "/root/clean"), size(&node, LIBRARY));
    let fresh = || {
        node.sh(&format!(
            "rm -rf /venv/env {LIBRARY}/* /var/lib/nodeagent /var/cache/nodeagent/store && cp -a /root/clean /venv/env"
        ));
    };
    let mut complaints = 0;
    for left in random_fractions(instants()) {
        fresh();
        fill(&node, "/venv", part(of_env, left));
        fill(&node, LIBRARY, part(of_library, left));
        let output = node.run(&run);
        eprintln!("{left:.3} of the needed space left: run {}", output.code);
        complaints += u32::from(output.code != 0 || output.stderr.contains("warning"));
        node.sh(&format!("rm /venv/filler {LIBRARY}/filler"));
        node.run(&run).exits(0);
        assert_same(
            &wanted,
            &files(&node),
            &format!("after {left:.3} of the needed space the next run completes the node; {output}"),
        );
        node.sh("/venv/env/bin/python -m pip check && /venv/env/bin/python -c 'import humanize, joblib'");
        node.is_tidy();
        is_sound(&node, "/shared");
    }
    assert!(complaints * 2 > instants(), "the disks were not full: {complaints} of {} complained", instants());
}
