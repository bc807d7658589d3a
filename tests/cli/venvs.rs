//! Virtual environments of a profile on a fake node: look, plan, order and refusals.

use crate::support::NodeTest;

const VENV: &str = "[pip.venvs.\"/opt/x\"]\npackages = [\"nltk>=3\", { name = \"spacy\", deps = false }]\n";

fn node(profile: &str) -> NodeTest {
    NodeTest::new().python(&[("numpy", "1.26.4"), ("nltk", "2.0")]).profile(profile)
}

/// Adds a virtual environment with these distributions.
fn with_venv(node: NodeTest, python: &str, distributions: &[&str]) -> NodeTest {
    let site = format!("opt/x/lib/python{python}/site-packages");
    let mut node = node
        .file("opt/x/pyvenv.cfg", &format!("home = /usr/bin\nversion = {python}.2\n"))
        .file("opt/x/bin/python", "")
        .file(&format!("{site}/README"), "");
    for distribution in distributions {
        let (name, version) = distribution.split_once('-').expect("name and version");
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: missing\n\n");
        let metadata = if name == "spacy" { metadata } else { metadata.replace("Requires-Dist: missing\n", "") };
        let folder = format!("{site}/{distribution}.dist-info");
        node = node.file(&format!("{folder}/METADATA"), &metadata).file(&format!("{folder}/RECORD"), "");
    }
    node
}

fn planned(node: &NodeTest) -> String {
    node.agent(&["run", "--dry-run", "--profile", "x.toml"]).ended(0).stdout
}

fn refused(node: &NodeTest) -> String {
    node.agent(&["plan", "--profile", "x.toml"]).ended(2).stderr
}

#[test]
fn a_missing_environment_is_made_and_a_complete_one_is_ready() {
    let bare = planned(&node(VENV));
    for part in ["make /opt/x with nltk>=3", "uv venv --python /databricks/python/bin/python /opt/x", "--no-deps"] {
        assert!(bare.contains(part), "{part}: {bare}");
    }
    let ready = planned(&with_venv(node(VENV), "3.11", &["nltk-3.9", "spacy-3.8"]));
    assert!(ready.contains("nothing to do") && ready.contains("pip.venvs: /opt/x"), "{ready}");
    let lacking = planned(&with_venv(node(VENV), "3.11", &["nltk-2.0", "spacy-3.8"]));
    assert!(lacking.contains("install nltk>=3 into /opt/x") && !lacking.contains("uv venv"), "{lacking}");
    let pip = planned(&node(&format!("[pip]\ninstaller = \"pip\"\n{VENV}")));
    assert!(pip.contains("/databricks/python/bin/python -m venv /opt/x"), "{pip}");
}

#[test]
fn the_guard_does_not_apply_to_an_environment() {
    let profile = "[pip.venvs.\"/opt/x\"]\npackages = [\"numpy<1.20\"]\n";
    assert!(planned(&node(profile)).contains("1 step to do"));
    assert!(refused(&node("[pip]\npackages = [\"numpy<1.20\"]\n")).contains("which the runtime ships"));
}

#[test]
fn entries_that_name_a_path_in_an_environment_wait_for_it() {
    let installer = "[installers.x]\ncommand = [\"/opt/x/bin/tool\"]\ncreates = \"/srv/x\"\n[installers.y]\ncommand = \
                     [\"/bin/true\"]\ncreates = \"/srv/y\"\nafter = [\"pip.venvs./opt/x\"]\n";
    let node = node(&format!("{VENV}{installer}"));
    let plan = node.agent(&["plan", "--json", "--profile", "x.toml"]).ended(0).json();
    let steps = plan["steps"].as_array().expect("a list");
    for id in ["installers:x", "installers:y"] {
        let step = steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("{plan:#}"));
        let needs = step["needs"].as_array().expect("a list");
        assert!(needs.iter().any(|need| need.to_string().contains("venv:/opt/x")), "{step:#}");
    }
}

