//! The output of the process, and the observers of a run: the live or the plain view, the collector, the event log.

use std::io::IsTerminal as _;

use super::{
    Collector, EventLog, Palette, Plain, RunFolder, Stderr, Terminal, Verbosity,
    event::{Events, Observer},
    table::DEFAULT_WIDTH,
    trace::print_programs_and_requests,
};
use crate::fs::FsError;

/// The standard error of the process: its stream, how much is printed, and its width.
#[derive(Debug, Clone)]
pub struct Console {
    /// How much is printed.
    pub verbosity: Verbosity,
    /// The stream.
    pub stderr: Stderr,
    /// The width of tables and pages in columns.
    pub width: usize,
}

impl Console {
    /// Configured by the standard error and the environment of the process.
    pub fn of_process(verbosity: Verbosity) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let mut palette = Palette::choose(std::io::stderr().is_terminal(), variable);
        if verbosity == Verbosity::Traced {
            // Traced lines would appear inside the lines that the live view redraws.
            palette.live = false;
            print_programs_and_requests(Stderr::new(palette));
        }
        Self { verbosity, stderr: Stderr::new(palette), width: width(variable("COLUMNS").as_deref()) }
    }

    /// Whether standard error is coloured.
    pub fn colour(&self) -> bool {
        self.stderr.palette().colour
    }

    /// The view of a run: live on a terminal, plain everywhere else.
    pub fn view(&self) -> Box<dyn Observer> {
        // A quiet run prints no lines to redraw.
        if self.stderr.palette().live && self.verbosity != Verbosity::Quiet {
            Box::new(Terminal::new(self.stderr.palette(), self.verbosity))
        } else {
            Box::new(Plain::new(self.stderr.clone(), self.verbosity))
        }
    }
}

/// The number of columns in `COLUMNS`, or [`DEFAULT_WIDTH`].
fn width(columns: Option<&str>) -> usize {
    columns.and_then(|columns| columns.trim().parse().ok()).filter(|columns| *columns > 0).unwrap_or(DEFAULT_WIDTH)
}

/// Creates the events of a run with their observers: the event log of the folder, a collector, and the view. The error
/// is the reason why there is no event log; the run can continue without it.
pub fn observers(console: &Console, folder: Option<&RunFolder>) -> (Events, Collector, Option<FsError>) {
    let collector = Collector::default();
    let mut observers: Vec<Box<dyn Observer>> = vec![Box::new(collector.clone()), console.view()];
    let mut log_error = None;
    match folder.map(|folder| EventLog::open(&folder.events())) {
        // The log comes first: every line of the view is on the disk before it is visible.
        Some(Ok(log)) => observers.insert(0, Box::new(log)),
        Some(Err(error)) => log_error = Some(error),
        None => {}
    }
    (Events::new(observers), collector, log_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{RunFolders, event::Outcome, sample};

    #[test]
    fn an_invalid_width_is_ignored() {
        assert_eq!(
            [Some("80"), Some("x"), Some("0"), None].map(width),
            [80, DEFAULT_WIDTH, DEFAULT_WIDTH, DEFAULT_WIDTH]
        );
    }

    #[test]
    fn every_event_is_printed_collected_and_logged() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let folder = RunFolders::of_node(temp.path()).create("20261121T120304Z-4711").expect("created");
        let (stderr, kept) = Stderr::kept(Palette::PLAIN);
        let console = Console { verbosity: Verbosity::Normal, stderr, width: DEFAULT_WIDTH };
        let (events, collector, log_error) = observers(&console, Some(&folder));
        assert!(log_error.is_none());
        for event in sample::events() {
            events.send(event.kind);
        }
        assert_eq!(collector.report().outcome, Outcome::Failed);
        assert!(kept.lock().expect("unused").contains("plan: 4 steps"));
        assert_eq!(folder.read_report().expect("built from events").outcome, Outcome::Failed);
    }
}
