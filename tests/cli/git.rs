//! Clones of repositories on a fake node, with the real git.

use std::path::Path;

use crate::{
    http_server::{TestServer, reply},
    support::NodeTest,
};

/// Runs git in a folder and returns its output.
pub(crate) fn git(folder: &Path, words: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "tests start git")]
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=ring", "-c", "user.email=ring@example.org", "-c", "init.defaultBranch=main"])
        .args(words)
        .current_dir(folder)
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository with one commit for each text. Returns the commits.
pub(crate) fn commits(folder: &Path, texts: &[&str]) -> Vec<String> {
    std::fs::create_dir_all(folder).expect("made");
    git(folder, &["init", "--quiet"]);
    let commit = |text: &&str| {
        crate::support::put(&folder.join("a"), text);
        git(folder, &["add", "a"]);
        git(folder, &["commit", "--quiet", "--message", text]);
        git(folder, &["rev-parse", "HEAD"])
    };
    texts.iter().map(commit).collect()
}

#[test]
fn a_clone_is_at_its_revision_and_local_changes_are_kept() {
    let node = NodeTest::new().debs(&[("bash", "5.2")]).file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
    let origin = node.beside("origin");
    let found = commits(&origin, &["one", "two"]);
    git(&origin, &["tag", "v1", &found[0]]);
    let url = format!("file://{}", origin.display());
    let profile = |revision: &str| format!("[git.\"/opt/x\"]\nurl = \"{url}\"\n{revision}\n");
    let commit = |index: usize| profile(&format!("commit = \"{}\"", found[index]));
    let node = node.profile(&commit(0));
    let run = |code: i32| node.agent(&["run", "--profile", "./x.toml"]).ended(code).all();
    let file = node.root().join("opt/x/a");
    let text = || std::fs::read_to_string(&file).expect("there");
    run(0);
    assert_eq!(text(), "one");
    assert!(run(0).contains("nothing to do"));

    // Another commit, and a tag, whose commit the receipt knows.
    let change =
        |text: &str| crate::support::put(&node.beside("desk/x.toml"), &format!("schema = 1\nname = \"x\"\n{text}"));
    change(&commit(1));
    run(0);
    assert_eq!(text(), "two");
    change(&profile("tag = \"v1\""));
    run(0);
    assert_eq!(text(), "one");
    assert!(run(0).contains("nothing to do"));

    // Local changes are not lost.
    crate::support::put(&file, "mine");
    change(&commit(1));
    assert!(run(1).contains("`/opt/x` has local changes"));
    assert_eq!(text(), "mine");

    // Another repository in the folder is refused.
    change(&commit(1).replace("/origin", "/other"));
    assert!(run(2).contains("`/opt/x` is a clone of another repository"));
}

#[test]
fn a_lock_has_the_commits_of_branches_and_tags() {
    let node = NodeTest::new().debs(&[("bash", "5.2")]);
    let origin = node.beside("origin");
    let mut found = commits(&origin, &["one", "two"]);
    git(&origin, &["tag", "--annotate", "--message", "v1", "v1", &found[0]]);
    let url = format!("file://{}", origin.display());
    let entry = |folder: &str, revision: &str| format!("[git.\"{folder}\"]\nurl = \"{url}\"\n{revision}\n");
    let profile = entry("/opt/branch", "branch = \"main\"") + &entry("/opt/tag", "tag = \"v1\"");
    let node = node.profile(&profile);
    let agent = |words: &[&str], code: i32| node.agent(&[words, &["--profile", "./x.toml"]].concat()).ended(code).all();
    let text = |folder: &str| node.read(&format!("opt/{folder}/a"));

    let refused = agent(&["run"], 2);
    assert!(refused.contains("the branch `main` can move, and no lock has its commit"), "{refused}");
    assert!(!node.root().join("opt").exists());

    agent(&["lock"], 0);
    let locked = |text: &str| std::fs::read_to_string(node.beside("desk/x.lock")).expect("a lock").contains(text);
    assert!(locked(&format!("revision = \"branch main\"\ncommit = \"{}\"", found[1])));
    assert!(locked(&format!("revision = \"tag v1\"\ncommit = \"{}\"", found[0])), "the commit of the tag object");
    let planned = agent(&["plan"], 0);
    assert!(planned.contains(&format!("clone /opt/branch to commit {} of branch main", found[1])), "{planned}");
    agent(&["run"], 0);
    assert_eq!((text("branch"), text("tag")), ("two".to_owned(), "one".to_owned()));
    assert!(agent(&["run"], 0).contains("nothing to do"));

    // The branch and the tag move. The lock does not, until it is asked to.
    found.extend(commits(&origin, &["three"]));
    git(&origin, &["tag", "--force", "v1", &found[2]]);
    assert!(agent(&["lock"], 0).contains("nothing changed"));
    assert!(agent(&["run"], 0).contains("nothing to do"));
    let said = agent(&["lock", "--upgrade", "/opt/branch"], 0);
    assert!(said.contains(&format!("{} -> {}", &found[1][..12], &found[2][..12])), "{said}");
    agent(&["run"], 0);
    assert_eq!((text("branch"), text("tag")), ("three".to_owned(), "one".to_owned()));

    // A branch that the repository does not have.
    let node = node.profile(&entry("/opt/branch", "branch = \"absent\""));
    let said = node.agent(&["lock", "--profile", "./x.toml"]).ended(2).all();
    assert!(said.contains("has no `branch absent`"), "{said}");
}

