//! Remote file stores against the test workspace: the same profile from each kind of file store, large files in pieces,
//! broken connections, denied folders.

use std::{collections::BTreeMap, path::Path, process::Command};

use nodeagent::digest::Digest;
use serde_json::{Value, json};

use crate::{
    free_port::free_port,
    server::{Server, client},
    support::{CommandOutput, NodeTest},
    workspace::Workspace,
};

const VOLUME: &str = "/Volumes/lawfirms/platform/filestore";

/// A node with the identity of a service principal of the workspace.
fn node(workspace: &Workspace, unit: &str) -> NodeTest {
    NodeTest::new().var("DATABRICKS_HOST", &workspace.url()).var("DATABRICKS_TOKEN", &format!("token-of-{unit}"))
}

fn agent(node: &NodeTest, store: &str, arguments: &[&str]) -> CommandOutput {
    node.agent_without_store(&[&["--filestore", store], arguments].concat())
}

/// Writes a file of a test.
#[expect(clippy::disallowed_methods, reason = "a test prepares its files without the code under test")]
fn put(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("the file can be written");
}

impl CommandOutput {
    /// Checks that the output contains this text, ignoring line breaks.
    fn assert_contains(&self, words: &str) {
        let all = self.all().split_whitespace().collect::<Vec<_>>().join(" ");
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(all.contains(&words), "{}", self.all());
    }
}

/// Path and query of the requests for content, without listings.
fn reads(workspace: &Workspace) -> Vec<String> {
    let target =
        |seen: &Value| format!("{}?{}", seen["path"].as_str().unwrap_or(""), seen["query"].as_str().unwrap_or(""));
    let is_read = |target: &String| ["/dbfs/read", "/fs/files", "/export"].iter().any(|part| target.contains(part));
    workspace.seen().iter().map(target).filter(is_read).collect()
}

/// A workspace with one large file, and the digest of the file.
fn with_large_file(folder: &Path, size: usize) -> (Workspace, String) {
    let byte = |index: usize| u8::try_from((index * 31 + index / 65_521) % 251).expect("it is small");
    let bytes: Vec<u8> = (0..size).map(byte).collect();
    let digest = Digest::sha256(&bytes).hex().to_owned();
    put(&folder.join("driver.deb"), &bytes);
    let profile = format!(
        "schema = 1\nname = \"big\"\n[apt]\ndebs = [{{ path = \"lib/debs/driver.deb\", sha256 = \"{digest}\" }}]\n"
    );
    let tree = |root: &str| {
        json!({
            (format!("{root}/Admin/init_scripts/big.toml")): profile,
            (format!("{root}/Admin/lib/debs/driver.deb")): { "file": "driver.deb" },
        })
    };
    let mut state: Value = serde_json::from_str(include_str!("../workspace/default_state.json")).expect("it is JSON");
    state["dbfs"] = tree("/FileStore");
    state["volumes"] = tree(VOLUME);
    let path = folder.join("state.json");
    put(&path, state.to_string().as_bytes());
    (Workspace::of(&path), digest)
}

#[test]
fn a_profile_is_the_same_from_every_kind_of_file_store() {
    let workspace = Workspace::start();
    let node = node(&workspace, "family");
    let mut plans = BTreeMap::new();
    for store in ["dbfs:/FileStore", VOLUME, "/Workspace/Shared/filestore"] {
        let output = agent(&node, store, &["plan", "--profile", "family"]).ended(0);
        let profile = format!("profile  {store}/Family/init_scripts/family.toml  sha256:");
        assert!(output.stdout.contains(&profile), "{}", output.stdout);
        assert!(
            output.stdout.contains(&format!("profile  {store}/Admin/init_scripts/base.toml  sha256:")),
            "{}",
            output.stdout
        );
        plans.insert(output.stdout.replace(store, "STORE"), store);
    }
    assert_eq!(plans.len(), 1, "{plans:#?}");
    let plan = plans.keys().next().expect("there is one");
    assert!(plan.contains("lawfirms \\w") && plan.contains("set number"), "{plan}");
}

