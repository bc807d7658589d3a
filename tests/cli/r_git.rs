//! R packages of git repositories: the commit of an installed package.

use crate::support::NodeTest;

const COMMIT: &str = "3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c";

fn node(remote: &str) -> NodeTest {
    let description =
        format!("Package: models\nVersion: 1.2\n{remote}Built: R 4.2.2; ; 2026-01-01 00:00:00 UTC; unix\n");
    NodeTest::new().debs(&[("dpkg", "1.21")]).r(&[]).file("databricks/spark/R/lib/models/DESCRIPTION", &description).profile(&format!(
        "[r]\npackages = [{{ name = \"models\", git = \"https://git.firm.example/models.git\", commit = \"{COMMIT}\" }}]\n"
    ))
}

#[test]
fn only_a_package_that_was_built_from_the_commit_is_ready() {
    let planned = |remote: &str| node(remote).agent(&["plan", "--profile", "x.toml"]).ended(0).all();
    let ready = planned(&format!("RemoteSha: {COMMIT}\n"));
    assert!(ready.contains("r: models 1.2 (3f1c3f1c3f1c)") && ready.contains("nothing to do"), "{ready}");
    for remote in ["", "RemoteSha: 0000000000000000000000000000000000000000\n"] {
        let planned = planned(remote);
        assert!(planned.contains("install models (3f1c3f1c3f1c)"), "{planned}");
        assert!(planned.contains(&format!("git fetch https://git.firm.example/models.git {COMMIT}")), "{planned}");
    }
}
