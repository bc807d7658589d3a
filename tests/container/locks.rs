//! Locks on real nodes: the same node whatever the indexes say by then, and refusals when what was locked is no longer what
//! is served.

use crate::support::{LIBRARY, Node, PROFILE, PROFILES, SITE, Said, assert_same, wheel};

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
    let port = port();
    node.sh(&format!(
        "mkdir -p /srv/pypi; cd /srv/pypi; setsid python3 -m http.server {port} > /dev/null 2>&1 < /dev/null &
        for i in {{1..100}}; do (exec 3<> /dev/tcp/127.0.0.1/{port}) 2> /dev/null && exit 0; sleep 0.1; done; exit 1"
    ));
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

fn lock(node: &Node, options: &[&str]) -> Said {
    node.exec(&[], &[&["nodeagent", "lock", "--profile", PROFILE], options].concat())
}

/// A command of the agent on a node that says it is of this runtime.
fn as_runtime(node: &Node, runtime: &str, words: &[&str]) -> Said {
    let runtime = format!("DATABRICKS_RUNTIME_VERSION={runtime}");
    node.exec(&["--env", &runtime], &[&["nodeagent"], words, &["--profile", PROFILE]].concat())
}

/// The sections of a lock, each with its runtime's version.
fn sections(lock: &str) -> Vec<(String, String)> {
    let version = |section: &str| section.split("\nruntime = \"").nth(1)?.split('"').next().map(str::to_owned);
    let sections = lock.split("[[runtimes]]").skip(1);
    sections.map(|section| (version(section).expect("it names its runtime"), section.trim_end().to_owned())).collect()
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

#[test]
fn each_runtime_has_a_section_of_one_lock_and_a_node_of_another_is_refused() {
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
    // The index says the same to both; one runtime ships what the other has to be brought, and the guard holds it there.
    newer.sh(
        "/databricks/python/bin/python -m pip install -q --no-deps /srv/pypi/simple/inhouse-base/inhouse_base-1.0-*.whl",
    );
    older.profile(&profile(""));
    newer.profile(&profile(""));
    as_runtime(&older, "14.3", &["lock"]).exits(0).says("(serial 1)");
    let one = older.sh(&format!("cat {LOCK}"));
    newer.write(LOCK, &one);
    // Before it has a section of its own it is a stranger to the lock.
    as_runtime(&newer, "15.4", &["plan"]).exits(2).says("runtime 15.4, Python 3.11").says("it is for debian 12");
    let said = as_runtime(&newer, "15.4", &["lock"]);
    said.exits(0).says("(serial 2)").never_says("went");
    let both = newer.sh(&format!("cat {LOCK}"));
    let (before, after) = (sections(&one), sections(&both));
    assert_eq!(after.iter().map(|(version, _)| version.as_str()).collect::<Vec<_>>(), ["14.3", "15.4"], "{both}");
    assert_eq!(after[0], before[0], "the other section is as it was");
    older.write(LOCK, &both);

    // Of a third runtime nothing is done, whichever node says that it is one.
    let listing = newer.listing();
    for words in [&["run"][..], &["run", "--locked"], &["plan"]] {
        let said = as_runtime(&newer, "16.4", words);
        said.exits(2).says("the lock `/profiles/ring.lock` does not fit").says("runtime 16.4, Python 3.11");
        said.says("runtime 14.3, Python 3.11; debian 12").says("runtime 15.4, Python 3.11").says("`nodeagent lock");
    }
    assert_same(&listing, &newer.listing(), "nothing was changed");

    let versions = |node: &Node| node.sh(&format!("cd {SITE}; ls -d inhouse_*.dist-info"));
    let (a, b) = (
        "inhouse_base-2.0.dist-info\ninhouse_web-2.0.dist-info\n",
        "inhouse_base-1.0.dist-info\ninhouse_web-1.0.dist-info\n",
    );
    for (node, runtime, expected) in [(&older, "14.3", a), (&newer, "15.4", b)] {
        as_runtime(node, runtime, &["run", "--locked"]).exits(0);
        as_runtime(node, runtime, &["run", "--locked"]).exits(0).says("nothing to do");
        assert_eq!(versions(node), expected, "{runtime}");
    }
    // A profile that changed is locked again on each: until then the other one is refused, and its section stays.
    for node in [&older, &newer] {
        node.profile(&profile("guard = \"runtime\"\nsmoke = [\"inhouse_web\"]\n"));
    }
    as_runtime(&older, "14.3", &["run"]).exits(2).says("ring.toml` was changed since");
    as_runtime(&older, "14.3", &["lock"]).exits(0).says("(serial 3)");
    let third = older.sh(&format!("cat {LOCK}"));
    assert_eq!(sections(&third), after, "only the profile's digest is another");
    newer.write(LOCK, &third);
    as_runtime(&newer, "15.4", &["run", "--locked"]).exits(0).says("nothing to do");
}