#[test]
fn the_nodes_file_can_set_a_remote_file_store_and_unchanged_files_are_not_fetched_again() {
    let workspace = Workspace::start();
    let node = node(&workspace, "family").file("etc/nodeagent.toml", "filestore = \"dbfs:/FileStore\"\n");
    node.agent_without_store(&["check", "--assets", "family"]).ended(0);
    assert_eq!(reads(&workspace).len(), 4, "two profiles and two files");
    node.agent_without_store(&["check", "--assets", "family"]).ended(0);
    assert_eq!(reads(&workspace), [""; 0]);
    let found = std::fs::read_dir(node.root().join("var/cache/nodeagent/filestore")).expect("the mirror is there");
    let mirror = found.flatten().map(|entry| entry.path()).find(|path| path.is_dir()).expect("a folder");
    put(&mirror.join("Family/lib/vimrc"), b"set number!\n");
    let output = node.agent_without_store(&["plan", "--profile", "family"]).ended(0);
    assert!(output.stdout.contains("set number\n"), "a damaged copy is fetched again: {}", output.stdout);
}

#[test]
fn a_second_run_from_a_remote_file_store_has_nothing_to_do() {
    let workspace = Workspace::start();
    let node = node(&workspace, "family");
    agent(&node, VOLUME, &["run", "--profile", "family"]).ended(0);
    assert!(node.read("root/.vimrc").contains("set number"));
    let before = node.listing();
    agent(&node, VOLUME, &["run", "--profile", "family"]).ended(0);
    let changed = node.changes_since(&before);
    assert!(changed.iter().all(|path| !path.contains("filestore") && !path.contains("root/")), "{changed:#?}");
}

#[test]
fn unit_folders_match_without_case_and_a_denied_one_refuses_the_run() {
    let workspace = Workspace::start();
    let criminal = node(&workspace, "criminal");
    agent(&criminal, VOLUME, &["check", "CRIMINAL"]).ended(2).assert_contains("there is no profile `CRIMINAL`");
    agent(&criminal, VOLUME, &["check", "criminal"]).ended(0);
    let output = agent(&criminal, VOLUME, &["check", "family"]).ended(2);
    output.assert_contains("`/Volumes/lawfirms/platform/filestore/Family/init_scripts` could not be read");
    output.assert_contains("User does not have READ VOLUME");
    output.assert_contains("ask for READ permission on the folder");
}

#[test]
fn an_unreachable_file_store_refuses_the_run() {
    let workspace = Workspace::start();
    let node = node(&workspace, "nobody");
    // A built-in profile with the same name must not replace the one in the file store.
    let output = agent(&node, "dbfs:/FileStore", &["check", "starter"]).ended(2);
    output.assert_contains("`dbfs:/FileStore` could not be read");
    output.assert_contains("rejected the token");
    let unconfigured = NodeTest::new();
    agent(&unconfigured, VOLUME, &["check", "starter"])
        .ended(2)
        .assert_contains("no Databricks workspace is configured");
    agent(&unconfigured, "s3://bucket/store", &["check", "starter"])
        .ended(2)
        .assert_contains("is not a supported file store");
    assert!(!unconfigured.root().join("var/cache/nodeagent/filestore").join("x").exists());
}

#[test]
fn a_large_file_survives_broken_and_slow_answers_and_is_fetched_piece_by_piece() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let (workspace, _) = with_large_file(temp.path(), 9_500_000);
    for (store, path, pieces) in [
        ("dbfs:/FileStore", "/api/2.0/dbfs/read", 10),
        (VOLUME, "/api/2.0/fs/files/Volumes/lawfirms/platform/filestore/Admin/lib", 3),
    ] {
        let node = node(&workspace, "family");
        // The first read is the profile itself, for file stores with pages.
        let before = usize::from(pieces == 10);
        workspace.fault(&json!({ "path": path, "kind": "truncated", "after": before, "count": 2 }));
        workspace.fault(&json!({ "path": path, "kind": "slow", "milliseconds": 20, "piece": 262_144, "count": 1 }));
        agent(&node, store, &["check", "--assets", "big"]).ended(0);
        let count = reads(&workspace).iter().filter(|target| target.contains("driver.deb")).count();
        assert_eq!(count, pieces + 2, "each piece once, and again the two that broke");
    }
}

#[test]
fn pieces_fetched_before_a_failure_are_kept() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let (workspace, _) = with_large_file(temp.path(), 9_500_000);
    let node = node(&workspace, "family");
    // After the profile and six pages.
    let fault = json!({
        "path": "/api/2.0/dbfs/read", "kind": "error", "after": 7, "count": 100,
        "status": 400, "error_code": "INVALID_STATE", "message": "the file system is being moved",
    });
    workspace.fault(&fault);
    agent(&node, "dbfs:/FileStore", &["check", "--assets", "big"])
        .ended(2)
        .assert_contains("the file system is being moved");
    reads(&workspace);
    workspace.ask("DELETE", "/_faults", None);
    agent(&node, "dbfs:/FileStore", &["check", "--assets", "big"]).ended(0);
    assert_eq!(reads(&workspace).len(), 4, "ten pages less the six that had come");
}

