//! Locks on real nodes: equal nodes after the indexes have changed, and refusals when a server no longer has a locked
//! file.

use crate::support::{CommandOutput, LIBRARY, Node, PROFILE, PROFILES, SITE, assert_same, port, wheel};

const LOCK: &str = "/profiles/ring.lock";

fn profile() -> String {
    format!(
        "[apt]\npackages = [\"jq\", {{ name = \"tree\", optional = true }}]\n[pip]\nindex-url = \
         \"http://127.0.0.1:{}/simple/\"\npackages = [\"inhouse-web>=1\", {{ name = \"inhouse-more\", optional = true }}]\n\
         [wheel]\nfiles = [\"inhouse_file-1.0-py3-none-any.whl\"]\n\
         [r]\nrepos = [\"http://127.0.0.1:3838/\"]\npackages = [\"tinyc\", {{ name = \"tinybin\", optional = true }}]\n\
         [shell]\nbashrc = {{ file = \"prompt.sh\" }}\n",
        port()
    )
}

/// A fresh node with an index and the profile.
fn fresh(what: &str) -> Option<Node> {
    let node = Node::fresh(what)?;
    put(&node, "inhouse_web", "1.0", &["inhouse-base"]);
    put(&node, "inhouse_base", "1.0", &[]);
    put(&node, "inhouse_more", "1.0", &["inhouse-base", "inhouse-extra"]);
    put(&node, "inhouse_extra", "1.0", &[]);
    serve(&node);
    node.write(
        &format!("{PROFILES}/inhouse_file-1.0-py3-none-any.whl"),
        wheel("inhouse_file", "1.0", &["inhouse-base"]),
    );
    node.write(&format!("{PROFILES}/prompt.sh"), "PS1='ring> '\n");
    node.profile(&profile());
    Some(node)
}

/// Starts the index.
fn serve(node: &Node) {
    node.sh("mkdir -p /srv/pypi");
    node.serve(&format!("python3 -m http.server --directory /srv/pypi {}", port()), port());
}

fn put(node: &Node, name: &str, version: &str, requires: &[&str]) {
    let folder = format!("/srv/pypi/simple/{}", name.replace('_', "-"));
    node.write(&format!("{folder}/{name}-{version}-py3-none-any.whl"), wheel(name, version, requires));
}

/// Publishes newer versions in the index and in the repository.
fn publish_newer_versions(node: &Node) {
    put(node, "inhouse_web", "2.0", &["inhouse-base>=2"]);
    put(node, "inhouse_base", "2.0", &[]);
    node.sh(
        "cd /srv/cran/src/contrib && mkdir /tmp/newer && tar -C /tmp/newer -xzf tinypure_1.1.tar.gz &&
        sed -i 's/^Version:.*/Version: 1.2/' /tmp/newer/tinypure/DESCRIPTION &&
        tar -C /tmp/newer -czf tinypure_1.2.tar.gz tinypure && rm tinypure_1.0.tar.gz && rm -f PACKAGES* &&
        Rscript --vanilla -e 'tools::write_PACKAGES(\".\", type = \"source\", fields = \"Built\", latestOnly = FALSE)'",
    );
}

fn lock(node: &Node, options: &[&str]) -> CommandOutput {
    node.exec(&[], &[&["nodeagent", "lock", "--profile", PROFILE], options].concat())
}

/// A command of the agent on a node with this version of the runtime.
fn as_runtime(node: &Node, runtime: &str, words: &[&str]) -> CommandOutput {
    let runtime = format!("DATABRICKS_RUNTIME_VERSION={runtime}");
    node.exec(&["--env", &runtime], &[&["nodeagent"], words, &["--profile", PROFILE]].concat())
}

/// The sections of a lock, each with the version of its runtime.
fn sections(lock: &str) -> Vec<(String, String)> {
    let version = |section: &str| section.split("\nruntime = \"").nth(1)?.split('"').next().map(str::to_owned);
    let sections = lock.split("[[runtimes]]").skip(1);
    sections.map(|section| (version(section).expect("it names its runtime"), section.trim_end().to_owned())).collect()
}