const READY: &str = "[post-start]\nready = { path = \"/tmp/driver-env.sh\", timeout = \"60s\" }\n";

/// An entry of the stage after the launch.
fn later(folder: &str, url: &str, rest: &str) -> String {
    format!("[git.\"{folder}\"]\nurl = \"{url}\"\nstage = \"post-start\"\n{rest}\n")
}

#[test]
fn the_stage_after_the_launch_clones_the_locked_commits() {
    let node = NodeTest::new().debs(&[("bash", "5.2")]);
    let origin = node.beside("origin");
    let mut found = commits(&origin, &["one", "two"]);
    git(&origin, &["tag", "--annotate", "--message", "v1", "v1", &found[0]]);
    let url = format!("file://{}", origin.display());
    // The owner is a user of the stage. The lock does not plan it.
    let profile = later("/opt/branch", &url, "branch = \"main\"")
        + &later("/opt/tag", &url, "tag = \"v1\"")
        + &later("/opt/never", "file:///absent", "branch = \"main\"\nwhen = { gpu = true }")
        + &later("/opt/absent", "file:///absent", "branch = \"main\"\noptional = true")
        + &later("/opt/owned", &url, "branch = \"main\"\nowner = \"analyst\"\nwhen = { vars = { owned = \"yes\" } }")
        + "[users.analyst]\nstage = \"post-start\"\nwhen = { vars = { owned = \"yes\" } }\n"
        + "[vars]\nowned = \"no\"\n"
        + READY;
    let node = node.profile(&profile);
    let agent = |words: &[&str], code: i32| node.agent(&[words, &["--profile", "./x.toml"]].concat()).ended(code).all();
    let text = |folder: &str| node.read(&format!("opt/{folder}/a"));

    // Without the commit of the required branch, the launch changes nothing.
    let before = node.listing();
    let refused = agent(&["run"], 2);
    assert!(refused.contains("the branch `main` can move, and no lock has its commit"), "{refused}");
    assert!(refused.contains("x.toml:3"), "{refused}");
    assert_eq!(node.changes_since(&before), [""; 0]);

    let said = agent(&["lock"], 0);
    assert!(said.contains("`git./opt/absent` is optional and could not be resolved"), "{said}");
    let lock = || std::fs::read_to_string(node.beside("desk/x.lock")).expect("a lock");
    assert!(lock().contains(&format!("revision = \"branch main\"\ncommit = \"{}\"", found[1])), "{}", lock());
    assert!(lock().contains(&format!("revision = \"tag v1\"\ncommit = \"{}\"", found[0])), "{}", lock());
    assert!(!lock().contains("folder = \"/opt/never\"") && !lock().contains("folder = \"/opt/absent\""), "{}", lock());

    // The branch and the tag move before the launch. The lock does not.
    found.extend(commits(&origin, &["three"]));
    git(&origin, &["tag", "--force", "v1", &found[2]]);
    assert!(agent(&["lock"], 0).contains("nothing changed"));
    agent(&["run"], 0);
    assert!(!node.root().join("opt").exists(), "the launch clones nothing of the stage");
    std::fs::create_dir_all(node.root().join("tmp")).expect("a folder");
    crate::support::put(&node.root().join("tmp/driver-env.sh"), "");
    let report = crate::stages::ended(&node, 1).remove(0);
    assert_eq!((text("branch"), text("tag")), ("two".to_owned(), "one".to_owned()), "{report:#}");
    assert_eq!(report["outcome"], "degraded", "the optional branch has no commit: {report:#}");
    let titles: Vec<_> = report["steps"].as_array().expect("a list").iter().map(|step| step["title"].clone()).collect();
    let title = format!("clone /opt/branch to commit {} of branch main", found[1]);
    assert!(titles.contains(&title.clone().into()), "{titles:?}");

    // The clones stay at the locked commits, until the lock is asked to move them.
    agent(&["run"], 0);
    crate::stages::ended(&node, 2);
    assert_eq!((text("branch"), text("tag")), ("two".to_owned(), "one".to_owned()));
    agent(&["lock", "--upgrade", "/opt/branch"], 0);
    agent(&["run"], 0);
    crate::stages::ended(&node, 3);
    assert_eq!((text("branch"), text("tag")), ("three".to_owned(), "one".to_owned()));

    let said = agent(&["lock", "--set", "owned=yes"], 0);
    assert!(lock().contains("folder = \"/opt/owned\""), "{said}\n{}", lock());
}

