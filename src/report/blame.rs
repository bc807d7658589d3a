//! The time that a run took: the slowest steps, the longest chain of dependencies, and which steps overlapped.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Report, StepReport,
    model::seconds_between,
    table::{MIN_WIDTH, laid_out, plain_table, word},
    text::{clean, counted, cut, duration, lines},
};

/// The number of parts of steps that are listed and drawn.
const MAX_TASKS: usize = 10;
const BAR_WIDTH: usize = 20;
const NAME_WIDTH: usize = 28;

/// Renders the timing of a run.
pub fn render_blame(report: &Report, width: usize) -> String {
    let width = width.max(MIN_WIDTH);
    let spans = spans(report);
    let title = format!("run {}: {} in {}", clean(&report.run), word(report.outcome), duration(report.seconds));
    if spans.is_empty() {
        return lines([title.as_str(), "no step was started"]);
    }
    lines([
        title.as_str(),
        &overlap(report, &spans),
        "",
        "slowest first",
        slowest(report, &spans, width).trim_end(),
        "",
        &chain(report),
        "",
        timeline(report, &spans, width).trim_end(),
    ])
}

fn chain(report: &Report) -> String {
    let (steps, seconds) = longest_chain(report);
    let steps = steps.iter().map(|step| format!("{} ({})", clean(&step.id), duration(step.seconds)));
    let steps = steps.collect::<Vec<_>>().join(" -> ");
    format!(
        "longest chain of dependencies: {}, {} of the run\n  {steps}",
        duration(seconds),
        share(seconds, report.seconds)
    )
}

/// The chain of dependent steps that took longest, and its time in seconds. No run with these dependencies can be
/// faster.
pub fn longest_chain(report: &Report) -> (Vec<&StepReport>, f64) {
    let mut known = BTreeMap::new();
    let mut best: Option<(&StepReport, f64)> = None;
    for step in report.steps.iter().filter(|step| step.started.is_some()) {
        let seconds = chain_to(report, step, &mut known);
        if best.is_none_or(|(_, most)| seconds > most) {
            best = Some((step, seconds));
        }
    }
    let Some((last, seconds)) = best else { return (Vec::new(), 0.0) };
    let mut chain = vec![last];
    let before = |step: &StepReport| known.get(step.id.as_str()).and_then(|(_, before)| *before);
    while let Some(step) = chain.last().and_then(|step| before(step)).filter(|step| !chain.contains(step)) {
        chain.push(step);
    }
    chain.reverse();
    (chain, seconds)
}

/// By step: the seconds of the longest chain that ends with it, and the previous step of that chain.
type Chains<'a> = BTreeMap<&'a str, (f64, Option<&'a StepReport>)>;

fn chain_to<'a>(report: &'a Report, step: &'a StepReport, known: &mut Chains<'a>) -> f64 {
    if let Some((seconds, _)) = known.get(step.id.as_str()) {
        return *seconds;
    }
    // A preliminary value, so that a report with cyclic dependencies terminates, too.
    known.insert(&step.id, (step.seconds, None));
    let mut longest: (f64, Option<&StepReport>) = (0.0, None);
    for need in step.needs.iter().filter_map(|need| report.step(need)).filter(|need| need.id != step.id) {
        let seconds = chain_to(report, need, known);
        if seconds > longest.0 {
            longest = (seconds, Some(need));
        }
    }
    let seconds = longest.0 + step.seconds;
    known.insert(&step.id, (seconds, longest.1));
    seconds
}

/// A period of work: a step, or a part of one.
struct Span {
    name: String,
    is_step: bool,
    from: f64,
    to: f64,
}

impl Span {
    fn seconds(&self) -> f64 {
        self.to - self.from
    }
}

/// The steps in plan order, then the longest parts of steps in order of their start.
fn spans(report: &Report) -> Vec<Span> {
    let since = |time: Timestamp| seconds_between(report.started, time).min(report.seconds);
    let span = |name: String, is_step, started, seconds: f64| {
        let from = since(started);
        Span { name, is_step, from, to: (from + seconds.max(0.0)).min(report.seconds.max(from)) }
    };
    let steps = report.steps.iter().filter_map(|step| Some(span(clean(&step.id), true, step.started?, step.seconds)));
    let mut tasks: Vec<Span> = report
        .tasks
        .iter()
        .map(|task| span(format!("{}: {}", clean(&task.step), clean(&task.task)), false, task.started, task.seconds))
        .collect();
    tasks.sort_by(|a, b| b.seconds().total_cmp(&a.seconds()));
    tasks.truncate(MAX_TASKS);
    tasks.sort_by(|a, b| a.from.total_cmp(&b.from));
    steps.chain(tasks).collect()
}

fn slowest(report: &Report, spans: &[Span], width: usize) -> String {
    let mut sorted: Vec<&Span> = spans.iter().collect();
    sorted.sort_by(|a, b| b.seconds().total_cmp(&a.seconds()));
    let longest = sorted.first().map_or(0.0, |span| span.seconds());
    let mut table = plain_table(width);
    for span in sorted {
        let name = if span.is_step { format!("  {}", span.name) } else { format!("    {}", span.name) };
        let bar = "#".repeat(columns(span.seconds(), longest, BAR_WIDTH).max(1));
        table.add_row([cut_right(&name), duration(span.seconds()), share(span.seconds(), report.seconds), bar]);
    }
    laid_out(table, &[1, 2])
}

