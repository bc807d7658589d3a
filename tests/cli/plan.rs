//! `plan` and `run --dry-run` on a fake node: missing entries, satisfied entries, and no changes.

use crate::support::{NodeTest, without_progress};

/// A profile of every kind.
const EVERY_KIND: &str = r#"
[apt]
packages = ["jq", "tree=2.1.0-1", { name = "tesseract-ocr", optional = true }]

[pip]
packages = ["httpx>=0.27", "nltk"]

[wheel]
files = ["lib/python/inhouse-1.0-py3-none-any.whl"]

[r]
repos = ["https://cran.example.org/"]
packages = ["plumber@1.2.1", "jsonlite"]

[shell]
users = ["root", "analyst"]
bashrc = { text = "export PS1='> '" }
variables = { EDITOR = "vim" }

[shell.profile-d]
proxy = { file = "proxy.sh" }

[secrets]
source = "env"
scope = "family"
items = [{ key = "token", to = { file = "/run/nodeagent/secrets/token" } }]
"#;

fn node() -> NodeTest {
    NodeTest::new()
        .profile(EVERY_KIND)
        .work("proxy.sh", "export https_proxy=http://proxy.example.org:3128\r\n")
        .store("Admin/lib/python/inhouse-1.0-py3-none-any.whl", "a wheel")
        .var("FAMILY_TOKEN", "marker-hunter2")
}

/// The node before anything was done for the profile.
fn bare_node() -> NodeTest {
    node().debs(&[("bash", "5.2.15-2+b7")]).python(&[("numpy", "1.26.4"), ("pip", "23.0.1")]).r(&[])
}

/// The node when all is done.
fn ready_node() -> NodeTest {
    let block = |text: &str| format!("# mine\n# >>> nodeagent >>>\n{text}\n# <<< nodeagent <<<\n");
    node()
        .debs(&[("jq", "1.6-2.1"), ("tree", "2.1.0-1"), ("tesseract-ocr", "5.3.0-2")])
        .python(&[("httpx", "0.27.2"), ("nltk", "3.9"), ("inhouse", "1.0")])
        .r(&[("plumber", "1.2.1"), ("jsonlite", "1.8.9")])
        .file("root/.bashrc", &block("export PS1='> '"))
        .file("home/analyst/.bashrc", &block("export PS1='> '"))
        .file("etc/profile.d/proxy.sh", "export https_proxy=http://proxy.example.org:3128\n")
        .file(
            "etc/profile.d/nodeagent-variables.sh",
            "# Written by nodeagent from [shell.variables].\nexport EDITOR='vim'\n",
        )
        .file_of_mode("run/nodeagent/secrets/token", "marker-hunter2", 0o400)
}

#[test]
fn a_bare_node_needs_everything() {
    let node = bare_node();
    let output = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    assert_eq!(output.stderr, "");
    node.frozen(|| insta::assert_snapshot!(output.stdout));
}

#[test]
fn satisfied_entries_are_not_planned() {
    let node = bare_node()
        .debs(&[("jq", "1.6-2.1"), ("tree", "1.8.0-1")])
        .python(&[("httpx", "0.25.0")])
        .r(&[("jsonlite", "1.8.9"), ("plumber", "1.2.0")])
        .file("home/analyst/.bashrc", "alias ll='ls -l'\n# >>> nodeagent >>>\nold\n# <<< nodeagent <<<\n# mine\n");
    let node = node.profile(&EVERY_KIND.replace("[pip]", "[pip]\nguard = \"off\""));
    let output = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    node.frozen(|| insta::assert_snapshot!(output.stdout));
}

#[test]
fn a_profile_may_be_named_without_its_option() {
    let node = NodeTest::new().profile("");
    for command in ["plan", "run"] {
        node.agent(&[command, "x.toml"]).ended(0);
        node.agent(&[command, "x.toml", "--profile", "x.toml"]).ended(2);
        let output = node.agent(&[command]).ended(2);
        assert!(output.stderr.contains("<--profile <NAME|PATH>|PROFILE>"), "{}", output.stderr);
    }
}

#[test]
fn reasons_are_no_errors_of_a_file() {
    let both = "{ key = \"a\", to = { file = \"/run/a\" } }, { key = \"b\", to = { file = \"/run/b\" } }";
    let node = NodeTest::new().profile(&format!("[secrets]\nsource = \"env\"\nscope = \"x\"\nitems = [{both}]\n"));
    let output = node.agent(&["plan", "x.toml"]).ended(2);
    assert!(output.stderr.ends_with("\n2 reasons\n"), "{}", output.stderr);
}

