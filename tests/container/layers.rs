//! Layers on real nodes: a restored node equals an installed one, and a node is completed without a usable layer, too.

use std::time::Instant;

use crate::{
    shared::{LOCK, Shared, tasks},
    support::{CommandOutput, LIBRARY, Node, PROFILE, R, assert_same, host, instants, kill, random_fractions},
};

const STORE: [&str; 3] = ["--locked", "--store", "/shared"];

/// Distributions with C, scripts and data files, and one from a file; R packages with C, with C++ and with neither.
fn large() -> String {
    format!(
        "[apt]\npackages = [\"jq\"]\n[pip]\npackages = [\"nltk\"]\nsmoke = [\"nltk\"]\n[wheel]\nfiles = \
         [\"ringwheel-1.0-py3-none-any.whl\"]\n{R}packages = [\"tinyc\", \"yaml\"]\n"
    )
}

/// Packages that install quickly.
fn small() -> String {
    format!("[pip]\npackages = [\"humanize\", \"joblib\"]\n{R}packages = [\"tinypure\", \"tinybin\"]\n")
}

/// Locks, runs and bakes. Returns the lock.
fn baked(node: &Node, options: &[&str]) -> String {
    node.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    node.run(&STORE).exits(0);
    bake(node, options).exits(0);
    node.sh(&format!("cat {LOCK}"))
}

fn bake(node: &Node, options: &[&str]) -> CommandOutput {
    node.exec(&[], &[&["nodeagent", "store", "bake", "--store", "/shared", "--profile", PROFILE], options].concat())
}

/// The layers that the last run restored, sorted: their order is not defined.
fn restored(node: &Node) -> Vec<String> {
    let mut restored: Vec<String> = tasks(node).into_iter().filter(|task| task.starts_with("restore")).collect();
    restored.sort();
    restored
}