#[test]
fn a_file_with_another_digest_is_refused() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let (workspace, digest) = with_large_file(temp.path(), 5_000_000);
    let other = digest.chars().rev().collect::<String>();
    let text = format!(
        "schema = 1\nname = \"x\"\n[apt]\ndebs = [{{ path = \"lib/debs/driver.deb\", sha256 = \"{other}\" }}]\n"
    );
    let node = node(&workspace, "family").work("x.toml", &text);
    agent(&node, VOLUME, &["check", "--assets", "x.toml"])
        .ended(2)
        .assert_contains(&format!("has sha256:{digest}, the profile has sha256:{other}"));
}

#[test]
fn endless_answers_and_wrong_ranges_are_refused() {
    let workspace = Workspace::start();
    let node = node(&workspace, "family");
    for (kind, words) in [
        (json!({ "kind": "endless" }), "could not be read"),
        (json!({ "kind": "redirect", "to": "http://203.0.113.9/x" }), "redirect"),
        (json!({ "kind": "html", "status": 404 }), "could not be read"),
    ] {
        let mut fault = json!({ "path": "/api/2.0/fs/files", "count": 50 });
        fault.as_object_mut().expect("it is one").extend(kind.as_object().expect("it is one").clone());
        workspace.fault(&fault);
        agent(&node, VOLUME, &["check", "family"]).ended(2).assert_contains(words);
        workspace.ask("DELETE", "/_faults", None);
    }
    agent(&node, VOLUME, &["check", "family"]).ended(0);
}

/// The default workspace with these files in DBFS.
fn with_dbfs(folder: &Path, files: &Value) -> Workspace {
    let mut state: Value = serde_json::from_str(include_str!("../workspace/default_state.json")).expect("it is JSON");
    state["dbfs"] = files.clone();
    let path = folder.join("state.json");
    put(&path, state.to_string().as_bytes());
    Workspace::of(&path)
}

#[test]
fn messages_name_the_file_in_the_file_store_and_not_its_copy() {
    const DEB: &str = "[apt]\ndebs = [\"lib/debs/driver.deb\"]\n";
    let temp = tempfile::tempdir().expect("a temporary folder");
    let wrong = format!("[apt]\ndebs = [{{ path = \"lib/debs/driver.deb\", sha256 = \"{}\" }}]\n", "0".repeat(64));
    let profile = |body: &str| format!("schema = 1\nname = \"x\"\nbusiness-unit = \"Family\"\n{body}");
    let requirements = profile("pip.requirements = [\"lib/all.txt\"]\n");
    let workspace = with_dbfs(
        temp.path(),
        &json!({
            "/FileStore/Admin/init_scripts/base.toml": "schema = 1\nname = \"base\"\n",
            "/FileStore/Family/lib/debs/driver.deb": "no package",
            "/FileStore/Family/lib/all.txt": "-r more/some.txt\n",
            "/FileStore/Family/lib/more/some.txt": "wheel==0.42.0\nhttps://u:p4ssw0rd@pypi.example/x.whl\n",
            "/FileStore/Family/init_scripts/x.toml": profile(DEB),
            "/FileStore/Family/init_scripts/wrong.toml": profile(&wrong),
            "/FileStore/Family/init_scripts/line.toml": requirements,
        }),
    );
    let node = node(&workspace, "family").python(&[]).debs(&[("base-files", "12")]).search_path("/usr/bin:/bin");
    let family = node.var("DB_CLUSTER_NAME", "Prod-Operational-Family-15.4-x-1");
    let store = "dbfs:/FileStore";
    let reports = family.beside("reports").display().to_string();
    let deb = "dbfs:/FileStore/Family/lib/debs/driver.deb";
    for (arguments, code, words) in [
        (&["plan", "--profile", "x"][..], 0, format!("apt-get install --no-install-recommends -- {deb}")),
        (&["plan", "--profile", "x", "--json"], 0, format!("-- {deb}\"")),
        (&["run", "--profile", "x", "--report-to", &reports], 2, format!("`{deb}` is not a Debian package")),
        (&["report", "show"], 0, format!("`{deb}` is not a Debian package")),
        (&["check", "--assets", "wrong"], 2, format!("`{deb}` has sha256:")),
        (&["plan", "--profile", "line"], 2, "asked for at dbfs:/FileStore/Family/lib/more/some.txt:2".to_owned()),
    ] {
        let output = agent(&family, store, arguments).ended(code);
        output.assert_contains(&words);
        // The command line and the output of a program are shown unchanged.
        let all = output.all();
        let ours: Vec<&str> = all.lines().filter(|line| !line.contains("dpkg-deb")).collect();
        assert!(!ours.join("\n").contains("cache/nodeagent/filestore"), "{arguments:?}: {all}");
    }
}

