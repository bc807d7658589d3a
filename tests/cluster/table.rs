//! Prints the table of docs/benchmarks-cluster.md: nodes that start together, with and without a shared store. With
//! `growth` it prints the table for more packages and nodes. `scripts/cluster` runs it with the binary to measure in
//! `NODEAGENT_BINARY`, and the numbers of nodes as arguments.

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line")]
mod support;

#[expect(dead_code, reason = "shared with the tests of a cluster")]
mod nodes;
#[expect(dead_code, reason = "shared with the tests of a cluster")]
mod origin;

use std::time::{Duration, Instant};

use nodes::{Cluster, typical_packages};
use origin::Pace;

/// A mirror behind a line of 400 Mbit/s for the whole cluster.
const MIRROR: Pace = Pace { latency: Duration::from_millis(40), connection: 8 << 20, line: 50 << 20 };

fn main() {
    // cargo adds this option.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words == ["growth"] {
        growth();
    } else {
        sharing(words.iter().map(|count| count.parse().expect("a number of nodes")));
    }
}

/// Measures more packages and more nodes: with an empty shared store, and then on fresh nodes with the full one.
#[expect(clippy::print_stdout, reason = "the table is the output")]
fn growth() {
    println!("| packages | MB | nodes | cold store, seconds | origin bytes, ratio to one node | warm store, seconds |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (number, most) in [(10, 3_000_000), (100, 6_000_000), (400, 6_000_000)] {
        let packages = typical_packages(number, most);
        let whole: u64 = packages.iter().map(|(_, size)| *size as u64).sum();
        for count in [1, 4, 16] {
            let cluster = Cluster::new(2 * count, &packages, MIRROR);
            let began = Instant::now();
            cluster.run(0..count);
            let (cold, requested, began) = (began.elapsed(), cluster.origin.requested(), Instant::now());
            cluster.run(count..2 * count);
            println!(
                "| {number} | {:.1} | {count} | {:.2} | {:.2} × | {:.2} |",
                megabytes(whole),
                cold.as_secs_f64(),
                megabytes(requested.bytes) / megabytes(whole),
                began.elapsed().as_secs_f64()
            );
        }
    }
}

#[expect(clippy::print_stdout, reason = "the table is the output")]
fn sharing(counts: impl Iterator<Item = usize>) {
    let packages = typical_packages(100, 6_000_000);
    let whole: u64 = packages.iter().map(|(_, size)| *size as u64).sum();
    println!("{} packages, {:.1} MB", packages.len(), megabytes(whole));
    println!(
        "| nodes | shared store | origin requests | origin MB | ratio to one node | MB from the shared store | wall seconds |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (count, is_shared) in counts.flat_map(|count| [(count, false), (count, true)]) {
        let cluster = Cluster::new(count, &packages, MIRROR);
        let cluster = if is_shared { cluster } else { cluster.alone() };
        let began = Instant::now();
        let took = cluster.run(0..count);
        let (wall, requested) = (began.elapsed(), cluster.origin.requested());
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let ratio = requested.bytes as f64 / whole as f64;
        println!(
            "| {count} | {} | {} | {:.1} | {ratio:.2} × | {:.1} | {:.1} |",
            if is_shared { "yes" } else { "no" },
            requested.requests,
            megabytes(requested.bytes),
            megabytes(took.shared),
            wall.as_secs_f64()
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
