//! `[files]` with archives and with several files: selection, a second run, drift, another archive, taken back,
//! refusals.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::Path};

use crate::support::NodeTest;

const RUN: [&str; 3] = ["run", "--profile", "x.toml"];
const TOOL: &str = "[files]\n\"/opt/tool/\" = { from = \"tool.tgz\", unpack = { strip = 1 } }\n";

/// A compressed tar archive. A name that ends with `->` is a link to the content.
pub(crate) fn archive(node: &NodeTest, name: &str, files: &[(&str, &str)]) {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_700_000_000);
        header.set_mode(0o755);
        if let Some(path) = path.strip_suffix("->") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, path, content).expect("packed");
            continue;
        }
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_bytes()).expect("packed");
    }
    let bytes = tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("packed");
    write(&node.beside("desk").join(name), &bytes);
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::File::create(path).and_then(|mut file| file.write_all(bytes)).expect("written");
}

fn tool(node: &NodeTest) {
    archive(
        node,
        "tool.tgz",
        &[
            ("tool-1/bin/tool", "one"),
            ("tool-1/bin/t->", "tool"),
            ("tool-1/conf/tool.ini", "level=1\n"),
            ("tool-1/old", "old"),
            ("tool-1/README", "read me"),
        ],
    );
}

/// The paths below a folder of the node.
fn paths(node: &NodeTest, folder: &str) -> Vec<String> {
    let below = |line: &String| Some(line.split_once(&format!("{folder}/"))?.1.split(' ').next()?.to_owned());
    node.listing().iter().filter_map(below).collect()
}

#[test]
fn an_archive_is_unpacked_once_repaired_replaced_and_taken_back() {
    let node = NodeTest::new().profile(TOOL).file("opt/tool/mine", "of others");
    tool(&node);
    let before = node.listing();
    let planned = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    assert!(planned.stdout.contains("unpack to") && planned.stdout.contains("(missing)"), "{planned:?}");
    assert_eq!(node.changes_since(&before), [""; 0], "a plan changes nothing");
    node.agent(&RUN).ended(0);
    assert_eq!(node.read("opt/tool/bin/tool"), "one");
    assert_eq!(fs::read_link(node.root().join("opt/tool/bin/t")).expect("a link"), Path::new("tool"));
    assert_eq!(node.mode("opt/tool/bin/tool"), 0o755);
    let listing = node.listing();
    let said = node.agent(&RUN).ended(0).all();
    assert_eq!(node.changes_since(&listing), [""; 0], "{said}");

    // Files that differ in content or mode are repaired, and others stay.
    let node = node.file("opt/tool/conf/tool.ini", "level=2\n");
    fs::remove_file(node.root().join("opt/tool/bin/t")).expect("removed");
    fs::set_permissions(node.root().join("opt/tool/old"), fs::Permissions::from_mode(0o600)).expect("changed");
    let plan = node.agent(&["plan", "--profile", "x.toml"]).ended(0).stdout;
    assert!(plan.contains("(drifted)"), "{plan}");
    node.agent(&RUN).ended(0);
    assert_eq!((node.read("opt/tool/conf/tool.ini").as_str(), node.mode("opt/tool/old")), ("level=1\n", 0o755));
    assert!(node.root().join("opt/tool/bin/t").is_symlink());

    // The files of another archive replace those of the old one. A changed file stays.
    let node = node.file("opt/tool/README", "with notes");
    archive(&node, "tool.tgz", &[("tool-2/bin/tool", "two"), ("tool-2/new/file", "")]);
    let plan = node.agent(&["plan", "--profile", "x.toml"]).ended(0).stdout;
    assert!(!plan.contains("(drifted)"), "the profile's archive changed: {plan}");
    let said = node.agent(&RUN).ended(0).all();
    assert!(said.contains("a file of an older archive in `/opt/tool` was changed since"), "{said}");
    assert_eq!(node.read("opt/tool/bin/tool"), "two");
    assert_eq!(paths(&node, "opt/tool"), ["README", "bin", "bin/tool", "mine", "new", "new/file"]);

    // Without its entry, only the files of others stay.
    let node = node.profile("");
    node.agent(&RUN).ended(0);
    assert_eq!(paths(&node, "opt/tool"), ["README", "mine"]);
    let said = node.agent(&["plan", "--profile", "x.toml"]).ended(0).all();
    assert!(said.contains("nothing to do"), "{said}");
}

