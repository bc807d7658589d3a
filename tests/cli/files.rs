//! `[files]` on a fake node: every form, a second run, drift, and items that are taken back.

use std::{fs, os::unix::fs::symlink};

use crate::support::{MARKER, NodeTest};

const ALL: &str = r#"
[secrets]
source = "env"
scope = "family"

[files]
"/etc/copied" = "lib/file.conf"
"/opt/{a,b}/text" = { text = "${profile.name}", mode = "u+x" }
"/opt/template" = { from = "lib/template.conf", template = true }
"/opt/link" = { link = "a/text" }
"/opt/folder/" = { dir = true, mode = "0700" }
"/opt/old*" = { absent = true }
"/opt/tree" = { absent = true, recursive = true }
"/etc/kept" = { text = "new", keep = true }
"/etc/program" = { mode = "a+rx" }
"~analyst/.conf" = { text = "of analyst" }
"/etc/token" = { text = "token=${secret.token}" }

[files."/etc/mysql.cnf"]
set = { mysqld = { bind-address = "0.0.0.0", new = 1 } }
lines = ["!includedir /etc/x"]
replace = [{ regex = '^#?(log=).*', with = "${1}on" }]
block = { text = "key=1", name = "firm", below = '^\[client\]' }

[files."/etc/secret.cnf"]
set = { password = "${secret.token}", port = 1 }
"#;
const MYSQL: &str = "# top\n[client]\nport=1\n\n[mysqld]\nbind-address = 127.0.0.1 \n#log=off";
const RUN: [&str; 3] = ["run", "--profile", "x.toml"];

fn node(profile: &str) -> NodeTest {
    NodeTest::new()
        .profile(&profile.replace("${1}", "$${1}"))
        .work("lib/file.conf", "copied\n")
        .work("lib/template.conf", "unit=${profile.name} ${secret.token}\n")
        .var("FAMILY_TOKEN", MARKER)
        .file("opt/old1", "1")
        .file("opt/old2", "2")
        .file("opt/tree/a/b", "")
        .file("etc/kept", "old")
        .file("etc/program", "")
        .file("etc/mysql.cnf", MYSQL)
        .file("etc/secret.cnf", "user=ann\npassword=older\n")
}

#[test]
fn every_form_is_made_once_repaired_and_taken_back() {
    let node = node(ALL);
    let before = node.listing();
    let planned = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    assert_eq!(node.changes_since(&before), [""; 0], "a plan changes nothing");
    node.frozen(|| insta::assert_snapshot!(planned.stdout));
    let said = node.agent(&RUN).ended(0).all();
    assert!(!said.contains(MARKER) && !planned.all().contains(MARKER), "{said}");
    is_as_wanted(&node);

    let listing = node.listing();
    let again = node.agent(&RUN).ended(0).all();
    assert_eq!(node.changes_since(&listing), [""; 0], "{again}");
    let holders: Vec<String> = node.files_with(MARKER).iter().map(|path| path.display().to_string()).collect();
    assert_eq!(
        holders.iter().filter(|path| path.starts_with("node")).collect::<Vec<_>>(),
        ["node/etc/secret.cnf", "node/etc/token", "node/opt/template"],
        "a secret is in its files only"
    );

    // Drift of every form is repaired.
    let file = |path: &str| node.root().join(path);
    let edited = node.read("etc/mysql.cnf").replace("0.0.0.0", "1.1.1.1").replace("key=1", "key=2");
    fs::remove_file(file("opt/link")).expect("removed");
    symlink("elsewhere", file("opt/link")).expect("linked");
    fs::remove_dir(file("opt/folder")).expect("removed");
    let node = node.file("etc/mysql.cnf", &edited).file("opt/a/text", "mine");
    let node = node.file("etc/copied", "mine").file("opt/old3", "3");
    let plan = node.agent(&["plan", "--profile", "x.toml"]).ended(0).stdout;
    assert_eq!(plan.matches("(drifted)").count(), 6, "{plan}");
    node.agent(&RUN).ended(0);
    is_as_wanted(&node);

    // Without its entries the node is as before.
    let node = node.profile("");
    let said = node.agent(&RUN).ended(0).all();
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(node.read("etc/mysql.cnf"), MYSQL);
    assert_eq!(node.read("etc/secret.cnf"), "user=ann\n", "an older secret is not kept");
    for gone in ["etc/copied", "opt/a/text", "opt/b/text", "opt/template", "opt/link", "opt/folder", "etc/token"] {
        assert!(fs::symlink_metadata(node.root().join(gone)).is_err(), "{gone}");
    }
    assert_eq!((node.read("etc/kept").as_str(), node.mode("etc/program")), ("old", node.mode("etc/kept")));
    let said = node.agent(&["plan", "--profile", "x.toml"]).ended(0).all();
    assert!(said.contains("nothing to do"), "{said}");
}