#[test]
fn a_lock_that_lacks_the_commit_of_a_later_branch_refuses_the_launch() {
    let node = NodeTest::new().debs(&[("bash", "5.2")]);
    let origin = node.beside("origin");
    commits(&origin, &["one"]);
    let url = format!("file://{}", origin.display());
    let node = node.profile(&(later("/opt/x", &url, "branch = \"main\"") + READY));
    node.agent(&["lock", "--profile", "./x.toml"]).ended(0);
    // A lock of an earlier version of nodeagent has no commits of this stage.
    let path = node.beside("desk/x.lock");
    let text = std::fs::read_to_string(&path).expect("a lock");
    let (without, _) = text.split_once("\n[[runtimes.git]]").expect("a commit");
    crate::support::put(&path, &format!("{without}\n"));
    let refused = node.agent(&["run", "--profile", "./x.toml"]).ended(2).stderr;
    assert!(
        refused.contains("the branch `main` can move, and the lock `x.lock` does not have its commit"),
        "{refused}"
    );
    assert!(refused.contains("run `nodeagent lock --profile x`"), "{refused}");
}

#[test]
fn a_branch_at_an_address_that_the_launch_does_not_know_cannot_be_locked() {
    let vars = "[vars]\nrepository = { file = \"/tmp/driver-env.sh\" }\n";
    let entry = |rest: &str| later("/opt/x", "https://git.example/${vars.repository}.git", rest);
    let lock = |entry: &str| {
        let node = NodeTest::new().debs(&[("bash", "5.2")]).profile(&format!("{vars}{entry}{READY}"));
        node.agent(&["lock", "--profile", "./x.toml"])
    };
    let refused = lock(&entry("branch = \"main\"")).ended(2).stderr;
    let why = "the address of `git./opt/x` has a value that is known only after the launch";
    assert!(refused.contains(why) && refused.contains("x.toml:5"), "{refused}");
    for entry in [entry("tag = \"v1\""), entry("branch = \"main\"\noptional = true")] {
        let warned = lock(&entry).ended(0).stderr;
        assert!(warned.contains(&format!("{why}; its commit is not locked")), "{warned}");
    }
}

#[test]
fn a_lock_of_a_later_branch_uses_its_login() {
    const COMMIT: &str = "3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c";
    // A server of plain files. The password is `hello`.
    let server = TestServer::start(|request, _| match request.header("authorization") {
        "Basic cmVhZGVyOmhlbGxv" => reply("200 OK", &format!("{COMMIT}\trefs/heads/main\n")),
        _ => reply("401 Unauthorized\r\nwww-authenticate: Basic realm=\"git\"", ""),
    });
    let node = NodeTest::new().debs(&[("bash", "5.2")]);
    let secrets = node.beside("secrets");
    std::fs::create_dir_all(secrets.join("family")).expect("a folder");
    crate::support::put(&secrets.join("family/git"), "hello");
    let profile = format!(
        "[secrets]\nsource = \"file\"\nscope = \"family\"\npath = \"{}\"\n[[logins]]\nurl = \"{}\"\nuser = \
         \"reader\"\nkey = \"git\"\n",
        secrets.display(),
        server.url
    );
    let node = node.profile(&(profile + &later("/opt/x", &server.at("x.git"), "branch = \"main\"") + READY));
    node.agent(&["lock", "--profile", "./x.toml"]).ended(0);
    let lock = std::fs::read_to_string(node.beside("desk/x.lock")).expect("a lock");
    assert!(lock.contains(&format!("commit = \"{COMMIT}\"")) && !lock.contains("hello"), "{lock}");
}