/// Every file of the runtime and of the R library with name, type, mode, owner, target of a link, and digest.
fn files(node: &Node) -> String {
    node.sh("cd /databricks && find . -printf '%P %y %m %u:%g %l\\n' | sort
        find . -type f -print0 | sort -z | xargs -0 sha256sum")
}

#[test]
fn restored_or_installed_the_node_is_the_same() {
    let Some(shared) = Shared::new("same") else { return };
    let one = shared.with_profile("layers-one", &large(), None).expect("nodes are not skipped");
    let lock = baked(&one, &[]);
    assert!(restored(&one).is_empty() && tasks(&one).iter().any(|task| task == "build yaml"), "{:?}", tasks(&one));

    let two = shared.with_profile("layers-two", &large(), Some(&lock)).expect("nodes are not skipped");
    // A restore needs no installer, no index and no repository.
    two.sh("rm /databricks/python3/bin/pip*; rm -r /srv/cran; chmod -x /usr/bin/gcc /usr/bin/g++");
    one.sh("rm /databricks/python3/bin/pip*");
    two.run(&STORE).exits(0).prints("pip: done").prints("r: done");
    assert_eq!(restored(&two), ["restore 3 packages from a layer", "restore 5 packages from a layer"]);
    assert_same(&files(&one), &files(&two), "a restored node equals an installed node");
    two.run(&STORE).exits(0).prints("nothing to do");
    two.is_tidy();

    let python = "/databricks/python3/bin/python";
    assert_eq!(two.sh(&format!("{python} -m pip check")).trim(), "No broken requirements found.");
    two.sh("Rscript -e 'library(tinyc); library(yaml); stopifnot(as.yaml(1) == \"1.0\\n\")'");
    // Python accepts the restored byte code and compiles nothing again.
    two.sh(&format!("{python} -c 'import nltk, ringwheel'; head -c 2 /databricks/python3/bin/nltk | grep -q '#!'"));
    assert_same(&files(&one), &files(&two), "an import changes no restored file");
    let uninstalled = two.sh(&format!("{python} -m pip uninstall -y nltk 2>&1"));
    assert!(uninstalled.contains("Successfully uninstalled nltk"), "{uninstalled}");
    let left = two.sh("find /databricks/python3 -path '*nltk*' -not -name '__pycache__' -type f");
    assert_eq!(left, "", "pip removes every file");
    // The next run restores the missing files and changes no others.
    two.run(&STORE).exits(0).prints("pip: done");
    assert_same(&files(&one), &files(&two), "the next run completes the node");
}

#[test]
fn a_changed_runtime_gets_no_layer_and_existing_files_stay() {
    let Some(shared) = Shared::new("changed") else { return };
    let lock = baked(&shared.with_profile("layers-base", &small(), None).expect("nodes are not skipped"), &[]);
    let site = "/databricks/python3/lib/python3.11/site-packages";

    let patched = shared.with_profile("layers-patched", &small(), Some(&lock)).expect("nodes are not skipped");
    patched.sh(&format!("echo 'patch.py,,' >> $(ls -d {site}/six-*.dist-info)/RECORD"));
    patched.run(&STORE).exits(0).never_prints("layer");
    assert_eq!(restored(&patched), ["restore 2 packages from a layer"], "the R layer still fits");
    assert!(tasks(&patched).iter().any(|task| task == "install"), "Python's packages were installed");

    let taken = shared.with_profile("layers-taken", &small(), Some(&lock)).expect("nodes are not skipped");
    taken.sh(&format!(
        "mkdir -p {site}/humanize && echo mine > {site}/humanize/mine && echo mine > {site}/humanize/__init__.py"
    ));
    taken.run(&STORE).exits(0).prints("humanize/__init__.py` exists and differs");
    assert_eq!(taken.sh(&format!("cat {site}/humanize/mine")), "mine\n");
    taken.sh("/databricks/python3/bin/python -c 'import humanize; humanize.naturalsize(1)'");

    // One part is missing and one is damaged: the part of R, and one of Python.
    let parts =
        host("find").arg(shared.path().join("v1/entries/layer")).args(["-type", "f"]).output().expect("find runs");
    for (index, entry) in String::from_utf8_lossy(&parts.stdout).lines().enumerate() {
        let text = std::fs::read_to_string(entry).expect("an entry");
        let sha256 = &text.split_once("\"sha256\":\"").expect("a part").1[..64];
        let object = shared.path().join("v1/objects").join(&sha256[..2]).join(sha256);
        if index == 0 {
            std::fs::remove_file(object).expect("removed");
        } else {
            let mut bytes = std::fs::read(&object).expect("readable");
            bytes[9] ^= 1;
            nodeagent::fs::replace(&object, &bytes, nodeagent::fs::Attributes::default()).expect("written");
        }
    }
    let damaged = shared.with_profile("layers-damaged", &small(), Some(&lock)).expect("nodes are not skipped");
    let output = damaged.run(&STORE);
    output
        .exits(0)
        .prints("the Python layer in the store is not used: its part")
        .prints("the R layer in the store is not used");
    assert!(restored(&damaged).is_empty());
    damaged.sh("/databricks/python3/bin/python -c 'import humanize, joblib'; Rscript -e 'library(tinybin)'");
    damaged.is_tidy();
}

#[test]
fn a_layer_has_exactly_the_packages_of_the_lock() {
    let Some(shared) = Shared::new("made") else { return };
    let node = shared.with_profile("layers-made", &small(), None).expect("nodes are not skipped");
    bake(&node, &[]).exits(2).prints("there is no lock");
    node.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    bake(&node, &[]).exits(2).prints("this node does not match the lock yet").prints("nodeagent run --locked");
    node.run(&STORE).exits(0);
    let site = "/databricks/python3/lib/python3.11/site-packages";
    node.sh(&format!("cp {site}/humanize/i18n.py /tmp/kept && echo '# mine' >> {site}/humanize/i18n.py"));
    bake(&node, &[]).exits(1).prints("humanize/i18n.py` of `humanize` was changed after the installation");
    node.sh(&format!("cp /tmp/kept {site}/humanize/i18n.py"));
    let output = bake(&node, &["--json"]);
    for words in ["\"of\":\"python\"", "\"of\":\"r\"", "\"packages\":2", "\"private\":false"] {
        assert!(output.exits(0).stdout.replace(": ", ":").contains(words), "{words}: {output}");
    }
    node.exec(&[], &["nodeagent", "store", "verify", "--shared", "--store", "/shared"]).exits(0);
}

#[test]
fn a_bake_or_a_restore_killed_at_any_instant_does_no_harm() {
    let Some(shared) = Shared::new("kills") else { return };
    let one = shared.with_profile("layers-kill", &small(), None).expect("nodes are not skipped");
    one.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    one.run(&STORE).exits(0);
    let lock = one.sh(&format!("cat {LOCK}"));
    let began = Instant::now();
    bake(&one, &[]).exits(0);
    let mut seconds = began.elapsed().as_secs_f64();
    let without_layers = || {
        one.sh("rm -rf /shared/* /var/cache/nodeagent/store");
        &one
    };
    for fraction in random_fractions(instants()) {
        let bake = ["nodeagent", "store", "bake", "--store", "/shared", "--profile", PROFILE];
        kill(&mut seconds, fraction, &bake, without_layers);
        let verify = ["nodeagent", "store", "verify", "--store", "/shared"];
        one.exec(&[], &verify).exits(0);
        one.exec(&[], &[&verify[..], &["--shared"]].concat()).exits(0);
    }
    bake(&one, &[]).exits(0);
    let wanted = files(&one);
    drop(one);

    let fresh = || shared.with_profile("layers-killed", &small(), Some(&lock)).expect("nodes are not skipped");
    let node = fresh();
    let began = Instant::now();
    node.run(&STORE).exits(0);
    let mut seconds = began.elapsed().as_secs_f64();
    assert_eq!(restored(&node).len(), 2);
    assert_same(&wanted, &files(&node), "a restored node equals an installed node");
    drop(node);
    for fraction in random_fractions(instants()) {
        let run = [&["nodeagent", "run", "--profile", PROFILE], &STORE[..]].concat();
        let (node, killed) = kill(&mut seconds, fraction, &run, fresh);
        node.run(&STORE).exits(0);
        assert_same(&wanted, &files(&node), &format!("the next run completes the restore; {killed}"));
        node.is_tidy();
        assert_eq!(
            node.sh("ls -A /var/cache/nodeagent/layers 2> /dev/null || true"),
            "",
            "there are parts in the cache"
        );
        node.exec(&[], &["nodeagent", "store", "verify"]).exits(0);
    }
}

#[test]
fn without_space_for_a_layer_the_packages_are_installed() {
    let Some(shared) = Shared::new("full") else { return };
    let lock = baked(&shared.with_profile("layers-room", &small(), None).expect("nodes are not skipped"), &[]);
    // The library has its own file system with space for the packages, but not for a layer beside them.
    let node = shared.fresh("layers-full", &["--tmpfs", &format!("{LIBRARY}:200k")]);
    let node = node.expect("nodes are not skipped");
    node.profile(&small());
    node.write(LOCK, &lock);
    node.sh(&format!("dd if=/dev/zero of={LIBRARY}/filler bs=1k count=170 2> /dev/null"));
    let output = node.run(&STORE);
    output.exits(1).prints("the R layer is not used, its packages are installed").prints("hint: the disk is full");
    node.is_tidy();
    node.sh(&format!("rm {LIBRARY}/filler"));
    node.run(&STORE).exits(0);
    node.sh("Rscript -e 'library(tinybin)'");
    assert_eq!(restored(&node), ["restore 2 packages from a layer"]);
}

#[test]
fn under_trusted_keys_only_a_signed_layer_is_restored() {
    let Some(shared) = Shared::new("signed") else { return };
    let one = shared.with_profile("layers-signer", &small(), None).expect("nodes are not skipped");
    one.sh("nodeagent sign --generate /tmp/key --no-password");
    one.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    one.sh(&format!("nodeagent sign --key /tmp/key {PROFILE} {LOCK}"));
    let run = [&STORE[..], &["--trusted-key", "/tmp/key.pub"]].concat();
    one.run(&run).exits(0);
    bake(&one, &["--key", "/tmp/key"]).exits(2).prints("this node has no trusted keys");
    bake(&one, &[]).exits(0);
    let lock = one.sh(&format!("cat {LOCK}"));
    let (public, of_profile, of_lock) =
        (one.sh("cat /tmp/key.pub"), one.sh(&format!("cat {PROFILE}.minisig")), one.sh(&format!("cat {LOCK}.minisig")));
    let trusting = |what: &str| {
        let node = shared.with_profile(what, &small(), Some(&lock)).expect("nodes are not skipped");
        node.write("/tmp/key.pub", &public);
        node.write(&format!("{PROFILE}.minisig"), &of_profile);
        node.write(&format!("{LOCK}.minisig"), &of_lock);
        node
    };
    let unsigned = trusting("layers-unsigned");
    unsigned.run(&run).exits(0).prints("the Python layer in the store is not used: it has no signature");
    assert!(restored(&unsigned).is_empty());
    drop(unsigned);
    bake(&one, &["--key", "/tmp/key", "--trusted-key", "/tmp/key.pub"]).exits(0);
    let signed = trusting("layers-signed");
    signed.run(&run).exits(0).never_prints("not used");
    assert_eq!(restored(&signed).len(), 2);
    assert_same(&files(&one), &files(&signed), "the same node");
}