#[test]
fn a_ready_node_needs_nothing() {
    let node = ready_node();
    let output = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    node.frozen(|| insta::assert_snapshot!(output.stdout));
    let plan = node.agent(&["plan", "--profile", "x.toml", "--json"]).ended(0).json();
    assert_eq!(plan["steps"], serde_json::json!([]));
}

#[test]
fn a_run_on_a_ready_node_does_nothing_and_reports_that() {
    let node = ready_node();
    let before = node.listing();
    let output = node.agent(&["run", "--profile", "x.toml"]).ended(0);
    assert_eq!(node.changes_since(&before), [""; 0]);
    node.frozen(|| insta::assert_snapshot!(without_progress(&output.stderr)));
}

#[test]
fn a_plan_in_json_has_the_documented_structure() {
    let node = bare_node();
    let plan = node.agent(&["plan", "--profile", "x.toml", "--json"]).ended(0).json();
    assert_eq!(plan["format"], 1);
    assert_eq!(plan["profile"], "x");
    assert_eq!(plan["node"]["os"]["id"], "debian");
    assert_eq!(plan["refusals"], serde_json::json!([]));
    let steps = plan["steps"].as_array().expect("steps are a list");
    let ids: Vec<&str> = steps.iter().filter_map(|step| step["id"].as_str()).collect();
    assert_eq!(
        ids,
        [
            "apt",
            "apt:tesseract-ocr",
            "pip",
            "r",
            "bashrc",
            "bashrc:analyst",
            "profile-d:proxy",
            "env:login",
            "secret:family/token"
        ]
    );
    for step in steps {
        for key in ["kind", "title"] {
            assert!(step[key].is_string(), "{step:#}");
        }
        assert!(step["optional"].is_boolean() && step["does"].is_array(), "{step:#}");
        let origin = &step["origins"][0];
        assert!(origin["file"] == "x.toml" && origin["line"].is_u64() && origin["column"].is_u64(), "{step:#}");
        for need in step["needs"].as_array().expect("needs are a list") {
            assert!(ids.contains(&need.as_str().expect("a need is an id")), "{step:#}");
        }
    }
    node.frozen(|| insta::assert_json_snapshot!(plan));
}

#[test]
fn planning_changes_no_file_and_no_time() {
    for node in [bare_node(), ready_node()] {
        let before = node.listing();
        let plan = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
        let dry_run = node.agent(&["run", "--profile", "x.toml", "--dry-run"]).ended(0);
        assert_eq!(plan.stdout, dry_run.stdout, "both walk the same plan");
        node.agent(&["plan", "--profile", "x.toml", "--json"]).ended(0);
        node.agent(&["check", "--show", "x.toml"]).ended(0);
        assert_eq!(node.listing(), before);
    }
}

#[test]
fn a_plan_never_shows_a_secret() {
    for arguments in [&["plan"][..], &["plan", "--json"], &["run", "--dry-run"], &["run", "--dry-run", "-v"]] {
        let output = bare_node().agent(&[arguments, &["--profile", "x.toml"]].concat()).ended(0);
        assert!(!output.all().contains("marker-hunter2"), "{}", output.all());
    }
}

#[test]
fn a_package_without_its_dependencies_is_installed_in_a_call_of_its_own() {
    let packages = "\"httpx\", { name = \"nltk>=3\", deps = false }";
    let node = || bare_node().profile(&format!("[pip]\npackages = [{packages}]\n"));
    let missing = node().agent(&["run", "--dry-run", "--profile", "x.toml"]).ended(0).stdout;
    let calls: Vec<&str> = missing.lines().filter(|line| line.contains("uv pip install")).collect();
    let [first, second] = calls[..] else { panic!("{missing}") };
    assert!(first.contains("uv pip install --no-deps --python") && first.ends_with(" nltk>=3"), "{first}");
    assert!(second.contains("uv pip install --python") && second.ends_with(" httpx"), "{second}");
    let needy = "Metadata-Version: 2.1\nName: nltk\nVersion: 3.9\nRequires-Dist: click\n\n";
    let metadata = "databricks/python/lib/python3.11/site-packages/nltk-3.9.dist-info/METADATA";
    let node = node().python(&[("httpx", "0.27.2"), ("nltk", "3.9")]).file(metadata, needy);
    let ready = node.agent(&["plan", "--profile", "x.toml"]).ended(0).stdout;
    assert!(ready.contains("nothing to do"), "{ready}");
    let node = node.profile("[pip]\npackages = [\"httpx\", \"nltk>=3\"]\n");
    let needy = node.agent(&["plan", "--profile", "x.toml"]).ended(0).stdout;
    assert!(needy.contains("1 step to do"), "its dependency is missing: {needy}");
}

