//! `nodeagent secrets list`, `get` and `test`: each access is decided first and recorded in the audit log.

use crate::support::NodeTest;

const VALUE: &str = "marker-hunter2\n";

fn node() -> NodeTest {
    let node = NodeTest::new().store("vault/family/token", VALUE).store("vault/family/other", "x");
    let path = node.beside("store/vault").display().to_string();
    node.profile(&format!(
        "[secrets]\nsource = \"file\"\npath = \"{path}\"\nscope = \"family\"\nitems = [\n\
         {{ key = \"token\", to = {{ file = \"/run/a\" }} }},\n{{ key = \"missing\", to = {{ file = \"/run/b\" }} }}]\n"
    ))
}

/// Grants `family/token` only.
const ACCESS: &str = "schema = 1\ncontact = \"ops@example.org\"\n[[grants]]\nwho = [\"local:root\", \"local:analyst\"]\n\
                      read = [\"family/token\"]\n";

#[test]
fn a_scope_is_listed_by_name_and_never_by_value() {
    let node = node();
    let output = node.agent(&["secrets", "list", "--profile", "x.toml"]).ended(0);
    assert_eq!(output.stdout, "other\ntoken\n");
    let json = node.agent(&["secrets", "list", "--profile", "x.toml", "--json"]).ended(0);
    assert_eq!(serde_json::from_str::<Vec<String>>(&json.stdout).expect("JSON"), ["other", "token"]);
    let vault = node.beside("store/vault").display().to_string();
    let options = ["secrets", "list", "--source", "file", "--path", &vault, "--scope", "nobodys"];
    assert!(node.agent(&options).ended(2).stderr.contains("nobodys"));
}

#[test]
fn an_option_of_another_source_is_named_with_its_sources() {
    let node = node();
    let output = node.agent(&["secrets", "get", "token", "--scope", "family", "--table", "x"]).ended(2);
    assert!(
        output.stderr.contains("the source `databricks` does not support `table` (`--table`)"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("remove `table`, or use `source = \"credstash\"`"), "{}", output.stderr);
    let output = node.agent(&["secrets", "list", "--source", "azure-key-vault", "--scope", "x", "--vault", "http://x"]);
    assert!(output.ended(2).stderr.contains("`http://x` is not a Key Vault (`--vault`)"));
    let output = node.agent(&["secrets", "get", "a_b", "--source", "azure-key-vault", "--scope", "x"]).ended(2);
    assert!(output.stderr.contains("`a_b` is not a valid name in a Key Vault"), "{}", output.stderr);
}

#[test]
fn a_value_is_printed_unchanged_and_a_missing_one_is_named() {
    let node = node();
    let output = node.agent(&["secrets", "get", "token", "--profile", "x.toml"]).ended(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), (VALUE, ""));
    let output = node.agent(&["secrets", "get", "tokn", "--profile", "x.toml"]).ended(2);
    assert!(output.stdout.is_empty() && output.stderr.contains("there is no key `tokn`"), "{}", output.stderr);
}

#[test]
fn all_secrets_of_a_profile_are_tested_and_none_is_delivered() {
    let node = node();
    let output = node.agent(&["secrets", "test", "--profile", "x.toml"]).ended(2);
    assert!(output.stdout.contains("family/token") && output.stdout.contains("readable"), "{}", output.stdout);
    assert!(output.stdout.contains("there is no key `missing`"), "{}", output.stdout);
    assert!(output.stderr.starts_with("2 secrets tested, 1 not readable\n"), "{}", output.stderr);
    assert!(output.stderr.contains("hint: check `key`, or ask the owner of the scope"), "{}", output.stderr);
    assert!(!node.root().join("run/a").exists() && !output.all().contains("hunter2"));
}

