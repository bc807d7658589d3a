//! A cluster: nodes that start together and share a store, and an origin that counts requests and bytes.

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line")]
mod support;

#[expect(dead_code, reason = "shared with the table of a cluster")]
mod nodes;
mod origin;

use std::{thread::sleep, time::Duration};

use nodes::{Cluster, Took, typical_packages};
use origin::Pace;

/// A remote mirror.
const MIRROR: Pace = Pace { latency: Duration::from_millis(20), connection: 4 << 20, line: 16 << 20 };

/// The number of nodes that start together.
const NODES: usize = 16;

#[test]
fn sixteen_nodes_ask_an_origin_for_little_more_than_one() {
    let packages = typical_packages(40, 3_000_000);
    let whole: u64 = packages.iter().map(|(_, size)| *size as u64).sum();
    let cluster = Cluster::new(NODES + 1, &packages, MIRROR);
    let took = cluster.run(0..NODES);
    let (requested, repeated) = (cluster.origin.requested(), cluster.origin.requested_again());
    assert!(requested.bytes * 10 <= whole * 11, "{requested:?} for {whole} bytes, again: {repeated:?}");
    assert_eq!(took.shared + took.origin, whole * NODES as u64, "each node has every package: {took:?}");
    assert_eq!(took.origin, requested.bytes, "the reports and the origin agree");
    // A later node fetches nothing from the origin.
    assert_eq!(cluster.run(NODES..NODES + 1), Took { shared: whole, ..Took::default() });
    assert_eq!(cluster.origin.requested(), requested);
    // No lease remains.
    let leases = cluster.shared().join("v1/leases");
    assert_eq!(support::entries(&leases), Vec::<std::path::PathBuf>::new());
}

#[test]
fn one_other_node_takes_over_the_download_of_a_killed_node() {
    const LARGE: usize = 16 << 20;
    let cluster = Cluster::new(NODES, &[("large".to_owned(), LARGE)], MIRROR);
    let mut first = cluster.start(0);
    let requested = || cluster.origin.requested();
    while requested().bytes < LARGE as u64 / 8 {
        assert!(first.try_wait().expect("it is our child").is_none(), "the node has ended");
        sleep(Duration::from_millis(5));
    }
    let others: Vec<_> = (1..NODES).map(|node| (node, cluster.start(node))).collect();
    while requested().bytes < LARGE as u64 / 2 {
        sleep(Duration::from_millis(5));
    }
    first.kill().expect("it is our child");
    first.wait().expect("it is our child");
    assert_eq!(requested().requests, 1, "the other nodes wait");
    let took: Vec<Took> = others.into_iter().map(|(node, child)| cluster.ready(node, child)).collect();
    assert_eq!(requested().requests, 2, "one of the killed node and one of the node that took over");
    assert!(requested().bytes < 2 * LARGE as u64, "{:?}", requested());
    assert_eq!(took.iter().filter(|took| took.origin > 0).count(), 1, "{took:?}");
    // The killed node gets the file from the store.
    let repeated = cluster.start(0);
    assert_eq!(cluster.ready(0, repeated), Took { shared: LARGE as u64, ..Took::default() });
}

#[test]
fn a_broken_shared_store_delays_no_node() {
    let packages = [("small".to_owned(), 200_000), ("large".to_owned(), 2_000_000)];
    let cluster = Cluster::new(2, &packages, MIRROR).sharing("/nonexistent/store", &[]);
    for mut child in [cluster.start(0), cluster.start(1)] {
        assert!(child.wait().expect("it is our child").success());
    }
    assert_eq!(cluster.origin.requested().requests, 4, "each node fetches from the origin");
}
