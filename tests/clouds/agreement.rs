//! The table of sources and official writers: `scripts/agreement` prints it.

/// A row of the table: a secret from an official client, and whether nodeagent reads the same bytes.
#[expect(clippy::print_stdout, reason = "the table is the output")]
pub(crate) fn row(source: &str, case: &str, bytes: usize, verdict: &str) {
    println!("| {source} | {case} | {bytes} | {verdict} |");
}
