//! Deliveries of secrets: every destination, entries of others in the same file, removal, and values that a format
//! cannot represent.

use std::path::PathBuf;

use crate::support::NodeTest;

const HEAD: &str = "[secrets]\nsource = \"env\"\nscope = \"family\"\n";

/// An entry that delivers a secret.
fn item(key: &str, to: &str) -> String {
    format!("[[secrets.items]]\nkey = \"{key}\"\nto = {{ {to} }}\n")
}

fn profile(parts: &[String]) -> String {
    format!("{HEAD}{}", parts.concat())
}

const PGPASS: &str = r#"pgpass = "~/.pgpass", host = "db", port = 5432, user = "read_only", owner = "analyst""#;
const NETRC: &str = r#"netrc = "~/.netrc", machine = "artefacts.example", login = "reader""#;
const GIT: &str = r#"git-credentials = "~/.git-credentials", url = "https://git.example", user = "bot""#;

/// Every kind of destination, with secrets that each format has to escape.
fn everywhere() -> NodeTest {
    NodeTest::new()
        .var("FAMILY_TOKEN", "marker-a$b`c\"d\\e")
        .var("FAMILY_DB", "marker:p\\w")
        .var("FAMILY_PYPI", "marker-pypi")
        .var("FAMILY_GIT", "marker/g@t")
        .file("home/analyst/.pgpass", "other:5432:*:ann:hers\n")
        .file("root/.netrc", "machine other.example login root password his\n")
        .file("root/.git-credentials", "https://ann:hers@git.example\n")
        .profile(&profile(&[
            item("token", r#"file = "token""#),
            item("token", r#"env-file = "/etc/inhouse/x.env", variable = "TOKEN", mode = "0440""#),
            item("pypi", r#"env-file = "/etc/inhouse/x.env", variable = "PYPI", mode = "0440""#),
            item("db", PGPASS),
            item("pypi", r#"index = "https://pypi.example/simple", user = "__token__""#),
            item("git", GIT),
            "[[secrets.templates]]\nfile = \"/etc/inhouse/odbc.ini\"\ntext = \"Password=${secret.db}\\n\"\n".to_owned(),
        ]))
}

fn run(node: &NodeTest) -> crate::support::CommandOutput {
    node.agent(&["run", "--profile", "x.toml"])
}

#[test]
fn every_destination_gets_its_secret_and_other_entries_are_kept() {
    let node = everywhere();
    run(&node).ended(0);
    assert_eq!(node.read("run/nodeagent/secrets/family/token"), "marker-a$b`c\"d\\e");
    assert_eq!(node.read("etc/inhouse/x.env"), "TOKEN=\"marker-a\\$b\\`c\\\"d\\\\e\"\nPYPI=\"marker-pypi\"\n");
    assert_eq!(
        node.read("home/analyst/.pgpass"),
        "# >>> nodeagent x >>>\ndb:5432:*:read_only:marker\\:p\\\\w\n# <<< nodeagent x <<<\nother:5432:*:ann:hers\n"
    );
    assert_eq!(
        node.read("root/.netrc"),
        "# >>> nodeagent x >>>\nmachine pypi.example login __token__ password marker-pypi\n# <<< nodeagent x <<<\n\
         machine other.example login root password his\n"
    );
    assert_eq!(
        node.read("root/.git-credentials"),
        "https://bot:marker%2fg%40t@git.example\nhttps://ann:hers@git.example\n"
    );
    assert_eq!(node.read("etc/inhouse/odbc.ini"), "Password=marker:p\\w\n");
    for (path, mode) in [
        ("run/nodeagent/secrets/family/token", 0o400),
        ("etc/inhouse/x.env", 0o440),
        ("home/analyst/.pgpass", 0o600),
        ("root/.netrc", 0o600),
        ("root/.git-credentials", 0o600),
        ("etc/inhouse/odbc.ini", 0o400),
        ("run/nodeagent/secrets", 0o711),
    ] {
        assert_eq!(node.mode(path), mode, "{path}");
    }
}

#[test]
fn a_second_run_changes_nothing_and_plans_show_no_value() {
    let node = everywhere();
    let planned = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    node.frozen(|| insta::assert_snapshot!(planned.stdout));
    let output = run(&node).ended(0);
    let before = node.listing();
    let again = run(&node).ended(0);
    assert_eq!(node.changes_since(&before), [""; 0]);
    let ready = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    for output in [&planned, &output, &again, &ready] {
        assert!(!output.all().contains("marker"), "{}", output.all());
    }
    assert!(ready.stdout.contains("nothing to do"), "{}", ready.stdout);
    // Escapes do not hide a value from the search, because the marker contains no character that is escaped.
    let holders: Vec<PathBuf> = node.files_with("marker").into_iter().filter(|path| path.starts_with("node")).collect();
    assert_eq!(
        holders,
        [
            "node/etc/inhouse/odbc.ini",
            "node/etc/inhouse/x.env",
            "node/home/analyst/.pgpass",
            "node/root/.git-credentials",
            "node/root/.netrc",
            "node/run/nodeagent/secrets/family/token",
        ]
        .map(PathBuf::from)
    );
}

#[test]
fn secrets_removed_from_the_profile_are_removed_from_the_node() {
    let node = everywhere();
    run(&node).ended(0);
    let node = node.profile("");
    let planned = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    node.frozen(|| insta::assert_snapshot!(planned.stdout));
    let output = run(&node).ended(0);
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
    for path in ["run/nodeagent/secrets/family/token", "etc/inhouse/x.env", "etc/inhouse/odbc.ini"] {
        assert!(!node.root().join(path).exists(), "{path}");
    }
    assert_eq!(node.read("home/analyst/.pgpass"), "other:5432:*:ann:hers\n");
    assert_eq!(node.read("root/.netrc"), "machine other.example login root password his\n");
    assert_eq!(node.read("root/.git-credentials"), "https://ann:hers@git.example\n");
    assert_eq!(node.files_with("marker"), Vec::<PathBuf>::new());
    let before = node.listing();
    run(&node).ended(0);
    assert_eq!(node.changes_since(&before), [""; 0]);
}

#[test]
fn a_file_with_only_our_entries_is_removed_with_them() {
    let node = NodeTest::new().var("FAMILY_DB", "one").profile(&profile(&[item("db", PGPASS)]));
    run(&node).ended(0);
    let node = node.profile("");
    run(&node).ended(0);
    assert!(!node.root().join("home/analyst/.pgpass").exists());
}

#[test]
fn removing_one_entry_keeps_the_others() {
    let git =
        |user: &str| format!(r#"git-credentials = "~/.git-credentials", url = "https://git.example", user = "{user}""#);
    let other = r#"netrc = "~/.netrc", machine = "other.example", login = "reader""#;
    let node = NodeTest::new().var("FAMILY_A", "one").var("FAMILY_B", "two").profile(&profile(&[
        item("a", NETRC),
        item("b", other),
        item("a", &git("x")),
        item("b", &git("y")),
    ]));
    run(&node).ended(0);
    let node = node.profile(&profile(&[item("b", other), item("b", &git("y"))]));
    run(&node).ended(0);
    assert_eq!(
        node.read("root/.netrc"),
        "# >>> nodeagent x >>>\nmachine other.example login reader password two\n# <<< nodeagent x <<<\n"
    );
    assert_eq!(node.read("root/.git-credentials"), "https://y:two@git.example\n");
}

#[test]
fn a_file_changed_by_others_is_kept_with_a_warning() {
    let node = everywhere();
    run(&node).ended(0);
    let node = node.file_of_mode("etc/inhouse/x.env", "MINE=1\n", 0o600).profile("");
    let output = run(&node).ended(0);
    assert!(output.stderr.contains("etc/inhouse/x.env` was left where it is"), "{}", output.stderr);
    assert_eq!(node.read("etc/inhouse/x.env"), "MINE=1\n");
    // The warning is given once. After that the file belongs to others.
    let again = run(&node).ended(0);
    assert!(!again.stderr.contains("warning"), "{}", again.stderr);
}

#[test]
fn a_file_that_already_had_the_content_is_never_removed() {
    let node = NodeTest::new()
        .var("FAMILY_TOKEN", "theirs")
        .file_of_mode("run/token", "theirs", 0o400)
        .profile(&profile(&[item("token", r#"file = "/run/token""#)]));
    run(&node).ended(0);
    let node = node.profile("");
    run(&node).ended(0);
    assert_eq!(node.read("run/token"), "theirs");
}

#[test]
fn a_changed_secret_is_delivered_to_all_destinations() {
    let node = everywhere();
    run(&node).ended(0);
    let node = node.var("FAMILY_PYPI", "rotated").var("FAMILY_GIT", "rotated-too");
    run(&node).ended(0);
    assert_eq!(node.files_with("marker-pypi"), Vec::<PathBuf>::new());
    assert!(node.read("etc/inhouse/x.env").ends_with("PYPI=\"rotated\"\n"));
    assert!(node.read("root/.netrc").contains("password rotated\n"));
    assert_eq!(node.read("root/.git-credentials").matches("https://bot:").count(), 1);
    // The new delivery is recorded as ours.
    let node = node.profile("");
    run(&node).ended(0);
    assert!(!node.root().join("etc/inhouse/x.env").exists());
}

#[test]
fn each_profile_removes_only_its_own_deliveries() {
    let two = |name: &str, machine: &str| {
        let to = format!(r#"netrc = "~/.netrc", machine = "{machine}", login = "reader""#);
        format!(
            "schema = 1\nname = \"{name}\"\n{}",
            profile(&[item("token", &to), item("token", r#"file = "/run/token""#)])
        )
    };
    let node = NodeTest::new()
        .var("FAMILY_TOKEN", "one")
        .work("a.toml", &two("a", "a.example"))
        .work("b.toml", &two("b", "b.example"));
    for name in ["a.toml", "b.toml"] {
        node.agent(&["run", "--profile", name]).ended(0);
    }
    let before = node.listing();
    for name in ["a.toml", "b.toml"] {
        node.agent(&["run", "--profile", name]).ended(0);
    }
    assert_eq!(node.changes_since(&before), [""; 0]);
    assert!(node.read("root/.netrc").contains("a.example") && node.read("root/.netrc").contains("b.example"));
    let node = node.work("a.toml", "schema = 1\nname = \"a\"\n");
    node.agent(&["run", "--profile", "a.toml"]).ended(0);
    assert!(!node.read("root/.netrc").contains("a.example") && node.read("root/.netrc").contains("b.example"));
    assert_eq!(node.read("run/token"), "one", "the other profile still asks for it");
}

#[test]
fn a_value_that_a_format_cannot_represent_refuses_the_run() {
    for (value, to, why) in [
        ("two\nlines", NETRC, "it contains a line break"),
        ("ends with one\n", PGPASS, "it contains a line break"),
        ("marker\n", GIT, "it contains a line break"),
        ("two words", NETRC, "a character that readers of netrc interpret differently"),
        ("bell\u{7}", r#"env-file = "/etc/x.env", variable = "X""#, "it contains a control character"),
    ] {
        let node = NodeTest::new().var("FAMILY_TOKEN", value).profile(&profile(&[item("token", to)]));
        let before = node.listing();
        let output = run(&node).ended(2);
        assert!(output.stderr.contains("does not fit into") && output.stderr.contains(why), "{}", output.stderr);
        assert!(output.stderr.contains("x.toml:7") && output.stderr.contains("hint: "), "{}", output.stderr);
        assert!(!output.all().contains(value.trim()), "{}", output.all());
        assert_eq!(node.changes_since(&before), [""; 0]);
    }
}

#[test]
fn a_netrc_with_an_entry_for_the_machine_is_not_changed() {
    let node = NodeTest::new()
        .var("FAMILY_TOKEN", "ours")
        .file("root/.netrc", "machine artefacts.example login ann password hers\n")
        .profile(&profile(&[item("token", NETRC)]));
    let output = run(&node).ended(2);
    assert!(
        output.stderr.contains("has an entry for `artefacts.example` that nodeagent did not write"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_missing_optional_secret_keeps_the_other_entries() {
    let node = NodeTest::new().var("FAMILY_A", "one").profile(&profile(&[
        item("a", r#"env-file = "/etc/x.env", variable = "A""#),
        item("b", r#"env-file = "/etc/x.env", variable = "B""#) + "optional = true\n",
        "[[secrets.templates]]\nfile = \"/etc/x.ini\"\noptional = true\ntext = \"${secret.a}${secret.b}\"\n".to_owned(),
    ]));
    let output = run(&node).ended(0);
    assert!(output.stderr.contains("FAMILY_B` is not set"), "{}", output.stderr);
    assert_eq!(node.read("etc/x.env"), "A=\"one\"\n");
    assert!(!node.root().join("etc/x.ini").exists(), "a template is whole or absent");
}

#[test]
fn secrets_in_a_template_file_are_delivered() {
    let asks = "[[secrets.templates]]\nfile = \"x.conf\"\ntemplate = \"x.conf\"\n".to_owned();
    let node = NodeTest::new()
        .var("FAMILY_TOKEN", "one")
        .work("x.conf", "# ours\r\ntoken = ${secret.token}\r\nhome = $HOME $${x}\r\n")
        .profile(&profile(&[asks]));
    run(&node).ended(0);
    assert_eq!(node.read("run/nodeagent/secrets/family/x.conf"), "# ours\ntoken = one\nhome = $HOME ${x}\n");

    let node = node.work("x.conf", "a\ntoken = ${secret.other}\n");
    let output = run(&node).ended(2);
    assert!(output.stderr.contains("the variable `FAMILY_OTHER` is not set"), "{}", output.stderr);

    let node = node.work("x.conf", "a\n  home = ${HOME}\n");
    let output = node.agent(&["check", "x.toml"]).ended(2);
    assert!(
        output.stderr.contains("`${HOME}` names no secret") && output.stderr.contains("x.conf:2:10"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_file_left_by_a_killed_run_is_recognized() {
    let node = NodeTest::new().var("FAMILY_TOKEN", "one").profile(&profile(&[item("token", r#"file = "/run/token""#)]));
    run(&node).ended(0);
    let (file, kept) = (node.root().join("run/token"), node.beside("kept"));
    std::fs::hard_link(&file, &kept).expect("linked");
    let node = node.var("FAMILY_TOKEN", "two");
    run(&node).ended(0);
    // As if the run had been killed between writing the receipt and the new file.
    std::fs::rename(&kept, &file).expect("renamed");
    let node = node.profile("");
    let output = run(&node).ended(0);
    assert!(!file.exists() && !output.stderr.contains("warning"), "{}", output.stderr);
}

#[test]
fn an_outdated_receipt_does_no_harm() {
    let node =
        everywhere().file("var/lib/nodeagent/receipt.json", "{\"format\":1,\"delivered\":{\"x\":{\"/run/gone\":");
    run(&node).ended(0);
    let before = node.listing();
    run(&node).ended(0);
    assert_eq!(node.changes_since(&before), [""; 0]);
}

#[test]
fn exec_passes_secrets_and_returns_the_status_of_the_command() {
    let node = everywhere();
    let script = r#"[ "$TOKEN" = 'marker-a$b`c"d\e' ] && [ "$FAMILY_DB" = 'marker:p\w' ] && [ "$PYPI" = marker-pypi ] \
        && [ -z "${FAMILY_TOKEN+set}" ] && [ "$1" = --quiet ] && cat && exit 7"#;
    let output =
        node.agent(&["secrets", "exec", "--profile", "x.toml", "--", "sh", "-c", script, "sh", "--quiet"]).ended(7);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    let before = node.listing();
    node.agent(&["secrets", "exec", "--profile", "x.toml", "--", "true"]).ended(0);
    assert_eq!(node.changes_since(&before), [""; 0], "it delivers nothing");
}

#[test]
fn exec_does_not_pass_the_credentials_of_the_sources() {
    const PRINT_VALUES: &str =
        r#"echo "${DATABRICKS_TOKEN-none} ${AWS_SECRET_ACCESS_KEY-none} ${GOOGLE_CREDENTIALS-none} $AWS_REGION""#;
    let to_variable = item("token", r#"env-file = "x.env", variable = "AWS_SECRET_ACCESS_KEY""#);
    let node = NodeTest::new()
        .var("FAMILY_TOKEN", "of-the-profile")
        .var("DATABRICKS_TOKEN", "of-the-agent")
        .var("GOOGLE_CREDENTIALS", "/google.json")
        .var("AWS_SECRET_ACCESS_KEY", "of-the-agent")
        .var("AWS_REGION", "ap-southeast-2")
        .profile(&profile(&[to_variable]));
    let exec = |options: &[&str]| {
        let arguments =
            [&["secrets", "exec", "--profile", "x.toml"], options, &["--", "sh", "-c", PRINT_VALUES]].concat();
        node.agent(&arguments).ended(0).stdout
    };
    assert_eq!(exec(&[]), "none of-the-profile none ap-southeast-2\n");
    assert_eq!(exec(&["--keep-credentials"]), "of-the-agent of-the-profile /google.json ap-southeast-2\n");
}

#[test]
fn exec_fails_without_the_command_or_a_secret() {
    let node = everywhere();
    let exec = |node: &NodeTest, program: &str| node.agent(&["secrets", "exec", "--profile", "x.toml", "--", program]);
    let output = exec(&node, "no-such-program").ended(2);
    assert!(output.stderr.contains("`no-such-program` could not be started"), "{}", output.stderr);
    let output = exec(&node.var("FAMILY_GIT", ""), "true").ended(2);
    assert!(output.stderr.contains("the variable `FAMILY_GIT` is not set"), "{}", output.stderr);
    let node = NodeTest::new().profile("");
    let output = exec(&node, "true").ended(2);
    assert!(output.stderr.contains("names no secrets"), "{}", output.stderr);
}
