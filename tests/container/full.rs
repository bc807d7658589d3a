//! Disks that become full while something is published, baked or restored, at any instant: what is left is sound, and with
//! space again the next run makes the node.

use crate::{
    shared::Shared,
    support::{LIBRARY, Node, PROFILE, R, assert_same, parts_of_one},
};

/// How often a disk becomes full.
const TIMES: usize = 20;
/// A shared place on a file system of its own, larger than what is published.
const PLACE: &str = "/place";

/// The environment lies on a file system of its own, as the library does.
fn profile() -> String {
    format!(
        "[pip]\npython = \"/venv/env/bin/python\"\npackages = [\"humanize\", \"joblib\"]\n{R}packages = [\"tinypure\", \"tinybin\"]\n"
    )
}

/// Fills the file system of a folder but for so many bytes.
fn fill(node: &Node, folder: &str, left: u64) {
    node.sh(&format!(
        "free=$(($(stat -f -c '%a * %S' {folder}))); dd if=/dev/zero of={folder}/filler bs=4096 count=$(((free - {left}) / 4096)) \
         2> /dev/null"
    ));
}

/// Bytes below a folder, by blocks.
fn size(node: &Node, folder: &str) -> u64 {
    node.sh(&format!("du -s -B1 {folder}"))
        .split_whitespace()
        .next()
        .and_then(|size| size.parse().ok())
        .expect("a size")
}

/// Every file of environment and library, but for byte code, which may have another time of its source in it.
fn files(node: &Node) -> String {
    node.sh(&format!(
        "cd / && find venv/env .{LIBRARY} -not -path '*/__pycache__*' -printf '%p %y %m %u:%g %l\\n' | sort
         find venv/env .{LIBRARY} -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum"
    ))
}

fn is_sound(node: &Node, place: &str) {
    node.exec(&[], &["nodeagent", "store", "verify"]).exits(0);
    node.exec(&[], &["nodeagent", "store", "verify", "--shared", "--store", place]).exits(0);
}

/// As much of `whole` as a part of one says.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "any number will do"
)]
fn part(whole: u64, part: f64) -> u64 {
    (whole as f64 * part) as u64
}

#[test]
#[expect(clippy::print_stderr, reason = "a failure must be repeatable")]
fn a_disk_that_becomes_full_at_any_instant_leaves_all_sound() {
    let Some(shared) = Shared::new("brim") else { return };
    let library = format!("{LIBRARY}:2m");
    let options = ["--tmpfs", "/venv:40m", "--tmpfs", &library, "--tmpfs", "/place:64m"];
    let node = shared.fresh("brim", &options).expect("nodes are not skipped");
    node.sh("/usr/bin/python3 -m venv /venv/env && cp -a /venv/env /root/clean");
    node.profile(&profile());
    node.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    let run = ["--locked", "--store", "/shared"];
    node.run(&run).exits(0);
    let bake = |place: &str| node.exec(&[], &["nodeagent", "store", "bake", "--store", place, "--profile", PROFILE]);
    bake("/shared").exits(0);
    let wanted = files(&node);

    // Publishing: all that the node has; and baking.
    let push = || node.exec(&[], &["nodeagent", "store", "push", "--store", PLACE]);
    node.sh(&format!("rm -rf {PLACE}/*"));
    push().exits(0);
    let whole = size(&node, PLACE);
    let mut complaints = 0;
    for left in parts_of_one(TIMES) {
        let left = part(whole, left);
        node.sh(&format!("rm -rf {PLACE}/*"));
        fill(&node, PLACE, left);
        let (pushed, baked) = (push(), bake(PLACE));
        eprintln!("{left} of {whole} bytes left: push {}, bake {}", pushed.code, baked.code);
        complaints += usize::from(pushed.code != 0 || pushed.stderr.contains("warning"));
        is_sound(&node, PLACE);
        node.sh(&format!("rm {PLACE}/filler"));
        push().exits(0);
        is_sound(&node, PLACE);
    }

    assert!(complaints * 2 > TIMES, "the place was full: {complaints} of {TIMES} complained");

    // Restoring: environment and library.
    let (of_env, of_library) = (size(&node, "/venv/env") - size(&node, "/root/clean"), size(&node, LIBRARY));
    let fresh = || {
        node.sh(&format!(
            "rm -rf /venv/env {LIBRARY}/* /var/lib/nodeagent /var/cache/nodeagent/store && cp -a /root/clean /venv/env"
        ));
    };
    let mut complaints = 0;
    for left in parts_of_one(TIMES) {
        fresh();
        fill(&node, "/venv", part(of_env, left));
        fill(&node, LIBRARY, part(of_library, left));
        let said = node.run(&run);
        eprintln!("{left:.3} of what is needed left: run {}", said.code);
        complaints += usize::from(said.code != 0 || said.stderr.contains("warning"));
        node.sh(&format!("rm /venv/filler {LIBRARY}/filler"));
        node.run(&run).exits(0);
        assert_same(&wanted, &files(&node), &format!("made good after {left:.3} of what is needed; {said}"));
        node.sh("/venv/env/bin/python -m pip check && /venv/env/bin/python -c 'import humanize, joblib'");
        node.is_tidy();
        is_sound(&node, "/shared");
    }
    assert!(complaints * 2 > TIMES, "the disks were full: {complaints} of {TIMES} complained");
}
