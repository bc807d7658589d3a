//! Each kind: its files of the file store must be signed.

use super::{Case, OTHER};

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
