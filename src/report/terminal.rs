//! The live view of a run on a terminal: one line for each running step, redrawn in place, and one permanent line for
//! each step that ended.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use jiff::Timestamp;

use super::{
    Palette, Verbosity,
    event::{Amount, Event, EventKind, Observer, StepStatus, Unit},
    event_lines::{short, waiting, warning},
    model::seconds_between,
    table,
    text::{clean, duration},
};

const TICK_INTERVAL: Duration = Duration::from_millis(120);
const REDRAWS_PER_SECOND: u8 = 10;

/// Draws events.
#[derive(Debug)]
pub struct Terminal {
    palette: Palette,
    verbosity: Verbosity,
    bars: MultiProgress,
    steps: BTreeMap<String, Step>,
    /// A wait of the run before its steps start.
    run_waits: Option<ProgressBar>,
    /// The length of the longest step id, for alignment.
    id_width: usize,
}

#[derive(Debug, Default)]
struct Step {
    title: String,
    started: Option<Timestamp>,
    line: Option<Line>,
}

/// The line of a running step.
#[derive(Debug)]
struct Line {
    bar: ProgressBar,
    shape: Shape,
}

/// The form of a line besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Words,
    Bytes,
    Pieces,
}

impl Terminal {
    /// Creates a view on standard error.
    pub fn new(palette: Palette, verbosity: Verbosity) -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND), palette, verbosity)
    }

    fn on(target: ProgressDrawTarget, palette: Palette, verbosity: Verbosity) -> Self {
        Self {
            palette,
            verbosity,
            bars: MultiProgress::with_draw_target(target),
            steps: BTreeMap::new(),
            run_waits: None,
            id_width: 0,
        }
    }

    /// Prints a permanent line above the running steps.
    fn print_permanent(&self, line: &str) {
        // If standard error is closed, the error cannot be reported.
        let _ = self.bars.println(self.palette.highlight(line));
    }

    fn spinner(&self, prefix: String) -> Line {
        let bar = ProgressBar::no_length().with_style(self.style(Shape::Words)).with_prefix(prefix);
        let bar = self.bars.add(bar);
        bar.enable_steady_tick(TICK_INTERVAL);
        Line { bar, shape: Shape::Words }
    }

    fn style(&self, shape: Shape) -> ProgressStyle {
        let template = match shape {
            Shape::Words => "{spinner} {prefix}  {wide_msg} {took}",
            Shape::Bytes => "{spinner} {prefix}  {wide_msg} [{bar:20}] {decimal_bytes} of {decimal_total_bytes} {took}",
            Shape::Pieces => "{spinner} {prefix}  {wide_msg} [{bar:20}] {pos} of {len} {took}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        let style = style.with_key("took", |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{:>12}", duration(state.elapsed().as_secs_f64()));
        });
        if self.palette.unicode {
            style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ").progress_chars("━━ ")
        } else {
            style.tick_chars("|/-\\ ").progress_chars("#> ")
        }
    }

    /// The line of a step. A download can run before its step has started.
    fn line(&mut self, id: &str) -> &mut Line {
        let line = match self.steps.get_mut(id).and_then(|step| step.line.take()) {
            Some(line) => line,
            None => self.spinner(format!("{:width$}", clean(id), width = self.id_width)),
        };
        self.steps.entry(id.to_owned()).or_default().line.insert(line)
    }

    /// The same with another form.
    fn shaped_line(&mut self, id: &str, shape: Shape) -> &mut Line {
        let style = self.style(shape);
        let line = self.line(id);
        if line.shape != shape {
            line.bar.set_style(style);
            line.shape = shape;
        }
        line
    }

    fn progress(&mut self, id: &str, text: &str, amount: Option<Amount>) {
        let shape = match amount {
            Some(Amount { total: 1.., unit: Unit::Bytes, .. }) => Shape::Bytes,
            Some(Amount { total: 1.., unit: Unit::Pieces, .. }) => Shape::Pieces,
            _ => Shape::Words,
        };
        let line = self.shaped_line(id, shape);
        if let Some(amount) = amount {
            line.bar.set_length(amount.total);
            line.bar.set_position(amount.done);
        }
        line.bar.set_message(short(text));
    }

    fn wait(&mut self, step: Option<&str>, words: String) {
        let bar = if let Some(step) = step {
            self.shaped_line(step, Shape::Words).bar.clone()
        } else {
            let bar = self.run_waits.take().unwrap_or_else(|| self.spinner("run".into()).bar);
            self.run_waits.insert(bar).clone()
        };
        bar.set_message(words);
    }

    fn finish(&mut self, time: Timestamp, id: &str, status: StepStatus) {
        let step = self.steps.entry(id.to_owned()).or_default();
        if let Some(line) = step.line.take() {
            line.bar.finish_and_clear();
            self.bars.remove(&line.bar);
        }
        let took =
            step.started.map_or_else(String::new, |started| format!("  {}", duration(seconds_between(started, time))));
        let mark = match status {
            StepStatus::Done => self.palette.tick(),
            StepStatus::Failed => self.palette.cross(),
            _ => self.palette.dash().to_owned(),
        };
        let word = match status {
            StepStatus::Done | StepStatus::Failed => String::new(),
            other => format!("  {}", table::status(other)),
        };
        let title = short(&step.title);
        self.print_permanent(&format!("{mark} {:width$}  {title}{word}{took}", clean(id), width = self.id_width));
    }

    fn clear(&mut self) {
        for step in self.steps.values_mut() {
            if let Some(line) = step.line.take() {
                line.bar.finish_and_clear();
            }
        }
        if let Some(bar) = self.run_waits.take() {
            bar.finish_and_clear();
        }
        let _ = self.bars.clear();
    }
}