#[test]
fn one_lock_makes_equal_nodes_after_the_indexes_have_changed() {
    let (Some(one), Some(two)) = (fresh("lock-one"), fresh("lock-two")) else { return };
    let before = one.listing();
    let output = lock(&one, &[]);
    output.exits(0).prints("wrote /profiles/ring.lock (serial 1)");
    for line in ["libjq1", "tree", "inhouse-web", "inhouse-base", "inhouse-extra", "tinyc", "tinypure", "tinybin"] {
        assert!(output.stdout.contains(line), "{line} is locked: {output}");
    }
    assert_same(&before, &one.listing(), "a lock changes only the cache of the agent");
    one.run(&["--locked"]).exits(0);
    one.run(&["--locked"]).exits(0).prints("nothing to do");
    // A ready node gives the same lock.
    let again = lock(&one, &["--upgrade"]);
    assert_eq!(again.exits(0).stdout, "nothing changed\n", "{again}");

    publish_newer_versions(&two);
    two.write(LOCK, one.sh(&format!("cat {LOCK}")));
    two.run(&["--locked"]).exits(0);
    two.run(&["--locked"]).exits(0).prints("nothing to do");
    assert_same(&one.state(), &two.state(), "both nodes are equal");
    let digests = format!("find {SITE} {LIBRARY} -type f -path '*inhouse*' ! -name '*.pyc' | sort | xargs sha256sum");
    assert_same(&one.sh(&digests), &two.sh(&digests), "both nodes have the same bytes");
    two.sh("/databricks/python/bin/python -c 'import inhouse_web, inhouse_more, inhouse_file'; Rscript -e 'library(tinyc)'");
    assert!(
        !two.sh(&format!("ls {SITE}/inhouse_web-1.0.dist-info")).contains("direct_url.json"),
        "it is installed as from an index"
    );
    assert_eq!(two.sh("apt-mark showauto libjq1 jq").trim(), "libjq1", "the dependency is marked as automatic");

    // The indexes have really changed, and one name can be upgraded alone.
    let newer = lock(&two, &["--upgrade", "--diff"]);
    for line in ["inhouse-web   1.0 -> 2.0", "inhouse-base  1.0 -> 2.0", "tinypure      1.1 -> 1.2"] {
        assert!(newer.exits(0).stdout.contains(line), "{line}: {newer}");
    }
    let one_name = lock(&two, &["--upgrade", "tinypure"]);
    assert!(one_name.exits(0).stdout.contains("tinypure  1.1 -> 1.2"), "{one_name}");
    assert!(!one_name.stdout.contains("inhouse"), "{one_name}");
    two.run(&[]).exits(0).prints("r: done").never_prints("pip: done");
    assert!(two.sh(&format!("grep ^Version: {LIBRARY}/tinypure/DESCRIPTION")).contains("1.2"));
    // An older lock brings the older versions back.
    two.write(LOCK, one.sh(&format!("cat {LOCK}")));
    two.run(&["--locked"]).exits(0);
    assert_same(&one.state(), &two.state(), "the node equals the older lock");
    two.is_tidy();
}

#[test]
fn changed_and_missing_files_are_refused_unless_the_store_has_them() {
    let Some(node) = fresh("lock-drift") else { return };
    lock(&node, &[]).exits(0);
    let before = node.listing();
    // Other bytes under the same name.
    node.sh("cp -r /srv /tmp/srv");
    node.write(
        "/srv/pypi/simple/inhouse-base/inhouse_base-1.0-py3-none-any.whl",
        wheel("inhouse_base", "1.0", &["six"]),
    );
    node.run(&[])
        .exits(2)
        .is_brief()
        .prints("serves a file that differs from the locked inhouse-base 1.0")
        .prints("nothing was changed");
    node.sh("cp -r /tmp/srv/pypi /srv/");
    // A file that is gone from the server. The cache of the previous run has it, so the cache is removed.
    node.sh("rm -rf /var/cache/nodeagent; rm /srv/cran/src/contrib/tinypure_1.1.tar.gz");
    let output = node.run(&[]);
    output.exits(2).is_brief().prints("the locked tinypure 1.1 is no longer at").prints("--upgrade tinypure");
    node.sh("cp -r /tmp/srv/cran /srv/");
    // A profile with one more package.
    node.profile(&profile().replace("\"jq\"", "\"jq\", \"less\""));
    node.run(&[]).exits(2).prints("ring.toml` has changed").prints("`apt less`").prints("nodeagent lock");
    node.profile(&profile());
    let after = node.listing();
    let kept = |listing: &str| listing.lines().filter(|line| !line.contains("/srv/")).collect::<Vec<_>>().join("\n");
    assert_same(&kept(&before), &kept(&after), "nothing was changed");

    node.run(&["--locked"]).exits(0);
    let state = node.state();
    // Remove everything from the node and from the servers; only the store still has it.
    node.sh(&format!(
        "apt-get remove -y -q jq libjq1 > /dev/null; rm -rf {LIBRARY}/tinyc {LIBRARY}/tinypure {SITE}/inhouse_*
        rm -rf /srv/pypi/simple/* /srv/cran/src/contrib/*
        sed -i -E 's|https?://[^1/][^/]*/|http://127.0.0.1:9/|' {LOCK}; grep -q http://127.0.0.1:9/ {LOCK}"
    ));
    node.run(&["--locked"]).exits(0);
    assert_same(&state, &node.state(), "the store replaces the servers");
}

