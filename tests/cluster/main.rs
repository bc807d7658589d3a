//! A whole cluster at once: nodes that start together and share a store, and an origin that counts what they ask it for.

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line")]
mod support;

#[expect(dead_code, reason = "shared with the table of a cluster")]
mod nodes;
mod origin;

use std::{thread::sleep, time::Duration};

use nodes::{Cluster, Took, like_a_profile};
use origin::Pace;

/// A mirror that is some way off.
const MIRROR: Pace = Pace { latency: Duration::from_millis(20), connection: 4 << 20, line: 16 << 20 };

/// The nodes that start together.
const NODES: usize = 16;

#[test]
fn sixteen_nodes_ask_an_origin_for_little_more_than_one() {
    let packages = like_a_profile(40, 3_000_000);
    let whole: u64 = packages.iter().map(|(_, size)| *size as u64).sum();
    let cluster = Cluster::new(NODES + 1, &packages, MIRROR);
    let took = cluster.run(0..NODES);
    let (asked, again) = (cluster.origin.asked(), cluster.origin.asked_again());
    assert!(asked.bytes * 10 <= whole * 11, "{asked:?} for {whole} bytes, again: {again:?}");
    assert_eq!(took.shared + took.origin, whole * NODES as u64, "each node has all: {took:?}");
    assert_eq!(took.origin, asked.bytes, "and the report says what the origin says");
    // Whoever comes later asks it for nothing.
    assert_eq!(cluster.run(NODES..NODES + 1), Took { shared: whole, ..Took::default() });
    assert_eq!(cluster.origin.asked(), asked);
    // Nobody is left who is waited for.
    let leases = cluster.shared().join("v1/leases");
    assert_eq!(support::entries(&leases), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_node_that_is_killed_in_the_middle_is_replaced_by_one_other() {
    const LARGE: usize = 16 << 20;
    let cluster = Cluster::new(NODES, &[("large".to_owned(), LARGE)], MIRROR);
    let mut first = cluster.start(0);
    let asked = || cluster.origin.asked();
    while asked().bytes < LARGE as u64 / 8 {
        assert!(first.try_wait().expect("it is our child").is_none(), "it ended by itself");
        sleep(Duration::from_millis(5));
    }
    let others: Vec<_> = (1..NODES).map(|node| (node, cluster.start(node))).collect();
    while asked().bytes < LARGE as u64 / 2 {
        sleep(Duration::from_millis(5));
    }
    first.kill().expect("it is our child");
    first.wait().expect("it is our child");
    assert_eq!(asked().requests, 1, "the others wait for it");
    let took: Vec<Took> = others.into_iter().map(|(node, child)| cluster.ready(node, child)).collect();
    assert_eq!(asked().requests, 2, "the killed one, and who took over");
    assert!(asked().bytes < 2 * LARGE as u64, "{:?}", asked());
    assert_eq!(took.iter().filter(|took| took.origin > 0).count(), 1, "{took:?}");
    // The killed one goes on where the others are.
    let again = cluster.start(0);
    assert_eq!(cluster.ready(0, again), Took { shared: LARGE as u64, ..Took::default() });
}

#[test]
fn a_place_that_fails_costs_no_wait() {
    let packages = [("small".to_owned(), 200_000), ("large".to_owned(), 2_000_000)];
    let cluster = Cluster::new(2, &packages, MIRROR).sharing("/nonexistent/store", &[]);
    for mut child in [cluster.start(0), cluster.start(1)] {
        assert!(child.wait().expect("it is our child").success());
    }
    assert_eq!(cluster.origin.asked().requests, 4, "each went to the origin");
}
