//! Each kind: its files of the file store must be signed, and a clone needs a commit.

use super::{Case, OTHER, put_new};
use crate::{git, stages};

const LOCK: &str = "Family/init_scripts/nightly.lock";

/// The name, the section, and the file that the section uses.
const SECTIONS: [(&str, &str, &str); 11] = [
    ("a copy", "[files]\n\"/etc/x\" = \"a.txt\"\n", "a.txt"),
    ("a template", "[files]\n\"/etc/x\" = { from = \"a.txt\", template = true }\n", "a.txt"),
    ("a block", "[files]\n\"/etc/x.conf\" = { block = { from = \"a.txt\" } }\n", "a.txt"),
    ("a file of a folder", "[files]\n\"/etc/x/\" = \"conf/\"\n", "conf/a.txt"),
    ("a file of a glob", "[files]\n\"/etc/x/\" = { from = [\"conf/*.txt\"] }\n", "conf/a.txt"),
    ("an archive", "[files]\n\"/opt/x/\" = { from = \"a.tgz\", unpack = true }\n", "a.tgz"),
    ("a file of an archive", "[files]\n\"/opt/x\" = { from = \"a.tgz\", unpack = { pick = \"x\" } }\n", "a.tgz"),
    ("a jar", "[jar]\nfiles = [\"a.jar\"]\nto = \"/opt\"\n", "a.jar"),
    ("the program of an installer", "[installers.x]\nfrom = \"a.sh\"\ncreates = \"/opt/x\"\n", "a.sh"),
    ("the program of a hook", "[hooks.x]\nfrom = \"a.sh\"\n", "a.sh"),
    ("the key of a user", "[users.analyst]\nauthorized-keys = [\"a.pub\"]\n", "a.pub"),
];

#[test]
fn each_file_of_each_kind_must_be_signed() {
    for (name, section, file) in SECTIONS {
        let case = Case::new();
        std::fs::create_dir_all(case.node.root().join("opt")).expect("made");
        case.write(OTHER, &format!("schema = 1\nname = \"nightly\"\n{section}"));
        case.sign(OTHER);
        let file = format!("Family/init_scripts/{file}");
        case.write(&file, "#!/bin/sh\n");
        let said = case.node.agent(&["plan", "--profile", "nightly"]).ended(2).all();
        assert!(said.contains("is not trusted") && said.contains(&file), "{name}: {said}");
        case.sign(&file);
        let said = case.node.agent(&["plan", "--profile", "nightly"]).all();
        assert!(!said.contains("is not trusted"), "{name}: {said}");
    }
}

#[test]
fn a_clone_needs_a_commit() {
    let case = Case::new();
    let origin = case.node.beside("origin");
    let commit = git::commits(&origin, &["one"]).remove(0);
    git::git(&origin, &["tag", "v1"]);
    let write = |revision: &str| {
        let url = format!("file://{}", origin.display());
        case.write(OTHER, &format!("schema = 1\nname = \"nightly\"\n[git.\"/opt/x\"]\nurl = \"{url}\"\n{revision}\n"));
        case.sign(OTHER);
    };
    write(&format!("commit = \"{commit}\""));
    case.node.agent(&["run", "--profile", "nightly"]).ended(0);
    assert_eq!(case.node.read("opt/x/a"), "one");
    std::fs::remove_dir_all(case.node.root().join("opt/x")).expect("removed");

    write("tag = \"v1\"");
    let said = case.refused("nightly").all();
    assert!(
        said.contains("git repositories are requested by tag or branch, and no signed file has their digests"),
        "{said}"
    );
    // A signed lock has the commit.
    let lock = case.node.beside("desk/nightly.lock").display().to_string();
    let (keys, aside) = (case.node.root().join("etc/nodeagent.toml"), case.node.beside("keys"));
    std::fs::rename(&keys, &aside).expect("moved");
    case.node.agent(&["lock", "--profile", "nightly", "--output", &lock]).ended(0);
    std::fs::rename(&aside, &keys).expect("moved");
    case.write(LOCK, &std::fs::read_to_string(lock).expect("written"));
    case.sign(LOCK);
    git::commits(&origin, &["two"]);
    git::git(&origin, &["tag", "--force", "v1"]);
    case.node.agent(&["run", "--profile", "nightly"]).ended(0);
    assert_eq!(case.node.read("opt/x/a"), "one", "the tag moved after the lock was signed");
}

#[test]
fn the_stage_after_the_launch_uses_the_signed_files_of_the_launch() {
    const FILE: &str = "Family/init_scripts/a.txt";
    let case = Case::new();
    case.write(
        OTHER,
        "schema = 1\nname = \"nightly\"\n[files]\n\"/etc/later\" = { from = \"a.txt\", stage = \"post-start\" }\n\
         [post-start]\nready = { path = \"/tmp/ready\", timeout = \"60s\" }\n",
    );
    case.sign(OTHER);
    case.write(FILE, "signed\n");
    let said = case.refused("nightly").all();
    assert!(said.contains("a.txt` is not trusted: it has no signature"), "{said}");
    case.sign(FILE);
    case.node.agent(&["run", "--profile", "nightly"]).ended(0);
    // A user with write access to the file store changes the file and the profile while the stage waits.
    case.write(FILE, "evil\n");
    case.change(OTHER, "/etc/later", "/etc/evil");
    put_new(&case.node.root().join("tmp/ready"), "");
    let report = stages::ended(&case.node, 1).remove(0);
    assert_eq!(report["outcome"], "done", "{report:#}");
    assert_eq!(case.node.read("etc/later"), "signed\n");
    // The next launch refuses both.
    case.refused("nightly");
}

#[test]
fn an_r_package_at_a_commit_needs_no_digest() {
    let case = Case::new();
    let commit = "3f1c".repeat(10);
    let at_commit =
        format!("{{ name = \"models\", git = \"https://git.firm.example/models.git\", commit = \"{commit}\" }}");
    for (package, status) in [("\"models\"", 2), (at_commit.as_str(), 0)] {
        case.write(OTHER, &format!("schema = 1\nname = \"nightly\"\n[r]\npackages = [{package}]\n"));
        case.sign(OTHER);
        let said = case.node.agent(&["check", "nightly"]).ended(status).all();
        assert_eq!(said.contains("R packages are requested by name"), status == 2, "{said}");
    }
}
