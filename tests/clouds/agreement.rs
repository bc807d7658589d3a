//! The table of sources and official writers: `scripts/agreement` prints it.

/// A row: a secret as an official client wrote it, and whether nodeagent reads the same bytes.
#[expect(clippy::print_stdout, reason = "the table is for people")]
pub(crate) fn row(source: &str, case: &str, bytes: usize, verdict: &str) {
    println!("| {source} | {case} | {bytes} | {verdict} |");
}