/// How many steps ran at the same time.
fn overlap(report: &Report, spans: &[Span]) -> String {
    let steps = spans.iter().filter(|span| span.is_step).count();
    let work: f64 = spans.iter().filter(|span| span.is_step).map(Span::seconds).sum();
    let busy = covered(report, spans);
    let at_once = if busy > 0.0 { work / busy } else { 1.0 };
    format!(
        "{} with {} of work: {at_once:.1} at a time; {} without any",
        counted(steps, "step"),
        duration(work),
        duration(report.seconds - busy)
    )
}

/// The seconds during which at least one step or part of a step was running.
fn covered(report: &Report, listed: &[Span]) -> f64 {
    let task = |task: &super::TaskReport| {
        let from = seconds_between(report.started, task.started);
        (from, (from + task.seconds).min(report.seconds))
    };
    let mut stretches: Vec<(f64, f64)> =
        listed.iter().map(|span| (span.from, span.to)).chain(report.tasks.iter().map(task)).collect();
    stretches.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sum = 0.0;
    let mut reached = 0.0_f64;
    for (from, to) in stretches {
        sum += (to - from.max(reached)).max(0.0);
        reached = reached.max(to);
    }
    sum
}

fn timeline(report: &Report, spans: &[Span], width: usize) -> String {
    let names = spans.iter().map(|span| cut_right(&span.name).chars().count()).max().unwrap_or(0);
    let room = width.saturating_sub(names + 6).max(10);
    let column = duration(report.seconds / f64::from(u32::try_from(room).unwrap_or(u32::MAX)));
    let title = format!("timeline (steps #, their parts =; a column is {column})");
    let rows = spans.iter().map(|span| {
        let from = columns(span.from, report.seconds, room).min(room - 1);
        let length = columns(span.seconds(), report.seconds, room).clamp(1, room - from);
        let bar = " ".repeat(from) + &if span.is_step { "#" } else { "=" }.repeat(length);
        format!("  {:names$}  |{bar:room$}|", cut_right(&span.name))
    });
    lines(std::iter::once(title).chain(rows))
}

fn cut_right(name: &str) -> String {
    // The leading blanks show which step a part belongs to.
    let indent = name.len() - name.trim_start().len();
    format!("{}{}", " ".repeat(indent), cut(name.trim_start(), NAME_WIDTH))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates, and NaN becomes 0")]
fn columns(part: f64, whole: f64, columns: usize) -> usize {
    let columns = f64::from(u32::try_from(columns).unwrap_or(u32::MAX));
    if whole > 0.0 { (part / whole * columns).round() as usize } else { 0 }
}

fn share(part: f64, whole: f64) -> String {
    format!("{} %", columns(part, whole, 100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{event::StepStatus, sample};

    #[test]
    fn steps_are_listed_from_slowest_to_fastest() {
        insta::assert_snapshot!(render_blame(&sample::done(), 80), @r#"
        run 20261121T120304Z-4711: done in 40.0 s
        4 steps with 49.0 s of work: 1.3 at a time; 2.0 s without any

        slowest first
          r                   29.0 s  73 %  ####################
            r: build stringi  20.0 s  50 %  ##############
          pip                 12.0 s  30 %  ########
          apt                  8.0 s  20 %  ######
            r: build plumber   8.0 s  20 %  ######
            r: build httpuv    6.0 s  15 %  ####
          shell                 0 ms   0 %  #

        longest chain of dependencies: 37.0 s, 93 % of the run
          apt (8.0 s) -> r (29.0 s)

        timeline (steps #, their parts =; a column is 690 ms)
          apt               |############                                              |
          pip               |#################                                         |
          r                 |             ##########################################   |
          shell             |                                                       #  |
          r: build stringi  |             =============================                |
          r: build httpuv   |             =========                                    |
          r: build plumber  |                                            ============  |
        "#);
    }

    #[test]
    fn the_longest_chain_follows_needs_and_time() {
        let report = sample::done();
        let (chain, seconds) = longest_chain(&report);
        assert_eq!(chain.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["apt", "r"]);
        assert!((seconds - 37.0).abs() < 0.001);
    }

    #[test]
    fn cyclic_dependencies_terminate() {
        let mut report = sample::done();
        report.steps[0].needs = vec!["r".into(), "apt".into(), "unknown".into()];
        assert!(longest_chain(&report).0.len() <= report.steps.len());
        render_blame(&report, 80);
    }

    #[test]
    fn every_line_fits_the_width_also_for_invalid_reports() {
        let mut report = sample::done();
        report.tasks[0].task = "build a package with a very long name ".repeat(5);
        report.tasks[1].seconds = 1e12;
        report.tasks[2].started = sample::at(-5000);
        for width in [0, 40, 80, 200] {
            for line in render_blame(&report, width).lines().skip_while(|line| !line.starts_with("what ran")).skip(1) {
                assert!(line.chars().count() <= width.max(50), "{line}");
            }
        }
        for seconds in [0.0, f64::NAN, -1.0] {
            report.seconds = seconds;
            render_blame(&report, 80);
        }
    }

    #[test]
    fn a_run_without_steps_has_no_timing() {
        let mut report = sample::done();
        report.steps.clear();
        report.tasks.clear();
        assert_eq!(render_blame(&report, 80), "run 20261121T120304Z-4711: done in 40.0 s\nno step was started\n");
        assert_eq!(report.count(StepStatus::Done), 0);
    }
}