#[test]
fn folders_that_nodeagent_did_not_make_are_refused() {
    let other = refused(&node(VENV).file("opt/x/data", ""));
    assert!(other.contains("`/opt/x` has files and is not a virtual environment"), "{other}");
    let of_pip = node(VENV).file("opt/README", "");
    std::os::unix::fs::symlink("../databricks/python", of_pip.root().join("opt/x")).expect("linked");
    let of_pip = refused(&of_pip);
    assert!(of_pip.contains("`/opt/x` is the environment of `[pip]`"), "{of_pip}");
    let older = with_venv(node(VENV), "3.9", &["nltk-3.9"]);
    let message = refused(&older);
    assert!(
        message.contains("virtual environment of Python 3.9") && message.contains("did not create it"),
        "{message}"
    );
    let receipt = "{\"format\": 1, \"venvs\": [\"/opt/x\"]}";
    let own = planned(&older.file("var/lib/nodeagent/receipt.json", receipt));
    assert!(own.contains("make /opt/x with nltk>=3"), "{own}");
}

#[test]
fn an_interpreter_that_no_step_can_bring_is_refused() {
    let profile = "[pip.venvs.\"/opt/x\"]\npython = \"3.99\"\npackages = [\"nltk\"]\n";
    let missing = refused(&node(profile));
    assert!(missing.contains("there is no `python3.99` on this node"), "{missing}");
    let node = node(&format!("{profile}[apt]\npackages = [\"python3.99\"]\n")).debs(&[("bash", "5.2.15-2+b7")]);
    assert!(planned(&node).contains("make /opt/x with nltk"), "apt may bring it");
}

/// A profile with an environment whose interpreter has this path, on line 5.
fn of_path(rest: &str) -> String {
    format!("[pip.venvs.\"/opt/x\"]\npackages = [\"nltk\"]\npython = \"/opt/py/bin/python3.11\"\n{rest}\n")
}

#[test]
fn a_path_of_an_interpreter_that_nothing_creates_refuses_the_run_before_any_change() {
    let bash = &[("bash", "5.2.15-2+b7")][..];
    let missing = "there is no Python interpreter at `/opt/py/bin/python3.11`";
    // Other work of the run does not matter.
    let apt = "[apt]\npackages = [\"jq\"]\n[files]\n\"/etc/a\" = { text = \"a\" }\n";
    let node = node(&of_path(apt)).debs(bash);
    let before = node.listing();
    for command in ["plan", "run"] {
        let said = node.agent(&[command, "--profile", "x.toml"]).ended(2).stderr;
        assert!(said.contains(missing) && said.contains("x.toml:5"), "{said}");
        assert!(said.contains("check the path") && said.contains("`after = [\"apt\"]`"), "{said}");
    }
    assert_eq!(node.changes_since(&before), [""; 0]);
    // An installer whose work is done creates nothing.
    let done = "[installers.py]\ncommand = [\"/bin/true\"]\ncreates = \"/opt/py\"\n";
    let said = refused(&self::node(&of_path(done)).file("opt/py/README", ""));
    assert!(said.contains(missing), "{said}");
    // An optional environment fails alone.
    let optional = self::node(&of_path("optional = true")).debs(bash);
    let planned = optional.agent(&["plan", "--profile", "x.toml"]).ended(0).stdout;
    assert!(planned.contains("will fail") && planned.contains(missing), "{planned}");
}

