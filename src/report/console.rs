//! Chooses who hears of a run: the live or the plain view, the collector, the event log.

use std::io::IsTerminal as _;

use super::{
    Collector, EventLog, Palette, Plain, RunFolder, Stderr, Terminal,
    event::{Events, Observer},
    table::DEFAULT_WIDTH,
    trace::tell_programs_and_requests,
};
use crate::fs::FsError;

/// How much a run says on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Warnings; what failed is told at the end.
    Quiet,
    /// Steps too.
    #[default]
    Normal,
    /// The parts of steps too.
    Verbose,
    /// Programs and requests too, as they begin.
    Traced,
}

impl Verbosity {
    /// From the options `--quiet` and `-v`, which may be given more than once; `--quiet` wins.
    pub fn chosen(quiet: bool, verbose: u8) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, 0) => Self::Normal,
            (false, 1) => Self::Verbose,
            (false, 2..) => Self::Traced,
        }
    }
}

/// How the process talks: to whom, how much, how wide.
#[derive(Debug, Clone)]
pub struct Console {
    /// How much is said.
    pub verbosity: Verbosity,
    /// Where it is said.
    pub stderr: Stderr,
    /// Columns for tables and pages.
    pub width: usize,
}

impl Console {
    /// As the process's standard error and environment ask for.
    pub fn of_process(verbosity: Verbosity) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let mut palette = Palette::choose(std::io::stderr().is_terminal(), variable);
        if verbosity == Verbosity::Traced {
            // Lines that come from elsewhere would be drawn into those that are redrawn.
            palette.live = false;
            tell_programs_and_requests(Stderr::new(palette));
        }
        Self { verbosity, stderr: Stderr::new(palette), width: width(variable("COLUMNS").as_deref()) }
    }

    /// Whether colour is wanted on standard error.
    pub fn colour(&self) -> bool {
        self.stderr.palette().colour
    }

    /// The view of a run for this reader.
    pub fn view(&self) -> Box<dyn Observer> {
        // A quiet run has nothing to redraw.
        if self.stderr.palette().live && self.verbosity != Verbosity::Quiet {
            Box::new(Terminal::new(self.stderr.palette(), self.verbosity))
        } else {
            Box::new(Plain::new(self.stderr.clone(), self.verbosity))
        }
    }
}

/// The columns that `COLUMNS` names, or the usual ones.
fn width(columns: Option<&str>) -> usize {
    columns.and_then(|columns| columns.trim().parse().ok()).filter(|columns| *columns > 0).unwrap_or(DEFAULT_WIDTH)
}

/// The events of a run, told to its reader, to a collector and to the event log of its folder. The error says why there
/// is no event log; the run can go on without.
pub fn observers(console: &Console, folder: Option<&RunFolder>) -> (Events, Collector, Option<FsError>) {
    let collector = Collector::default();
    let mut observers: Vec<Box<dyn Observer>> = vec![Box::new(collector.clone()), console.view()];
    let mut trouble = None;
    match folder.map(|folder| EventLog::open(&folder.events())) {
        // First of all: what is seen is already kept.
        Some(Ok(log)) => observers.insert(0, Box::new(log)),
        Some(Err(error)) => trouble = Some(error),
        None => {}
    }
    (Events::new(observers), collector, trouble)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{RunFolders, event::Outcome, sample};

    #[test]
    fn quiet_wins_over_verbose() {
        assert_eq!(Verbosity::chosen(true, 3), Verbosity::Quiet);
        let more = [0, 1, 2, 3].map(|times| Verbosity::chosen(false, times));
        assert_eq!(more, [Verbosity::Normal, Verbosity::Verbose, Verbosity::Traced, Verbosity::Traced]);
    }

    #[test]
    fn a_width_that_is_no_number_is_not_taken() {
        assert_eq!(
            [Some("80"), Some("x"), Some("0"), None].map(width),
            [80, DEFAULT_WIDTH, DEFAULT_WIDTH, DEFAULT_WIDTH]
        );
    }

    #[test]
    fn every_event_is_seen_collected_and_kept() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let folder = RunFolders::of_node(temp.path()).create("20261121T120304Z-4711").expect("created");
        let (stderr, kept) = Stderr::kept(Palette::PLAIN);
        let console = Console { verbosity: Verbosity::Normal, stderr, width: DEFAULT_WIDTH };
        let (events, collector, trouble) = observers(&console, Some(&folder));
        assert!(trouble.is_none());
        for event in sample::events() {
            events.send(event.kind);
        }
        assert_eq!(collector.report().outcome, Outcome::Failed);
        assert!(kept.lock().expect("unused").contains("plan: 4 steps"));
        assert_eq!(folder.read_report().expect("told by events").outcome, Outcome::Failed);
    }
}
