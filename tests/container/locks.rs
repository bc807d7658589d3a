//! Locks on real nodes: the same node whatever the indexes say by then, and refusals when what was locked is no longer what
//! is served.

use crate::support::{LIBRARY, Node, PROFILE, PROFILES, SITE, assert_same, wheel};

/// A package index of the node's own: a folder for each project, the wheels inside.
fn port() -> u32 {
    30_000 + std::process::id() % 10_000
}

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

/// A fresh node with an index, and the profile.
fn fresh(what: &str) -> Option<Node> {
    let node = Node::fresh(what)?;
    put(&node, "inhouse_web", "1.0", &["inhouse-base"]);
    put(&node, "inhouse_base", "1.0", &[]);
    put(&node, "inhouse_more", "1.0", &["inhouse-base", "inhouse-extra"]);
    put(&node, "inhouse_extra", "1.0", &[]);
    let port = port();
    node.sh(&format!(
        "cd /srv/pypi; setsid python3 -m http.server {port} > /dev/null 2>&1 < /dev/null &
        for i in {{1..100}}; do (exec 3<> /dev/tcp/127.0.0.1/{port}) 2> /dev/null && exit 0; sleep 0.1; done; exit 1"
    ));
    node.write(
        &format!("{PROFILES}/inhouse_file-1.0-py3-none-any.whl"),
        wheel("inhouse_file", "1.0", &["inhouse-base"]),
    );
    node.write(&format!("{PROFILES}/prompt.sh"), "PS1='ring> '\n");
    node.profile(&profile());
    Some(node)
}

fn put(node: &Node, name: &str, version: &str, requires: &[&str]) {
    let folder = format!("/srv/pypi/simple/{}", name.replace('_', "-"));
    node.write(&format!("{folder}/{name}-{version}-py3-none-any.whl"), wheel(name, version, requires));
}

/// Days pass: newer versions appear in the index and in the repository.
fn days_pass(node: &Node) {
    put(node, "inhouse_web", "2.0", &["inhouse-base>=2"]);
    put(node, "inhouse_base", "2.0", &[]);
    node.sh(
        "cd /srv/cran/src/contrib && mkdir /tmp/newer && tar -C /tmp/newer -xzf tinypure_1.1.tar.gz &&
        sed -i 's/^Version:.*/Version: 1.2/' /tmp/newer/tinypure/DESCRIPTION &&
        tar -C /tmp/newer -czf tinypure_1.2.tar.gz tinypure && rm tinypure_1.0.tar.gz && rm -f PACKAGES* &&
        Rscript --vanilla -e 'tools::write_PACKAGES(\".\", type = \"source\", fields = \"Built\", latestOnly = FALSE)'",
    );
}

fn lock(node: &Node, options: &[&str]) -> crate::support::Said {
    node.exec(&[], &[&["nodeagent", "lock", "--profile", PROFILE], options].concat())
}