#[test]
fn files_named_by_a_requirements_file_are_fetched_too() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let files = json!({
        "/FileStore/Admin/init_scripts/py.toml": "schema = 1\nname = \"py\"\npip.requirements = [\"lib/python/all.txt\"]\n",
        "/FileStore/Admin/lib/python/all.txt": "-r more/some.txt\n",
        "/FileStore/Admin/lib/python/more/some.txt": "wheel==0.42.0\n-c ../limits.txt\n",
        "/FileStore/Admin/lib/python/limits.txt": "",
    });
    let workspace = with_dbfs(temp.path(), &files);
    let node = node(&workspace, "family").python(&[("wheel", "0.42.0")]);
    agent(&node, "dbfs:/FileStore", &["plan", "--profile", "py"])
        .ended(0)
        .assert_contains("nothing to do: the node is ready");
}

#[test]
fn a_plain_web_server_is_a_file_store() {
    let node = NodeTest::new()
        .store("Admin/init_scripts/base.toml", "schema = 1\nname = \"base\"\n")
        .store("Family/init_scripts/family.toml", "schema = 1\nname = \"family\"\nbusiness-unit = \"Family\"\nextends = [\"base\"]\n[shell]\nvimrc = { file = \"lib/my vimrc\" }\n")
        .store("Family/lib/my vimrc", "set number\n");
    let port = free_port();
    let mut command: Command = client("python");
    command
        .args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()])
        .arg("--directory")
        .arg(node.beside("store"));
    let server = Server::start(command, port);
    let output = agent(&node, &server.url(), &["plan", "--profile", "family"]).ended(0);
    output.assert_contains(&format!("profile  {}/Family/init_scripts/family.toml", server.url()));
    output.assert_contains("set number");
    // A lock in the file store is used as soon as it exists.
    let output = agent(&node, &server.url(), &["lock", "--profile", "family", "--output", "family.lock"]).ended(0);
    output.assert_contains("(serial 1)");
    agent(&node, &server.url(), &["plan", "--profile", "family", "--locked"]).ended(2);
    let lock = std::fs::read_to_string(node.beside("desk/family.lock")).expect("it was written");
    let node = node.store("Family/init_scripts/family.lock", &lock);
    let plan = agent(&node, &server.url(), &["plan", "--profile", "family", "--locked", "--json"]).ended(0).json();
    assert_eq!(plan["lock"]["file"], format!("{}/Family/init_scripts/family.lock", server.url()));
    agent(&node, &server.url(), &["check", "nightly"]).ended(2).assert_contains("there is no profile `nightly`");
    agent(&node, "http://files.lawfirms.example/store", &["check", "family"]).ended(2).assert_contains("plain http");
}

/// A workspace whose folders of every kind have a lock beside the profile, if one is given.
fn with_lock(folder: &Path, lock: Option<&str>) -> Workspace {
    let mut state: Value = serde_json::from_str(include_str!("../workspace/default_state.json")).expect("it is JSON");
    for (kind, root) in [("dbfs", "/FileStore"), ("volumes", VOLUME), ("workspace", "/Workspace/Shared/filestore")] {
        if let Some(lock) = lock {
            state[kind][format!("{root}/Family/init_scripts/family.lock")] = lock.into();
        }
    }
    let path = folder.join("state.json");
    put(&path, state.to_string().as_bytes());
    Workspace::of(&path)
}

/// The lock of the family profile, made on a node.
fn family_lock(temp: &Path) -> String {
    let workspace = with_lock(temp, None);
    let node = node(&workspace, "family");
    agent(&node, VOLUME, &["lock", "--profile", "family", "--output", "family.lock"])
        .ended(0)
        .assert_contains("(serial 1)");
    std::fs::read_to_string(node.beside("desk/family.lock")).expect("it was written")
}