fn is_as_wanted(node: &NodeTest) {
    assert_eq!(node.read("etc/copied"), "copied\n");
    assert_eq!((node.read("opt/a/text").as_str(), node.mode("opt/b/text")), ("x\n", 0o744));
    assert_eq!(node.read("opt/template"), format!("unit=x {MARKER}\n"));
    assert_eq!(node.mode("opt/template"), 0o600);
    assert_eq!(fs::read_link(node.root().join("opt/link")).expect("a link").display().to_string(), "a/text");
    assert_eq!(node.mode("opt/folder"), 0o700);
    for gone in ["opt/old1", "opt/old2", "opt/old3", "opt/tree"] {
        assert!(!node.root().join(gone).exists(), "{gone}");
    }
    assert_eq!((node.read("etc/kept").as_str(), node.mode("etc/program")), ("old", 0o755));
    assert_eq!(node.read("home/analyst/.conf"), "of analyst\n");
    assert_eq!((node.read("etc/token"), node.mode("etc/token")), (format!("token={MARKER}\n"), 0o600));
    assert_eq!(
        node.read("etc/mysql.cnf"),
        "# top\n[client]\n# >>> nodeagent firm >>>\nkey=1\n# <<< nodeagent firm <<<\nport=1\n\n[mysqld]\n\
         bind-address = 0.0.0.0\nlog=on\nnew=1\n!includedir /etc/x\n"
    );
    assert_eq!(node.read("etc/secret.cnf"), format!("user=ann\npassword={MARKER}\nport=1\n"));
}

#[test]
fn a_single_edit_is_taken_back_while_others_stay() {
    let entry = |rest: &str| format!("[files.\"/etc/mysql.cnf\"]\nset = {{ mysqld = {{ user = \"x\" }} }}\n{rest}");
    let node = node(&entry("lines = [\"a\"]\nreplace = [{ find = \"port=1\", with = \"port=2\" }]\n"));
    node.agent(&RUN).ended(0);
    // Other lines may change meanwhile.
    let changed = format!("# more\n{}# end\n", node.read("etc/mysql.cnf"));
    let node = node.file("etc/mysql.cnf", &changed).profile(&entry(""));
    node.agent(&RUN).ended(0);
    assert_eq!(node.read("etc/mysql.cnf"), format!("# more\n{MYSQL}\nuser=x\n# end\n"));
    let node = node.profile("");
    node.agent(&RUN).ended(0);
    assert_eq!(node.read("etc/mysql.cnf"), format!("# more\n{MYSQL}\n# end\n"));
}

#[test]
fn a_replacement_that_cannot_be_made_is_refused_with_its_line() {
    for (replace, message) in [
        ("{ find = \"nowhere\", with = \"x\" }", "`nowhere` was not replaced"),
        ("{ find = \"port\", with = \"portport\" }", "applied to its own result"),
        ("{ regex = '^#(log=).*', with = \"$1\" }", "does not match the text that it puts in place"),
    ] {
        let node = node(&format!("[files.\"/etc/mysql.cnf\"]\nreplace = [{replace}]\n"));
        let said = node.agent(&["plan", "--profile", "x.toml"]).ended(2).all();
        assert!(said.contains(message) && said.contains("x.toml:4"), "{said}");
        assert_eq!(node.read("etc/mysql.cnf"), MYSQL);
    }
}