#[test]
fn each_runtime_has_a_section_in_the_lock_and_other_runtimes_are_refused() {
    let start = |what| -> Option<Node> {
        let node = Node::fresh(what)?;
        serve(&node);
        put(&node, "inhouse_web", "1.0", &["inhouse-base"]);
        put(&node, "inhouse_web", "2.0", &["inhouse-base>=2"]);
        put(&node, "inhouse_base", "1.0", &[]);
        put(&node, "inhouse_base", "2.0", &[]);
        Some(node)
    };
    let (Some(older), Some(newer)) = (start("lock-older"), start("lock-newer")) else { return };
    let profile = |more: &str| {
        format!("[pip]\nindex-url = \"http://127.0.0.1:{}/simple/\"\npackages = [\"inhouse-web\"]\n{more}", port())
    };
    // Both nodes have the same index. One runtime ships an older version of a package, and the guard keeps that
    // version.
    newer.sh(
        "/databricks/python/bin/python -m pip install -q --no-deps /srv/pypi/simple/inhouse-base/inhouse_base-1.0-*.whl",
    );
    older.profile(&profile(""));
    newer.profile(&profile(""));
    as_runtime(&older, "14.3", &["lock"]).exits(0).prints("(serial 1)");
    let one = older.sh(&format!("cat {LOCK}"));
    newer.write(LOCK, &one);
    // Without a section of its own, the runtime is refused.
    as_runtime(&newer, "15.4", &["plan"])
        .exits(2)
        .prints("runtime 15.4, Python 3.11")
        .prints("the lock is for debian 12");
    let output = as_runtime(&newer, "15.4", &["lock"]);
    output.exits(0).prints("(serial 2)").never_prints("went");
    let both = newer.sh(&format!("cat {LOCK}"));
    let (before, after) = (sections(&one), sections(&both));
    assert_eq!(after.iter().map(|(version, _)| version.as_str()).collect::<Vec<_>>(), ["14.3", "15.4"], "{both}");
    assert_eq!(after[0], before[0], "the other section is unchanged");
    older.write(LOCK, &both);

    // A third runtime is refused on any node.
    let listing = newer.listing();
    for words in [&["run"][..], &["run", "--locked"], &["plan"]] {
        let output = as_runtime(&newer, "16.4", words);
        output.exits(2).prints("the lock `/profiles/ring.lock` does not match").prints("runtime 16.4, Python 3.11");
        output
            .prints("runtime 14.3, Python 3.11; debian 12")
            .prints("runtime 15.4, Python 3.11")
            .prints("`nodeagent lock");
    }
    assert_same(&listing, &newer.listing(), "nothing was changed");

    let versions = |node: &Node| node.sh(&format!("cd {SITE}; ls -d inhouse_*.dist-info"));
    let (a, b) = (
        "inhouse_base-2.0.dist-info\ninhouse_web-2.0.dist-info\n",
        "inhouse_base-1.0.dist-info\ninhouse_web-1.0.dist-info\n",
    );
    for (node, runtime, expected) in [(&older, "14.3", a), (&newer, "15.4", b)] {
        as_runtime(node, runtime, &["run", "--locked"]).exits(0);
        as_runtime(node, runtime, &["run", "--locked"]).exits(0).prints("nothing to do");
        assert_eq!(versions(node), expected, "{runtime}");
    }
    // A changed profile is locked again on each runtime. Until then the other runtime is refused, and its section
    // stays.
    for node in [&older, &newer] {
        node.profile(&profile("guard = \"runtime\"\nsmoke = [\"inhouse_web\"]\n"));
    }
    as_runtime(&older, "14.3", &["run"]).exits(2).prints("ring.toml` has changed");
    as_runtime(&older, "14.3", &["lock"]).exits(0).prints("(serial 3)");
    let third = older.sh(&format!("cat {LOCK}"));
    assert_eq!(sections(&third), after, "only the digest of the profile has changed");
    newer.write(LOCK, &third);
    as_runtime(&newer, "15.4", &["run", "--locked"]).exits(0).prints("nothing to do");
}
