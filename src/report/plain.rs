//! The view of a run when lines cannot be redrawn, as in a cluster's log, a pipe or CI: complete lines with the time
//! (UTC).

use std::collections::BTreeMap;

use indicatif::DecimalBytes;
use jiff::Timestamp;

use super::{
    Stderr, Verbosity,
    event::{Amount, Event, EventKind, Observer, StepStatus, Unit},
    event_lines::{short, waiting, warning},
    model::seconds_between,
    table,
    text::{clean, counted, duration},
};

/// The minimum time between two progress lines of one step, in seconds.
const PROGRESS_INTERVAL: f64 = 10.0;

/// Prints events as lines.
#[derive(Debug)]
pub struct Plain {
    stderr: Stderr,
    verbosity: Verbosity,
    run_started: Timestamp,
    steps: BTreeMap<String, Step>,
    /// The current waits, so that each is printed once.
    waiting: BTreeMap<Option<String>, String>,
}

#[derive(Debug, Default)]
struct Step {
    title: String,
    started: Option<Timestamp>,
    /// When its last line was printed.
    spoke: Option<Timestamp>,
}

impl Plain {
    /// Creates a view that prints to this stream.
    pub fn new(stderr: Stderr, verbosity: Verbosity) -> Self {
        Self { stderr, verbosity, run_started: Timestamp::UNIX_EPOCH, steps: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    fn print_line(&self, time: Timestamp, text: &str) {
        self.stderr.print(&format!("{} {text}", time.strftime("%H:%M:%S")));
    }

    fn step(&mut self, step: &str, time: Timestamp) -> &mut Step {
        let step = self.steps.entry(step.to_owned()).or_default();
        step.spoke = Some(time);
        step
    }

    fn progress(&mut self, time: Timestamp, id: &str, text: &str, amount: Option<Amount>) {
        let step = self.steps.entry(id.to_owned()).or_default();
        let since = *step.spoke.get_or_insert(time);
        if seconds_between(since, time) < PROGRESS_INTERVAL {
            return;
        }
        step.spoke = Some(time);
        self.print_line(time, &format!("{}: {}{}", clean(id), short(text), how_far(amount)));
    }

    fn print(&mut self, event: &Event) {
        let time = event.time;
        match &event.kind {
            EventKind::RunStarted { run, version, profile, .. } => {
                self.run_started = time;
                self.print_line(time, &format!("nodeagent {version}: profile {}, run {}", clean(profile), clean(run)));
            }
            EventKind::PlanMade { steps, ready, later } => {
                for step in steps {
                    self.steps.insert(step.id.clone(), Step { title: short(&step.title), ..Step::default() });
                }
                let later = match later.len() {
                    0 => String::new(),
                    entries => format!(", {entries} after the launch"),
                };
                let steps = counted(steps.len(), "step");
                self.print_line(time, &format!("plan: {steps}, {} already present{later}", ready.len()));
            }
            EventKind::Waiting { step, lock, holder } => {
                let words = waiting(lock, holder);
                if self.waiting.insert(step.clone(), words.clone()).as_ref() != Some(&words) {
                    self.print_line(time, &format!("{}: {words}", clean(step.as_deref().unwrap_or("run"))));
                }
            }
            EventKind::StepStarted { step: id } => {
                let dash = self.stderr.palette().dash();
                let step = self.step(id, time);
                step.started.get_or_insert(time);
                let title = step.title.clone();
                self.print_line(time, &format!("{}: started {dash} {title}", clean(id)));
            }
            EventKind::StepProgress { step, text, amount } => self.progress(time, step, text, *amount),
            EventKind::TaskFinished { step, task, started, succeeded } => {
                if self.verbosity >= Verbosity::Verbose || !succeeded {
                    let word = if *succeeded { "done" } else { "failed" };
                    let took = duration(seconds_between(*started, time));
                    self.print_line(time, &format!("{}: {} {word} in {took}", clean(step), short(task)));
                }
            }
            EventKind::StepFinished { step: id, status, failure } => {
                let took = self.step(id, time).started.map(|started| duration(seconds_between(started, time)));
                let word = table::status(*status);
                let took = match status {
                    StepStatus::Done => took.map_or_else(String::new, |took| format!(" in {took}")),
                    _ => took.map_or_else(String::new, |took| format!(" after {took}")),
                };
                let why = failure.as_ref().map_or_else(String::new, |failure| format!(": {}", short(&failure.message)));
                self.print_line(time, &format!("{}: {word}{took}{why}", clean(id)));
            }
            // The summary includes it.
            EventKind::StoreUsed { .. } => {}
            EventKind::Warning { text } => self.print_line(time, &warning(text)),
            EventKind::RunFinished { outcome, .. } => {
                let took = duration(seconds_between(self.run_started, time));
                self.print_line(time, &format!("run: {} after {took}", table::word(*outcome)));
            }
        }
    }
}

impl Observer for Plain {
    fn observe(&mut self, event: &Event) {
        // A quiet run prints failures once, at its end.
        let wanted = self.verbosity != Verbosity::Quiet || matches!(event.kind, EventKind::Warning { .. });
        if wanted {
            self.print(event);
        }
    }
}

fn how_far(amount: Option<Amount>) -> String {
    match amount {
        None => String::new(),
        Some(Amount { done, total: 0, unit: Unit::Bytes }) => format!(" ({})", DecimalBytes(done)),
        Some(Amount { done, total, unit: Unit::Bytes }) => {
            format!(" ({} of {})", DecimalBytes(done), DecimalBytes(total))
        }
        Some(Amount { done, total: 0, unit: Unit::Pieces }) => format!(" ({done})"),
        Some(Amount { done, total, unit: Unit::Pieces }) => format!(" ({done} of {total})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Palette, sample};

    fn printed(verbosity: Verbosity, events: &[Event]) -> String {
        let (stderr, kept) = Stderr::kept(Palette::PLAIN);
        let mut plain = Plain::new(stderr, verbosity);
        for event in events {
            plain.observe(event);
        }
        kept.lock().expect("unused").clone()
    }

    #[test]
    fn a_run_is_printed_as_lines_with_the_time() {
        insta::assert_snapshot!(printed(Verbosity::Normal, &sample::events()), @r#"
        12:03:04 nodeagent 0.1.0: profile family, run 20261121T120304Z-4711
        12:03:04 plan: 4 steps, 1 already present
        12:03:04 apt: started - install git, libfoo-dev
        12:03:05 apt: waits for /var/lib/dpkg/lock-frontend, held by unattended-upgr (pid 812)
        12:03:06 pip: started - install nltk, spacy
        12:03:12 apt: failed after 8.0 s: `apt-get install -y --no-install-recommends -- git libfoo-dev` exited with 100
        12:03:12 r: skipped
        12:03:13 warning: the disk is nearly full
        12:03:21 shell: started - write .vimrc
        12:03:22 shell: done in 1.0 s
        12:03:24 pip: done in 18.0 s
        12:03:24 run: failed after 20.0 s
        "#);
    }

    #[test]
    fn verbose_prints_the_parts_of_steps() {
        assert!(
            printed(Verbosity::Verbose, &sample::events()).contains("12:03:11 pip: download spacy done in 4.0 s\n")
        );
    }

    #[test]
    fn quiet_prints_only_warnings() {
        assert_eq!(printed(Verbosity::Quiet, &sample::events()), "12:03:13 warning: the disk is nearly full\n");
    }

    #[test]
    fn progress_is_printed_every_ten_seconds_at_most() {
        let amount = |done| Some(Amount { done, total: 12_000_000, unit: Unit::Bytes });
        let events: Vec<Event> = (0..30)
            .map(|second: i64| {
                let done = u64::try_from(second).expect("positive") * 400_000;
                let kind =
                    EventKind::StepProgress { step: "pip".into(), text: "downloading".into(), amount: amount(done) };
                sample::event(second, kind)
            })
            .collect();
        assert_eq!(
            printed(Verbosity::Normal, &events),
            "12:03:14 pip: downloading (4.00 MB of 12.00 MB)\n12:03:24 pip: downloading (8.00 MB of 12.00 MB)\n"
        );
    }
}