/// A later lock for another runtime.
fn of_another_runtime(lock: &str) -> String {
    let later = lock.replace("serial = 1\n", "serial = 7\n");
    assert_ne!(later, lock);
    later.replace("os = \"debian 12\"", "os = \"ubuntu 22.04\"")
}

#[test]
fn a_run_uses_the_lock_beside_a_profile_in_a_remote_file_store() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let lock = family_lock(temp.path());
    let unlocked = with_lock(temp.path(), None);
    let workspace = with_lock(temp.path(), Some(&lock));
    let strange = with_lock(temp.path(), Some(&of_another_runtime(&lock)));
    for store in ["dbfs:/FileStore", VOLUME, "/Workspace/Shared/filestore"] {
        let without = node(&unlocked, "family");
        agent(&without, store, &["run", "--profile", "family", "--locked"])
            .ended(2)
            .assert_contains("there is no lock for the profile");
        let node = node(&workspace, "family");
        let beside = format!("{store}/Family/init_scripts/family.lock");
        let plan = agent(&node, store, &["plan", "--profile", "family", "--json"]).ended(0).json();
        assert_eq!(plan["lock"]["file"], beside.as_str(), "{plan:#}");
        agent(&node, store, &["lock", "--check", "family"])
            .ended(0)
            .assert_contains(&format!("the lock {beside} matches"));
        agent(&node, store, &["run", "--profile", "family", "--locked"]).ended(0);
        assert!(node.read("root/.vimrc").contains("set number"));
        let baked = agent(&node, store, &["store", "bake", "--profile", "family"]).ended(2);
        baked.assert_contains("the lock adds nothing that a layer could hold");
        let other = self::node(&strange, "family");
        let before = other.listing();
        let output = agent(&other, store, &["run", "--profile", "family"]).ended(2);
        output.assert_contains(&format!("the lock `{beside}` does not match"));
        output.assert_contains("the lock is for ubuntu 22.04");
        let changed = other.changes_since(&before);
        assert!(changed.iter().all(|path| path.starts_with("node/var")), "but for the mirror: {changed:#?}");
        agent(&other, store, &["run", "--profile", "family", "--unlocked"]).ended(0);
    }
}

#[test]
fn a_lock_is_never_written_to_a_remote_file_store() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let lock = family_lock(temp.path());
    let workspace = with_lock(temp.path(), Some(&of_another_runtime(&lock)));
    let node = node(&workspace, "family");
    let store = "dbfs:/FileStore";
    let beside = "dbfs:/FileStore/Family/init_scripts/family.lock";
    let output = agent(&node, store, &["lock", "--profile", "family"]).ended(2);
    output.assert_contains("the lock cannot be beside the profile `family`: the file store is remote");
    output.assert_contains(&format!("use `--output FILE`, and copy the file to `{beside}`"));
    // The difference can still be shown.
    let output = agent(&node, store, &["lock", "--profile", "family", "--diff"]).ended(0);
    output.assert_contains("debian 12");
    assert!(!output.all().contains("ubuntu"), "{}", output.all());
    let old = node.work("old.lock", &lock);
    let json = agent(&old, store, &["lock", "--profile", "family", "--diff", "old.lock", "--json"]).ended(0).json();
    assert_eq!(json["serial"], json!([1, 7]));
    // The new lock keeps the serial and the sections of other runtimes from the file store.
    agent(&old, store, &["lock", "--profile", "family", "--output", "new.lock"]).ended(0).assert_contains("(serial 8)");
    let both = std::fs::read_to_string(old.beside("desk/new.lock")).expect("it was written");
    assert!(both.contains("debian 12") && both.contains("ubuntu 22.04"), "{both}");
    let same = with_lock(temp.path(), Some(&both));
    let node = self::node(&same, "family");
    let output = agent(&node, store, &["lock", "--profile", "family", "--output", "new.lock"]).ended(0);
    output.assert_contains("wrote new.lock (serial 8)");
    assert_eq!(std::fs::read_to_string(node.beside("desk/new.lock")).expect("it was written"), both);
    // An existing local file takes precedence.
    agent(&old, store, &["lock", "--profile", "family", "--output", "old.lock"])
        .ended(0)
        .assert_contains("nothing changed");

    // The lock of a local profile is beside it, with any file store.
    let own = old.profile("");
    agent(&own, store, &["lock", "--profile", "x.toml"]).ended(0).assert_contains("x.lock (serial 1)");
    agent(&own, store, &["run", "--profile", "x.toml", "--locked"]).ended(0);
}
