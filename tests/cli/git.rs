//! Clones of repositories on a fake node, with the real git.

use std::path::Path;

use crate::support::NodeTest;

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
