//! `events.jsonl`: every event of a run except progress, one a line.

use std::path::Path;

use super::event::{Event, EventKind, Observer};
use crate::fs::{FsError, LineLog};

/// Writes events to a file. A failed write does not stop the run. The report is written to the same disk, and its error
/// is reported.
#[derive(Debug)]
pub struct EventLog(LineLog);

impl EventLog {
    /// Opens the file. Creates it and the folders above it if necessary.
    pub fn open(path: &Path) -> Result<Self, FsError> {
        LineLog::open(path).map(Self)
    }
}

impl Observer for EventLog {
    fn observe(&mut self, event: &Event) {
        if let EventKind::StepProgress { .. } = event.kind {
            return;
        }
        if let Ok(line) = serde_json::to_string(event) {
            let _ = self.0.line(&line);
        }
        if let EventKind::RunFinished { .. } = event.kind {
            let _ = self.0.sync();
        }
    }
}

/// Parses the events of a log. Incomplete lines and lines of a later version are skipped.
pub(super) fn parse(text: &str) -> Vec<Event> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_event_except_progress_is_logged_and_can_be_parsed() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("run/events.jsonl");
        let mut log = EventLog::open(&path).expect("it can be opened");
        for event in sample::events() {
            log.observe(&event);
        }
        let text = std::fs::read_to_string(&path).expect("it is there");
        let kept: Vec<Event> = sample::events()
            .into_iter()
            .filter(|event| !matches!(event.kind, EventKind::StepProgress { .. }))
            .collect();
        assert_eq!(parse(&text), kept);
    }

    #[test]
    fn only_an_incomplete_line_is_skipped() {
        let line = r#"{"time":"2026-11-21T12:03:04Z","event":"warning","text":"x"}"#;
        assert_eq!(parse(&format!("{line}\n{}\n{line}", &line[..30])).len(), 2);
        assert_eq!(parse(r#"{"time":"2026-11-21T12:03:04Z","event":"of-the-future"}"#), []);
    }
}