#[test]
fn a_file_of_requirements_on_a_server_is_known_after_it_was_fetched() {
    const TEXT: &str = "nltk>=3\n";
    const SHA256: &str = "be25a9e80ccc005af7a6aa6f21c1510be03a341e5850d3dfd637cc92c780adee";
    let profile =
        |digest: &str| format!("[pip]\nrequirements = [{{ url = \"https://dl.firm.example/r.txt\"{digest} }}]\n");
    let node = bare_node().profile(&profile(""));
    let refused = node.agent(&["plan", "--profile", "x.toml"]).ended(2).stderr;
    assert!(refused.contains("`https://dl.firm.example/r.txt` has no digest"), "{refused}");
    let plan = |node: &NodeTest| node.agent(&["plan", "--profile", "x.toml"]).ended(0).stdout;
    let node = node.profile(&profile(&format!(", sha256 = \"{SHA256}\"")));
    let node = node.python(&[("nltk", "3.9")]);
    assert!(plan(&node).contains("1 step to do"), "{}", plan(&node));
    let node = node.file(&format!("var/cache/nodeagent/assets/{SHA256}/r.txt"), TEXT);
    assert!(plan(&node).contains("nothing to do"), "{}", plan(&node));
    let node = node.file(&format!("var/cache/nodeagent/assets/{SHA256}/r.txt"), "numpy\n");
    assert!(plan(&node).contains("1 step to do"), "a damaged copy does not count: {}", plan(&node));
}

#[test]
fn a_file_of_requirements_is_compared_line_by_line() {
    let node = bare_node()
        .profile("[pip]\nrequirements = [\"r.txt\"]\n")
        .work("r.txt", "\u{feff}nltk # the corpus\r\nnumpy>=1.20\r\n-r more.txt\r\n")
        .work("more.txt", "numpy<2\r\nabsent; python_version < '3'\r\n");
    let missing = node.agent(&["plan", "--profile", "x.toml"]).ended(0).stdout;
    assert!(missing.contains("1 step to do"), "{missing}");
    let node = node.python(&[("nltk", "3.9")]);
    let ready = node.agent(&["plan", "--profile", "x.toml"]).ended(0).stdout;
    assert!(ready.contains("nothing to do"), "{ready}");
}

#[test]
fn an_optional_edit_that_cannot_be_made_is_shown_with_the_reason() {
    let node = NodeTest::new()
        .debs(&[("bash", "5.2")])
        .file("etc/x.conf", "a=1\n")
        .profile("[files.\"/etc/x.conf\"]\noptional = true\nreplace = [{ find = \"absent\", with = \"here\" }]\n");
    let said = node.agent(&["plan", "--profile", "x.toml"]).ended(0).stdout;
    let failure = said.lines().find_map(|line| line.trim().strip_prefix("will fail: "));
    assert!(failure.is_some_and(|why| why.contains("absent")), "{said}");
}

#[test]
fn a_missing_digest_is_the_only_refusal() {
    let node = NodeTest::new().debs(&[("bash", "5.2")]).profile(
        "[files]\n\"/opt/agent/\" = { from = \"https://dl.example.org/agent.tar.gz\", unpack = true }\n\
         [services.agent]\ncommand = [\"/opt/agent/bin/agent\"]\n",
    );
    let said = node.agent(&["plan", "--profile", "x.toml"]).ended(2).stderr;
    assert!(said.contains("has no digest"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
}

#[test]
fn a_glob_that_matches_nothing_is_named_as_one() {
    let node = NodeTest::new().debs(&[("bash", "5.2")]).profile("[jar]\nfiles = [\"/dbfs/nope/*.jar\"]\n");
    let said = node.agent(&["plan", "--profile", "x.toml"]).ended(2).stderr;
    assert!(said.contains("error: no file matches `/dbfs/nope/*.jar`"), "{said}");
}
