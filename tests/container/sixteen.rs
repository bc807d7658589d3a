//! A cluster start: sixteen nodes at the same moment, with a lock and an empty shared store.

use std::collections::BTreeMap;

use crate::{
    shared::Shared,
    support::{CommandOutput, LIBRARY, Node, PROFILE, R, SITE, assert_same, host},
};

const LOCK: &str = "/profiles/ring.lock";
const NODES: usize = 16;

/// A little of each ecosystem; two R packages are compiled, and a third one is built.
fn profile() -> String {
    format!(
        "[apt]\npackages = [\"jq\"]\n[pip]\npackages = [\"humanize\", \"joblib\"]\n{R}packages = [\"tinyc\", \"yaml\"]\n"
    )
}

/// The bytes that the last run of a node did not get from the store.
fn from_origin(node: &Node) -> u64 {
    let report = node.sh("cat $(ls -d /var/log/nodeagent/*/ | tail -n 1)/report.json");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    report
        .pointer("/store/origin/bytes")
        .and_then(serde_json::Value::as_u64)
        .expect("the report has the bytes from the origin")
}

/// The number of times that each task was done on all nodes together.
fn tasks(nodes: &[Node]) -> BTreeMap<String, usize> {
    let mut task_counts = BTreeMap::new();
    for node in nodes {
        let events = node.sh("cat /var/log/nodeagent/*/events.jsonl");
        for task in events.lines().filter_map(|line| line.split_once("\"task\":\"")?.1.split('"').next()) {
            *task_counts.entry(task.to_owned()).or_default() += 1;
        }
    }
    task_counts
}

/// The installed files with names, modes and links, and their digests. Without the digests of `.pyc` files, which
/// contain the time of their module.
fn installed(node: &Node) -> String {
    node.sh(&format!(
        "dpkg-query -W; cd / && find .{SITE}/humanize* .{SITE}/joblib* .{LIBRARY} -printf '%P %y %m %u:%g %l\\n' | sort
         find .{SITE}/humanize* .{SITE}/joblib* .{LIBRARY} -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum"
    ))
}

#[test]
#[expect(clippy::print_stderr, reason = "the figures show how close to the limit the test is")]
fn sixteen_nodes_fetch_little_more_than_one_and_build_each_package_once() {
    let Some(shared) = Shared::new("sixteen") else { return };
    let first = shared.fresh("sixteen-lock", &[]).expect("nodes are not skipped");
    first.profile(&profile());
    first.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    let lock = first.sh(&format!("mkdir /shared/one /shared/all && cat {LOCK}"));
    let alone = shared.fresh("sixteen-alone", &[]).expect("nodes are not skipped");
    let ready = |node: &Node| {
        node.profile(&profile());
        node.write(LOCK, &lock);
    };
    ready(&alone);
    alone.run(&["--locked", "--store", "/shared/one"]).exits(0);
    let of_one = from_origin(&alone);
    assert!(of_one > 15_000_000, "uv, wheels, debs and R archives: {of_one}");

    let fresh = &|index: usize| shared.fresh(&format!("sixteen-{index}"), &[]).expect("nodes are not skipped");
    let nodes: Vec<Node> = std::thread::scope(|scope| {
        let starting: Vec<_> = (1..=NODES).map(|index| scope.spawn(move || fresh(index))).collect();
        starting.into_iter().map(|node| node.join().expect("a node")).collect()
    });
    nodes.iter().for_each(ready);
    let began = std::time::Instant::now();
    let running: Vec<_> = nodes.iter().map(|node| node.begin_run(&["--locked", "--store", "/shared/all"])).collect();
    for child in running {
        CommandOutput::wait(child, "nodeagent run").exits(0);
    }
    let (took, task_counts) = (began.elapsed().as_secs_f64(), tasks(&nodes));
    let count = |task: &str| task_counts.get(task).copied().unwrap_or_default();
    for package in ["tinyc", "tinypure", "yaml"] {
        let (built, taken) = (count(&format!("build {package}")), count(&format!("unpack {package} from the store")));
        assert_eq!((built, taken), (1, NODES - 1), "{package}: {task_counts:?}");
    }
    let code = CommandOutput::of(
        host("find").arg(shared.path().join("all/v1/entries/byte-code")).args(["-type", "f"]),
        "find",
    );
    // The runtime ships joblib.
    assert_eq!(code.stdout.lines().count(), 1, "a name for the wheel of the lock");
    let of_all: u64 = nodes.iter().map(from_origin).sum();
    eprintln!("{NODES} nodes had {of_all} bytes from origins, one alone {of_one}; ready after {took:.1} s");
    assert!(of_all * 10 <= of_one * 11, "{of_all} of {of_one} bytes");
    // All nodes have the one build of each package.
    let wanted = installed(&nodes[0]);
    for node in &nodes[1..] {
        assert_same(&wanted, &installed(node), "the nodes are equal");
    }
}
