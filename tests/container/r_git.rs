//! R packages of git repositories: built by R at a commit, and locked.

use std::path::Path;

use nodeagent::fs::{self, Attributes};

use crate::support::{CommandOutput, LIBRARY, Node, PROFILE, R, assert_same, host};

/// A package with C code that needs a package of the node's repository.
const DESCRIPTION: &str = "Package: ringgit\nTitle: Package of a Git Repository\nVersion: 1.0\n\
    Authors@R: person(\"nodeagent\", \"developers\", role = c(\"aut\", \"cre\"), email = \"nodeagent@example.com\")\n\
    Description: For tests.\nLicense: Apache License (>= 2)\nEncoding: UTF-8\nImports: tinypure\nNeedsCompilation: yes\n";
const CODE: &str = "#include <R.h>\n#include <Rinternals.h>\n\
    SEXP number(void) { return Rf_ScalarInteger(NUMBER); }\n";

fn git(folder: &Path, words: &[&str]) -> String {
    let mut command = host("git");
    command.args(["-c", "user.name=ring", "-c", "user.email=ring@example.org", "-c", "init.defaultBranch=main"]);
    let output = CommandOutput::of(command.args(words).current_dir(folder), "git");
    output.exits(0).stdout.trim().to_owned()
}

/// A repository in `/srv/ringgit` of a node, whose package is in the folder `r`. Returns its commits. The versions are
/// equal, the results of the function are 1 and 2.
fn repository(node: &Node) -> Vec<String> {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let folder = temp.path().join("ringgit");
    let write = |name: &str, text: &str| {
        fs::replace(&folder.join("r").join(name), text.as_bytes(), Attributes::mode(0o644)).expect("written");
    };
    write("DESCRIPTION", DESCRIPTION);
    write("NAMESPACE", "useDynLib(ringgit, number)\nimport(tinypure)\nexport(get)\n");
    write("R/get.R", "get <- function() .Call(number)\n");
    git(&folder, &["init", "--quiet"]);
    let commits = ["1", "2"].map(|number| {
        write("src/number.c", &CODE.replace("NUMBER", number));
        git(&folder, &["add", "."]);
        git(&folder, &["commit", "--quiet", "--message", number]);
        git(&folder, &["rev-parse", "HEAD"])
    });
    let archive = temp.path().join("ringgit.tar");
    CommandOutput::of(host("tar").arg("-C").arg(temp.path()).arg("-cf").arg(&archive).arg("ringgit"), "tar").exits(0);
    node.copy(&archive, "/tmp/ringgit.tar");
    node.sh("mkdir -p /srv && tar -C /srv --no-same-owner -xf /tmp/ringgit.tar");
    commits.to_vec()
}

fn profile(commit: &str) -> String {
    format!(
        "[apt]\npackages = [\"git\"]\n{R}packages = [{{ name = \"ringgit\", git = \"file:///srv/ringgit\", commit = \
         \"{commit}\", subdir = \"r\" }}]\n"
    )
}

fn number(node: &Node) -> String {
    node.sh("Rscript -e 'cat(ringgit::get())'")
}

#[test]
fn a_package_is_built_at_its_commit_and_locked() {
    let Some(node) = Node::fresh("rgit") else { return };
    let commits = repository(&node);
    // The run also installs git.
    node.profile(&profile(&commits[0]));
    node.run(&[]).exits(0).prints("r: done");
    assert_eq!(number(&node), "1");
    let description = node.sh(&format!("cat {LIBRARY}/ringgit/DESCRIPTION"));
    for line in ["RemoteType: git", "RemoteUrl: file:///srv/ringgit", &format!("RemoteSha: {}", commits[0])] {
        assert!(description.lines().any(|found| found == line), "{description}");
    }
    node.sh(&format!("ls {LIBRARY}/tinypure"));
    let ready = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&ready, &node.listing_but_log(), "a second run changes nothing");

    // Another commit of the same version.
    node.profile(&profile(&commits[1]));
    node.run(&[]).exits(0);
    assert_eq!(number(&node), "2");
    node.run(&[]).exits(0).prints("nothing to do");

    // The lock has the commit. With the store, its package does not need the repository.
    node.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    let lock = node.sh("cat /profiles/ring.lock");
    assert!(lock.contains(&format!("git = \"file:///srv/ringgit\"\ncommit = \"{}\"\n", commits[1])), "{lock}");
    node.run(&["--locked"]).exits(0).prints("nothing to do");
    node.sh(&format!("rm -r {LIBRARY}/ringgit /srv/ringgit"));
    node.run(&["--locked"]).exits(0);
    assert_eq!(number(&node), "2");

    // Without a lock, a commit that cannot be fetched refuses the run.
    node.sh(&format!("rm -r {LIBRARY}/ringgit /profiles/ring.lock"));
    node.run(&[]).exits(2).is_brief().prints("ringgit").prints("nothing was changed");
    node.is_tidy();
}