impl Observer for Terminal {
    fn observe(&mut self, event: &Event) {
        let time = event.time;
        match &event.kind {
            EventKind::PlanMade { steps, .. } => {
                self.clear();
                self.id_width = steps.iter().map(|step| clean(&step.id).chars().count()).max().unwrap_or(0);
                for step in steps {
                    self.steps.insert(step.id.clone(), Step { title: step.title.clone(), ..Step::default() });
                }
            }
            EventKind::Waiting { step, lock, holder } => self.wait(step.as_deref(), waiting(lock, holder)),
            EventKind::StepStarted { step } => {
                let title = short(&self.steps.entry(step.clone()).or_default().title);
                let line = self.shaped_line(step, Shape::Words);
                line.bar.reset_elapsed();
                line.bar.set_message(title);
                self.steps.entry(step.clone()).or_default().started.get_or_insert(time);
            }
            EventKind::StepProgress { step, text, amount } => self.progress(step, text, *amount),
            EventKind::TaskFinished { step, task, started, succeeded } => {
                if self.verbosity >= Verbosity::Verbose || !succeeded {
                    let mark = if *succeeded { self.palette.tick() } else { self.palette.cross() };
                    let took = duration(seconds_between(*started, time));
                    let id = format!("{:width$}", clean(step), width = self.id_width);
                    self.print_permanent(&format!("  {mark} {id}  {}  {took}", short(task)));
                }
            }
            EventKind::StepFinished { step, status, .. } => self.finish(time, step, *status),
            EventKind::Warning { text } => self.print_permanent(&warning(text)),
            EventKind::RunFinished { .. } => self.clear(),
            EventKind::RunStarted { .. } | EventKind::StoreUsed { .. } => {}
        }
    }
}

/// If a run ends by an error or a panic, no partial lines remain.
impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use indicatif::TermLike;

    use super::*;
    use crate::report::sample;

    /// A terminal that keeps everything that is written to it.
    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<String>>);

    impl TermLike for Kept {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().expect("unused").push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\n")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn drawn(palette: Palette, verbosity: Verbosity, events: &[Event]) -> String {
        let kept = Kept::default();
        let mut terminal = Terminal::on(ProgressDrawTarget::term_like(Box::new(kept.clone())), palette, verbosity);
        for event in events {
            terminal.observe(event);
        }
        drop(terminal);
        Arc::try_unwrap(kept.0)
            .map_or_else(|shared| shared.lock().expect("unused").clone(), |kept| kept.into_inner().expect("unused"))
    }

    #[test]
    fn a_step_that_ended_has_a_permanent_line() {
        let palette = Palette { unicode: true, ..Palette::PLAIN };
        let text = drawn(palette, Verbosity::Normal, &sample::events());
        assert!(text.contains("✗ apt    install git, libfoo-dev  8.0 s"), "{text}");
        assert!(text.contains("✓ shell  write .vimrc  1.0 s"), "{text}");
        assert!(text.contains("— r      install plumber  skipped"), "{text}");
        assert!(text.contains("warning: the disk is nearly full"), "{text}");
        assert!(!text.contains("download spacy"), "{text}");
    }

    #[test]
    fn a_terminal_without_unicode_gets_ascii() {
        let text = drawn(Palette::PLAIN, Verbosity::Verbose, &sample::events());
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("ok shell  write .vimrc  1.0 s"), "{text}");
        assert!(text.contains("ok pip    download spacy  4.0 s"), "{text}");
    }

    #[test]
    fn a_running_step_shows_its_progress() {
        let text = drawn(Palette::PLAIN, Verbosity::Normal, &sample::events()[..7]);
        assert!(text.contains("waits for /var/lib/dpkg/lock-frontend, held by unattended-upgr (pid 812)"), "{text}");
        assert!(text.contains("3.00 MB of 12.00 MB"), "{text}");
    }
}