#[test]
fn each_command_refuses_access_without_a_grant_and_logs_it() {
    let node = node().store("Admin/init_scripts/access.toml", ACCESS);
    node.agent(&["secrets", "get", "token", "--profile", "x.toml"]).ended(0);
    for arguments in
        [&["secrets", "get", "other", "--profile", "x.toml"][..], &["secrets", "list", "--profile", "x.toml"]]
    {
        let output = node.agent(arguments).ended(2);
        assert!(output.stdout.is_empty() && output.stderr.contains("may not be read"), "{}", output.stderr);
        assert!(output.stderr.contains("ops@example.org"), "{}", output.stderr);
    }
    let tested = node.agent(&["secrets", "test", "--profile", "x.toml"]).ended(2);
    assert!(tested.stdout.contains("readable") && tested.stdout.contains("may not be read"), "{}", tested.stdout);
    assert!(tested.stderr.contains("ask ops@example.org for a grant"), "{}", tested.stderr);
    let json = node.agent(&["secrets", "test", "--profile", "x.toml", "--json"]).ended(2).json();
    assert!(json[1]["hint"].as_str().is_some_and(|hint| hint.contains("ops@example.org")), "{json:#}");
    assert!(json[1]["causes"][1].as_str().is_some_and(|cause| cause.starts_with("no grant in `")), "{json:#}");
    let audit = node.read("var/log/nodeagent/audit.jsonl");
    let commands = ["secrets get", "secrets list", "secrets test"];
    assert!(commands.iter().all(|command| audit.contains(command)) && !audit.contains("hunter2"), "{audit}");
}

#[test]
fn passwords_of_logins_are_tested_and_each_secret_once() {
    let login = "[[logins]]\nurl = \"https://pypi.example.org/\"\nuser = \"reader\"\nkey = \"pypi\"\n";
    let item = "[[secrets.items]]\nkey = \"pypi\"\nto = { file = \"/run/pypi\" }\n";
    let of = |more: &str| format!("[secrets]\nsource = \"env\"\nscope = \"family\"\n{more}{login}");
    let node = NodeTest::new().profile(&of("")).var("PYPI", "x");
    let output = node.agent(&["secrets", "test", "--profile", "x.toml"]).ended(2);
    assert!(output.stdout.contains("env:FAMILY_PYPI"), "{}", output.stdout);
    let node = node.profile(&of(item)).var("FAMILY_PYPI", "marker-hunter2");
    let output = node.agent(&["secrets", "test", "--profile", "x.toml"]).ended(0);
    assert_eq!(output.stderr, "1 secret tested, 0 not readable\n");
    let output = node.profile(&of("")).agent(&["secrets", "exec", "--profile", "x.toml", "--", "true"]).ended(2);
    assert!(output.stderr.contains("names passwords of logins, and no other secrets"), "{}", output.stderr);
}

#[test]
fn variables_are_listed_by_the_keys_that_match_them() {
    const WHERE: [&str; 4] = ["--source", "env", "--scope", "family"];
    let node = NodeTest::new().var("FAMILY_TOKEN", VALUE).var("FAMILYX", "x");
    let output = node.agent(&[&["secrets", "list"], &WHERE[..]].concat()).ended(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("token\n", ""));
    assert_eq!(node.agent(&[&["secrets", "get", "token"], &WHERE[..]].concat()).ended(0).stdout, VALUE);
    let node = node.var("FAMILY_GEO_AU", "x");
    let output = node.agent(&[&["secrets", "list"], &WHERE[..]].concat()).ended(0);
    assert_eq!(output.stdout, "geo_au\ntoken\n");
    assert!(output.stderr.contains("may be another character in the key"), "{}", output.stderr);
    let output = node.agent(&["secrets", "list", "--source", "env", "--scope", "nobodys"]).ended(0);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("", "the scope `nobodys` has no secrets at this source\n")
    );
    let output = node.agent(&[&["secrets", "get", "gone"], &WHERE[..]].concat()).ended(2);
    assert!(output.stderr.contains("hint: set `FAMILY_GONE` in the environment of nodeagent\n"), "{}", output.stderr);
    let output = node.agent(&["secrets", "get", "x", "--source", "file", "--scope", "family"]).ended(2);
    assert!(output.stderr.contains("has no `path` (`--path DIR`)"), "{}", output.stderr);
    let output = node.agent(&["secrets", "get", "x"]).ended(2);
    assert!(output.stderr.contains("<--profile <NAME|PATH>|--scope <SCOPE>>"), "{}", output.stderr);
}

#[test]
fn a_terminal_shows_a_value_only_on_request() {
    let node = node();
    let output = node.agent_on_terminal(&["secrets", "get", "token", "--profile", "x.toml"]);
    assert!(!output.contains("hunter2") && output.contains("--show"), "{output}");
    let output = node.agent_on_terminal(&["secrets", "get", "token", "--profile", "x.toml", "--show"]);
    assert!(output.contains("marker-hunter2"), "{output}");
}