#[test]
fn the_same_lock_makes_the_same_node_whatever_the_indexes_say_by_then() {
    let (Some(one), Some(two)) = (fresh("lock-one"), fresh("lock-two")) else { return };
    let before = one.listing();
    let said = lock(&one, &[]);
    said.exits(0).says("wrote /profiles/ring.lock (serial 1)");
    for line in ["libjq1", "tree", "inhouse-web", "inhouse-base", "inhouse-extra", "tinyc", "tinypure", "tinybin"] {
        assert!(said.stdout.contains(line), "{line} is locked: {said}");
    }
    assert_same(&before, &one.listing(), "a lock changes nothing on the node but the agent's cache");
    one.run(&["--locked"]).exits(0);
    one.run(&["--locked"]).exits(0).says("nothing to do");
    // A node that is ready gives the same lock.
    let again = lock(&one, &["--upgrade"]);
    assert_eq!(again.exits(0).stdout, "nothing changed\n", "{again}");

    days_pass(&two);
    two.write(LOCK, one.sh(&format!("cat {LOCK}")));
    two.run(&["--locked"]).exits(0);
    two.run(&["--locked"]).exits(0).says("nothing to do");
    assert_same(&one.state(), &two.state(), "both nodes are the same");
    let digests = format!("find {SITE} {LIBRARY} -type f -path '*inhouse*' ! -name '*.pyc' | sort | xargs sha256sum");
    assert_same(&one.sh(&digests), &two.sh(&digests), "and so are the bytes");
    two.sh("/databricks/python/bin/python -c 'import inhouse_web, inhouse_more, inhouse_file'; Rscript -e 'library(tinyc)'");
    assert!(!two.sh(&format!("ls {SITE}/inhouse_web-1.0.dist-info")).contains("direct_url.json"), "as from an index");
    assert_eq!(two.sh("apt-mark showauto libjq1 jq").trim(), "libjq1", "what came along is marked so");

    // The indexes have really changed; and a name moves alone when it is told to.
    let newer = lock(&two, &["--upgrade", "--diff"]);
    for line in ["inhouse-web   1.0 -> 2.0", "inhouse-base  1.0 -> 2.0", "tinypure      1.1 -> 1.2"] {
        assert!(newer.exits(0).stdout.contains(line), "{line}: {newer}");
    }
    let one_name = lock(&two, &["--upgrade", "tinypure"]);
    assert!(one_name.exits(0).stdout.contains("tinypure  1.1 -> 1.2"), "{one_name}");
    assert!(!one_name.stdout.contains("inhouse"), "{one_name}");
    two.run(&[]).exits(0).says("r: done").never_says("pip: done");
    assert!(two.sh(&format!("grep ^Version: {LIBRARY}/tinypure/DESCRIPTION")).contains("1.2"));
    // The way back: an older lock is what counts.
    two.write(LOCK, one.sh(&format!("cat {LOCK}")));
    two.run(&["--locked"]).exits(0);
    assert_same(&one.state(), &two.state(), "the older lock is true again");
    two.is_tidy();
}

#[test]
fn what_is_no_longer_what_was_locked_is_refused_and_the_store_has_what_is_gone() {
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
        .says("serves something else than the inhouse-base 1.0")
        .says("nothing was changed");
    node.sh("cp -r /tmp/srv/pypi /srv/");
    // One that is gone. What the run before fetched would do; so nothing of it is left.
    node.sh("rm -rf /var/cache/nodeagent; rm /srv/cran/src/contrib/tinypure_1.1.tar.gz");
    let said = node.run(&[]);
    said.exits(2).is_brief().says("tinypure 1.1, as it was locked, is no longer at").says("--upgrade tinypure");
    node.sh("cp -r /tmp/srv/cran /srv/");
    // A profile that asks for more.
    node.profile(&profile().replace("\"jq\"", "\"jq\", \"less\""));
    node.run(&[]).exits(2).says("ring.toml` was changed since").says("`apt less`").says("nodeagent lock");
    node.profile(&profile());
    let after = node.listing();
    let kept = |listing: &str| listing.lines().filter(|line| !line.contains("/srv/")).collect::<Vec<_>>().join("\n");
    assert_same(&kept(&before), &kept(&after), "nothing was changed");

    node.run(&["--locked"]).exits(0);
    let state = node.state();
    // Everything is thrown away, here and where it came from; only the store still has it.
    node.sh(&format!(
        "apt-get remove -y -q jq libjq1 > /dev/null; rm -rf {LIBRARY}/tinyc {LIBRARY}/tinypure {SITE}/inhouse_*
        rm -rf /srv/pypi/simple/* /srv/cran/src/contrib/*
        sed -i -E 's|https?://[^1/][^/]*/|http://127.0.0.1:9/|' {LOCK}; grep -q http://127.0.0.1:9/ {LOCK}"
    ));
    node.run(&["--locked"]).exits(0);
    assert_same(&state, &node.state(), "the store made up for all of it");
}