#[test]
fn files_that_an_archive_replaces_return_when_it_does_not_have_them() {
    let node = NodeTest::new().profile(TOOL);
    let node = node.file("opt/tool/old", "of the image").file_of_mode("opt/tool/bin/tool", "of the image", 0o700);
    tool(&node);
    node.agent(&RUN).ended(0);
    assert_eq!((node.read("opt/tool/old").as_str(), node.read("opt/tool/bin/tool").as_str()), ("old", "one"));
    // The next archive has one of them only.
    archive(&node, "tool.tgz", &[("tool-2/bin/tool", "two")]);
    let said = node.agent(&RUN).ended(0).all();
    assert!(!said.contains("warning"), "{said}");
    assert_eq!((node.read("opt/tool/old").as_str(), node.read("opt/tool/bin/tool").as_str()), ("of the image", "two"));
    let node = node.profile("");
    let said = node.agent(&RUN).ended(0).all();
    assert!(!said.contains("warning"), "{said}");
    assert_eq!((node.read("opt/tool/bin/tool").as_str(), node.mode("opt/tool/bin/tool")), ("of the image", 0o700));
    assert_eq!(paths(&node, "opt/tool"), ["bin", "bin/tool", "old"]);
    assert!(!node.listing().iter().any(|line| line.contains("lib/nodeagent/previous/")), "no copy is left");
}

#[test]
fn one_file_of_an_archive_gets_the_path_of_the_entry() {
    let body =
        "[files]\n\"/usr/bin/tool\" = { from = \"tool.tgz\", unpack = { pick = \"*/bin/tool\" }, mode = \"0700\" }
\"/opt/some/\" = { from = \"tool.tgz\", unpack = { strip = 1, pick = [\"conf\", \"READ*\"] }, mode = \"go-x\" }
\"/opt/note\" = { from = \"note.gz\", unpack = true }\n";
    let node = NodeTest::new().profile(body).file("usr/bin/tool", "of the image");
    tool(&node);
    let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    compressed.write_all(b"a note\n").expect("written");
    write(&node.beside("desk/note.gz"), &compressed.finish().expect("complete"));
    node.agent(&RUN).ended(0);
    assert_eq!((node.read("usr/bin/tool").as_str(), node.mode("usr/bin/tool")), ("one", 0o700));
    assert_eq!(paths(&node, "opt/some"), ["README", "conf", "conf/tool.ini"]);
    assert_eq!((node.read("opt/note").as_str(), node.mode("opt/some/README")), ("a note\n", 0o744));
    let said = node.agent(&RUN).ended(0).all();
    assert!(said.contains("nothing to do"), "{said}");
    let node = node.profile("");
    node.agent(&RUN).ended(0);
    assert_eq!(node.read("usr/bin/tool"), "of the image", "the file that was there before returns");
    assert!(!node.root().join("opt/some").exists() && !node.root().join("opt/note").exists());
}

#[test]
fn paths_of_other_entries_are_left_to_them() {
    let entries = "\"/opt/tool/conf/tool.ini\" = { set = { level = 9 } }\n";
    let node = NodeTest::new().profile(&format!("{TOOL}{entries}"));
    tool(&node);
    node.agent(&RUN).ended(0);
    assert_eq!(node.read("opt/tool/conf/tool.ini"), "level=9\n");
    let said = node.agent(&RUN).ended(0).all();
    assert!(said.contains("nothing to do"), "{said}");
    archive(&node, "tool.tgz", &[("tool-2/conf/tool.ini", "level=2\n"), ("tool-2/x", "")]);
    node.agent(&RUN).ended(0);
    assert_eq!(node.read("opt/tool/conf/tool.ini"), "level=9\n", "an edited file is not overwritten");
}

#[test]
fn a_file_whose_mode_another_entry_sets_is_replaced_with_its_archive() {
    let node = NodeTest::new().profile(&format!("{TOOL}\"/opt/tool/bin/tool\" = {{ mode = \"0700\" }}\n"));
    tool(&node);
    node.agent(&RUN).ended(0);
    assert_eq!((node.read("opt/tool/bin/tool").as_str(), node.mode("opt/tool/bin/tool")), ("one", 0o700));
    let said = node.agent(&RUN).ended(0).all();
    assert!(said.contains("nothing to do"), "{said}");
    archive(&node, "tool.tgz", &[("tool-2/bin/tool", "two")]);
    let said = node.agent(&RUN).ended(0).all();
    assert_eq!((node.read("opt/tool/bin/tool").as_str(), node.mode("opt/tool/bin/tool")), ("two", 0o700), "{said}");
    let said = node.agent(&RUN).ended(0).all();
    assert!(said.contains("nothing to do"), "{said}");
}

