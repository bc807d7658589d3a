//! The entry function of a fuzz target.

use super::{Report, log, longest_chain, render_blame, render_failure, render_show, render_summary, render_table};

/// The event log, and a report with its renderings.
pub(crate) fn events(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for event in log::parse(&text) {
        let written = serde_json::to_string(&event).expect("an event can be written");
        let again = log::parse(&written);
        assert_eq!(again.len(), 1, "a written event cannot be read: {written}");
    }
    if let Ok(report) = serde_json::from_slice::<Report>(data) {
        for width in [0, 80] {
            drop((render_blame(&report, width), render_show(&report, width), render_table(&report, width)));
        }
        drop((render_failure(&report, None), render_summary(&report, None)));
        longest_chain(&report);
    }
}