#[test]
fn edits_of_a_parent_and_a_child_are_merged() {
    let base = "schema = 1\nname = \"base\"\n[files.\"/etc/x\"]\nset = { a = 1, b = 2 }\nblock = { name = \"one\", text = \"1\" }\n";
    let child =
        "extends = [\"./base.toml\"]\n[files.\"/etc/x\"]\nset = { b = 3 }\nblock = { name = \"two\", text = \"2\" }\n";
    let node = NodeTest::new().work("base.toml", base).profile(child);
    node.agent(&RUN).ended(0);
    let block = |name: &str, text: &str| format!("# >>> nodeagent {name} >>>\n{text}\n# <<< nodeagent {name} <<<\n");
    let [one, two] = [block("one", "1"), block("two", "2")];
    assert_eq!(node.read("etc/x"), format!("{one}{two}a=1\nb=3\n"));
    let whole = base.replace("set = { a = 1, b = 2 }\nblock = { name = \"one\", text = \"1\" }", "text = \"1\"");
    let node = node.work("base.toml", &whole);
    let said = node.agent(&["check", "x.toml"]).ended(2).all();
    assert!(said.contains("is edited here and written as a whole at"), "{said}");
}

#[test]
fn a_file_of_the_node_is_copied_after_the_entry_that_creates_it() {
    let profile = |text: &str| {
        format!(
            "[files]\n\"/etc/copy.conf\" = \"/opt/tool/defaults.conf\"\n\"/opt/tool/\" = {{ dir = true }}\n\
             \"/opt/tool/defaults.conf\" = {{ text = \"{text}\" }}\n"
        )
    };
    let node = NodeTest::new().profile(&profile("A"));
    let planned = node.agent(&["plan", "--profile", "x.toml"]).ended(0).all();
    assert!(planned.contains("copy /opt/tool/defaults.conf, which another step creates"), "{planned}");
    node.agent(&RUN).ended(0);
    assert_eq!(node.read("etc/copy.conf"), "A\n");
    let second = node.agent(&["run", "--profile", "x.toml"]).ended(0).all();
    assert!(second.contains("nothing to do"), "{second}");
    // Both change in the same run.
    let node = node.profile(&profile("B"));
    node.agent(&RUN).ended(0);
    assert_eq!(node.read("etc/copy.conf"), "B\n");
    // A lock does not have the file.
    node.agent(&["lock", "--profile", "x.toml"]).ended(0);
    node.agent(&RUN).ended(0);
    std::fs::remove_file(node.beside("desk/x.lock")).expect("the lock");
    let node = node.profile("[files]\n\"/etc/copy.conf\" = \"/opt/absent/x.conf\"\n");
    let said = node.agent(&["plan", "--profile", "x.toml"]).ended(2).all();
    assert!(said.contains("the file `/opt/absent/x.conf` is not on this node"), "{said}");
    assert!(said.contains("add `after`, such as `after = [\"apt\"]`"), "{said}");
    let block = "[files.\"/etc/copy.conf\"]\nblock = { from = \"/opt/absent/x.conf\" }\n";
    let node = node.profile(block);
    let said = node.agent(&["plan", "--profile", "x.toml"]).ended(2).all();
    assert!(said.contains("hint: this file must exist before the run; check the path\n"), "{said}");
    let after = "[files.\"/etc/copy.conf\"]\nfrom = \"/opt/absent/x.conf\"\nafter = [\"files./etc/other\"]\n\
                 [files]\n\"/etc/other\" = { text = \"x\" }\n";
    let node = node.profile(after);
    let said = node.agent(&RUN).ended(1).all();
    assert!(said.contains("check the entry that creates it, and name that entry in `after`"), "{said}");
}