#[test]
fn an_archive_that_cannot_be_used_refuses_the_run_before_any_change() {
    let refused = |name: &str, unpack: &str, message: &str, make: &dyn Fn(&NodeTest)| {
        let body = format!(
            "[files]\n\"/etc/first\" = {{ text = \"x\" }}\n\"/opt/x/\" = {{ from = \"{name}\", unpack = {unpack} }}\n"
        );
        let node = NodeTest::new().profile(&body);
        make(&node);
        let said = node.agent(&RUN).ended(2).all();
        assert!(said.contains(message) && said.contains("x.toml:"), "{said}");
        assert!(!node.root().join("etc/first").exists() && !node.root().join("opt/x").exists(), "{said}");
    };
    refused("a.tgz", "true", "a link to a path outside", &|node| archive(node, "a.tgz", &[("a->", "../../etc")]));
    refused("a.tgz", "true", "the archive contains this name twice", &|node| {
        archive(node, "a.tgz", &[("a", "1"), ("a", "2")]);
    });
    refused("a.tgz", "{ pick = \"b\" }", "the archive has no `b`", &|node| archive(node, "a.tgz", &[("a", "1")]));
    refused("a.tgz", "{ strip = 3 }", "nothing below 3 leading folders", &|node| archive(node, "a.tgz", &[("a", "")]));
    refused("a.tgz", "{ strip = 1 }", "the archive contains this name twice", &|node| {
        archive(node, "a.tgz", &[("a/x", "1"), ("b/x", "2")]);
    });
    refused("a.tgz", "{ strip = 1 }", "a path below one of its links", &|node| {
        archive(node, "a.tgz", &[("a/link/passwd", "1"), ("b/link->", "c")]);
    });
    refused("a.tgz", "true", "it is not a tar, zip or deb archive", &|node| {
        write(&node.beside("desk/a.tgz"), b"<html>not found</html>");
    });
    refused("a.tgz", "true", "a.tgz", &|node| {
        archive(node, "b.tgz", &[("a", &"x".repeat(9000))]);
        let bytes = fs::read(node.beside("desk/b.tgz")).expect("there");
        write(&node.beside("desk/a.tgz"), &bytes[..bytes.len() - 12]);
    });
}

#[test]
fn files_globs_and_folders_are_copied_into_a_folder() {
    let body = "[files]\n\"/etc/one/\" = \"conf/a.conf\"
\"/etc/several/\" = { from = [\"conf/a.conf\", \"xml/*.xml\"], mode = \"0600\" }
\"/etc/all/\" = { from = \"conf/\", template = true }
\"/etc/all/inner/b.conf\" = { text = \"own\" }\n";
    let node = NodeTest::new()
        .profile(body)
        .work("conf/a.conf", "unit=${profile.name}\n")
        .work("conf/inner/b.conf", "b")
        .work("xml/1.xml", "1")
        .work("xml/2.xml", "2");
    node.agent(&RUN).ended(0);
    assert_eq!(node.read("etc/one/a.conf"), "unit=${profile.name}\n");
    assert_eq!(paths(&node, "etc/several"), ["1.xml", "2.xml", "a.conf"]);
    assert_eq!(node.mode("etc/several/1.xml"), 0o600);
    assert_eq!(
        (node.read("etc/all/a.conf").as_str(), node.read("etc/all/inner/b.conf").as_str()),
        ("unit=x\n", "own\n")
    );
    let said = node.agent(&RUN).ended(0).all();
    assert!(said.contains("nothing to do"), "{said}");

    // A file that the folder no longer has is taken back.
    fs::remove_file(node.beside("desk/xml/1.xml")).expect("removed");
    node.agent(&RUN).ended(0);
    assert_eq!(paths(&node, "etc/several"), ["2.xml", "a.conf"]);

    for (from, message) in
        [("[\"a/*\"]", "a/*"), ("\"none/\"", "none/"), ("[\"conf/a.conf\", \"./conf/a.conf\"]", "two files")]
    {
        let node =
            NodeTest::new().profile(&format!("[files]\n\"/etc/x/\" = {{ from = {from} }}\n")).work("conf/a.conf", "");
        let said = node.agent(&RUN).ended(2).all();
        assert!(said.contains(message), "{said}");
    }
}
