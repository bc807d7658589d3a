//! Signed locks under trusted keys.

use std::fs;

use nodeagent::{digest::Digest, trust::beside};

use super::{Case, FAMILY, OTHER};
use crate::support::put;

const LOCK: &str = "Family/init_scripts/nightly.lock";

/// A lock of the profile `nightly` with one wheel. It also has the digest of the profile's file.
fn lock_of_nightly(case: &Case, serial: u32) {
    let zeros = "0".repeat(64);
    let profile = Digest::sha256(case.read(OTHER).as_bytes());
    let lock = format!(
        "schema = 1\nserial = {serial}\nprofile = \"nightly\"\n\n[[files]]\npath = \"{OTHER}\"\nsha256 = \"{}\"\n\n\
         [[runtimes]]\nos = \"debian 12\"\narch = \"amd64\"\npython-version = \"3.11\"\nasks = [\"pip nltk\"]\n\n\
         [[runtimes.python]]\nname = \"nltk\"\nversion = \"3.9\"\nfile = \"nltk-3.9-py3-none-any.whl\"\n\
         url = \"https://pypi.firm.example/nltk-3.9-py3-none-any.whl\"\nsha256 = \"{zeros}\"\n",
        profile.hex()
    );
    case.write(LOCK, &lock);
    case.sign(LOCK);
}

#[test]
fn a_signed_lock_permits_packages_by_name_in_every_command_that_reads_the_profile() {
    let case = Case::new();
    case.write(OTHER, "schema = 1\nname = \"nightly\"\n[pip]\npackages = [\"nltk\"]\n");
    fs::remove_file(beside(&case.path(OTHER))).expect("gone");
    let check = |code: i32| case.node.agent(&["check", "nightly"]).ended(code);
    assert!(check(2).stderr.contains("nightly.toml` is not trusted: it has no signature"));
    lock_of_nightly(&case, 5);
    check(0);
    case.node.agent(&["secrets", "test", "--profile", "nightly"]).ended(0);
    // The lock of one profile is no leave for the next one.
    let by_name = "schema = 1\nname = \"family\"\n[pip]\npackages = [\"nltk\"]\n";
    case.write(FAMILY, by_name);
    case.sign(FAMILY);
    let said = case.node.agent(&["check", "nightly", "family"]).ended(2);
    assert!(said.stderr.contains("no signed file has their digests (asked for at "), "{}", said.stderr);
    assert!(said.stderr.contains("family.toml") && !said.stderr.contains("nightly.toml"), "{}", said.stderr);
}

#[test]
fn check_refuses_the_locks_that_a_run_refuses() {
    let case = Case::new();
    case.write(OTHER, "schema = 1\nname = \"nightly\"\n[pip]\npackages = [\"nltk\"]\n");
    case.sign(OTHER);
    lock_of_nightly(&case, 5);
    let check = || case.node.agent(&["check", "nightly"]);
    check().ended(0);
    let refused = |why: &str| {
        for said in [check().ended(2), case.node.agent(&["plan", "--profile", "nightly"]).ended(2)] {
            assert!(said.stderr.contains(why), "{}", said.stderr);
        }
    };
    case.change(LOCK, "3.9", "4.0");
    refused("nightly.lock` is not trusted: its content does not match its signature");
    let state = case.node.root().join("var/lib/nodeagent");
    fs::create_dir_all(&state).expect("created");
    put(&state.join("serials.json"), "{ \"format\": 1, \"highest\": { \"lock:nightly\": 5 } }");
    lock_of_nightly(&case, 4);
    refused("nightly.lock` is not trusted: its serial is 4; at least 5 is required");
    lock_of_nightly(&case, 5);
    case.change(LOCK, "profile = \"nightly\"", "profile = \"other\"");
    case.sign(LOCK);
    refused("is for the profile `other`");
    for file in [case.path(LOCK), beside(&case.path(LOCK))] {
        fs::remove_file(file).expect("gone");
    }
    case.write(OTHER, "schema = 1\nname = \"nightly\"\n");
    case.sign(OTHER);
    refused("it is missing, but this node has seen serial 5 of it");
    // Without trusted keys, `check` does not read the lock.
    fs::remove_file(case.node.root().join("etc/nodeagent.toml")).expect("gone");
    case.write(LOCK, "no lock");
    check().ended(0);
}