#[test]
fn an_interpreter_that_another_entry_creates_is_awaited() {
    let installer = "[installers.py]\ncommand = [\"/bin/true\"]\ncreates = \"/opt/py/bin/python3.11\"\n";
    let folder = installer.replace("/bin/python3.11", "");
    let venv = "[pip.venvs.\"/opt/py\"]\npackages = [\"pip\"]\n";
    let after = "after = [\"apt\"]\n[apt]\npackages = [\"jq\"]\n";
    for rest in [installer, &folder, venv, after] {
        let node = node(&of_path(rest)).debs(&[("bash", "5.2.15-2+b7")]);
        let plan = node.agent(&["plan", "--json", "--profile", "x.toml"]).ended(0).json();
        let steps = plan["steps"].as_array().expect("a list");
        let step = steps.iter().find(|step| step["id"] == "venv:/opt/x").unwrap_or_else(|| panic!("{plan:#}"));
        assert!(!step["needs"].as_array().expect("a list").is_empty(), "{rest}: {step:#}");
    }
    // A package may bring a program in `/usr/bin`.
    let packaged = of_path("[apt]\npackages = [\"python3.11\"]").replace("/opt/py/bin", "/usr/bin");
    assert!(planned(&node(&packaged).debs(&[("bash", "5.2.15-2+b7")])).contains("make /opt/x with nltk"));
}

#[test]
fn an_environment_is_made_again_with_the_interpreter_of_another_path() {
    // A program that makes environments as `python -m venv` does. Its name is in the environment.
    let interpreter = "#!/bin/sh\n[ \"$2\" = venv ] || exit 0\nfor folder; do :; done\nsite=\"$folder/lib/python3.11/\
                       site-packages/pip-24.0.dist-info\"\nmkdir -p \"$folder/bin\" \"$site\"\nprintf 'Metadata-Version: \
                       2.1\\nName: pip\\nVersion: 24.0\\n\\n' > \"$site/METADATA\"\n: > \"$site/RECORD\"\nprintf 'home = \
                       /made/with\\nversion = 3.11.2\\n' > \"$folder/pyvenv.cfg\"\necho \"$0\" > \"$folder/by\"\ncp \"$0\" \
                       \"$folder/bin/python\"\n";
    let profile = |path: &str| format!("[pip]\ninstaller = \"pip\"\n[pip.venvs.\"/opt/x\"]\npython = \"{path}\"\n");
    let mut node = node(&profile("/opt/a/bin/python3.11"));
    for path in ["opt/a", "opt/b"] {
        node = node
            .file_of_mode(&format!("{path}/bin/python3.11"), interpreter, 0o755)
            .file(&format!("{path}/lib/python3.11/site-packages/README"), "");
    }
    let node = node;
    let change = |path: &str| {
        let text = format!("schema = 1\nname = \"x\"\n{}", profile(path));
        crate::support::put(&node.beside("desk/x.toml"), &text);
    };
    let run = || node.agent(&["run", "--profile", "./x.toml"]).ended(0).all();
    let by = |path: &str| assert!(node.read("opt/x/by").ends_with(&format!("{path}\n")), "{}", node.read("opt/x/by"));
    run();
    by("/opt/a/bin/python3.11");
    assert!(run().contains("nothing to do"));
    // A user added a file. A new environment does not have it.
    crate::support::put(&node.root().join("opt/x/mine"), "");
    change("/opt/b/bin/python3.11");
    let said = run();
    assert!(said.contains("make /opt/x"), "{said}");
    by("/opt/b/bin/python3.11");
    assert!(!node.root().join("opt/x/mine").exists());
    assert!(run().contains("nothing to do"));
    // A link to the same file is the same interpreter.
    std::os::unix::fs::symlink("b", node.root().join("opt/c")).expect("linked");
    change("/opt/c/bin/python3.11");
    run();
    assert!(run().contains("nothing to do"));
    // nodeagent does not replace an environment of another program.
    std::fs::remove_file(node.root().join("var/lib/nodeagent/receipt.json")).expect("there");
    crate::support::put(&node.root().join("opt/x/pyvenv.cfg"), "home = /opt/a/bin\nversion = 3.11.2\n");
    let said = node.agent(&["run", "--profile", "./x.toml"]).ended(2).stderr;
    assert!(said.contains("is a virtual environment of another interpreter than its `python`"), "{said}");
}
