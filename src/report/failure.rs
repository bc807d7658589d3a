//! The end of a run that did not succeed: at most ten lines on standard error, divided between the steps that failed.

use crate::problem::Problem;
use std::path::Path;

use super::{
    Report, StepReport,
    event::{Outcome, StepStatus},
    text::{self, counted, cut, duration},
};

/// The maximum number of lines.
pub const MAX_LINES: usize = 10;
/// The maximum length of a line in characters.
const MAX_LINE_CHARACTERS: usize = 200;
/// With more entries than this, each entry is one line that includes its cause.
const MAX_DETAILED_ENTRIES: usize = 4;

/// Renders the end of a run that did not succeed, in at most [`MAX_LINES`] lines. Empty if the run succeeded.
pub fn render_failure(report: &Report, report_path: Option<&Path>) -> String {
    if report.outcome == Outcome::Done {
        return String::new();
    }
    let mut after = vec![cut(&format!("state: {}", state(report)), MAX_LINE_CHARACTERS)];
    after.extend(report_path.map(|path| cut(&format!("report: {}", path.display()), MAX_LINE_CHARACTERS)));
    let mut lines: Vec<String> = outcome_line(report).map(|line| cut(&line, MAX_LINE_CHARACTERS)).into_iter().collect();
    let room = MAX_LINES - lines.len() - after.len();
    lines.extend(render_entries(&entries(report), room));
    lines.extend(after);
    text::lines(lines)
}

/// The first line, if the deadline or a signal ended the run.
fn outcome_line(report: &Report) -> Option<String> {
    let after = duration(report.seconds);
    match report.outcome {
        Outcome::DeadlinePassed => Some(format!("error: the deadline passed after {after}")),
        Outcome::Interrupted => Some(format!("error: the run was interrupted after {after}")),
        _ => None,
    }
}

/// A failure in the summary. If there is too little room, its last lines are omitted.
struct SummaryEntry {
    head: String,
    /// The first cause after the head: the failure in one line.
    message: Option<String>,
    causes: Vec<String>,
    hint: Option<String>,
}

fn entries(report: &Report) -> Vec<SummaryEntry> {
    let failed = |optional| {
        let steps = report.steps.iter();
        steps.filter(move |step| step.status == StepStatus::Failed && step.optional == optional).map(of_step)
    };
    // Steps that were running appear only below a line that says why the run ended. After a failed step they are only
    // counted.
    let ended = matches!(report.outcome, Outcome::DeadlinePassed | Outcome::Interrupted);
    let working = report.steps.iter().filter(|step| ended && step.status == StepStatus::Interrupted);
    let refused = report.refusals.iter().map(of_refusal);
    working.map(|step| of_running_step(report, step)).chain(refused).chain(failed(false)).chain(failed(true)).collect()
}

fn of_refusal(refusal: &Problem) -> SummaryEntry {
    let position = refusal.origin.as_ref().map_or_else(String::new, |origin| format!(" (asked for at {origin})"));
    SummaryEntry {
        head: format!("error: {}{position}", refusal.message),
        message: None,
        causes: lines_of(&refusal.causes),
        hint: refusal.hint.clone(),
    }
}

fn of_step(step: &StepReport) -> SummaryEntry {
    let word = if step.optional { "warning: optional step" } else { "error: step" };
    let position = step.origin().map_or_else(String::new, |origin| format!(" (asked for at {origin})"));
    let failure = step.failure.as_ref();
    SummaryEntry {
        head: format!("{word} `{}` failed{position}", step.name()),
        message: failure.map(|failure| failure.message.clone()),
        causes: failure.map_or_else(Vec::new, |failure| lines_of(&failure.causes)),
        hint: failure.and_then(|failure| failure.hint.clone()),
    }
}

fn of_running_step(report: &Report, step: &StepReport) -> SummaryEntry {
    let failure = step.failure.as_ref();
    let wait = report.waits.iter().find(|wait| wait.finished.is_none() && wait.step.as_ref() == Some(&step.id));
    let why = match (wait, failure) {
        (Some(wait), _) => format!("; it waited for `{}`, held by {}", wait.lock, wait.holder),
        (None, Some(failure)) => format!(": {}", failure.message),
        (None, None) => String::new(),
    };
    SummaryEntry {
        head: format!("  step `{}` was still working after {}{why}", step.name(), duration(step.seconds)),
        message: None,
        causes: Vec::new(),
        hint: failure.and_then(|failure| failure.hint.clone()),
    }
}

fn lines_of(causes: &[String]) -> Vec<String> {
    causes.iter().flat_map(|cause| cause.lines()).filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// Divides `room` lines between all entries.
fn render_entries(entries: &[SummaryEntry], room: usize) -> Vec<String> {
    if entries.len() > MAX_DETAILED_ENTRIES {
        return one_line_each(entries, room);
    }
    // Lines are assigned in turn: first the heads, then the messages, the hints and the causes.
    let mut left = room;
    let mut take_line = |wanted: bool| {
        let taken = wanted && left > 0;
        left -= usize::from(taken);
        taken
    };
    let heads: Vec<bool> = entries.iter().map(|_| take_line(true)).collect();
    let messages: Vec<bool> = entries.iter().map(|entry| take_line(entry.message.is_some())).collect();
    let hints: Vec<bool> = entries.iter().map(|entry| take_line(entry.hint.is_some())).collect();
    let mut causes = vec![0; entries.len()];
    for round in 0..room {
        for (entry, taken) in entries.iter().zip(&mut causes) {
            *taken += usize::from(take_line(round < entry.causes.len()));
        }
    }
    let blank = entries.len() == 1 && hints[0] && take_line(true);
    let mut lines = Vec::new();
    for (at, entry) in entries.iter().enumerate().filter(|(at, _)| heads[*at]) {
        lines.push(cut(&entry.head, MAX_LINE_CHARACTERS));
        let shown = most_informative(&entry.causes, causes[at]);
        let (first, below) = match &entry.message {
            Some(message) if messages[at] => (Some(message), shown.as_slice()),
            _ => (shown.first(), shown.get(1..).unwrap_or_default()),
        };
        lines.extend(first.map(|cause| cut(&format!("  caused by: {cause}"), MAX_LINE_CHARACTERS)));
        lines.extend(below.iter().map(|cause| cut(&format!("    {cause}"), MAX_LINE_CHARACTERS)));
        if blank {
            lines.push(String::new());
        }
        lines.extend(
            entry.hint.iter().filter(|_| hints[at]).map(|hint| cut(&format!("hint: {hint}"), MAX_LINE_CHARACTERS)),
        );
    }
    lines
}

/// Many entries: one line each, including the cause. Hints follow if lines are left.
fn one_line_each(entries: &[SummaryEntry], room: usize) -> Vec<String> {
    let shown = if entries.len() > room { room - 1 } else { entries.len() };
    let mut hints = room - shown;
    let mut lines = Vec::new();
    for entry in &entries[..shown] {
        let cause = entry.message.clone().or_else(|| most_informative(&entry.causes, 1).pop());
        lines.push(match cause {
            Some(cause) => {
                cut(&format!("{}: {cause}", cut(&entry.head, MAX_LINE_CHARACTERS * 2 / 3)), MAX_LINE_CHARACTERS)
            }
            None => cut(&entry.head, MAX_LINE_CHARACTERS),
        });
        if let Some(hint) = entry.hint.as_ref().filter(|_| hints > 0 && shown == entries.len()) {
            lines.push(cut(&format!("hint: {hint}"), MAX_LINE_CHARACTERS));
            hints -= 1;
        }
    }
    if shown < entries.len() {
        lines.push(format!("... and {}; the report has all of them", counted(entries.len() - shown, "more failure")));
    }
    lines
}

/// The `most` most informative lines, in their original order: the last line that contains an error, the first line,
/// then other lines with errors, then the rest, later lines first.
fn most_informative(causes: &[String], most: usize) -> Vec<String> {
    let is_message = |line: &str| {
        let line = line.to_lowercase();
        line.starts_with("e:") || ["error", "fatal", "denied", "not found"].iter().any(|word| line.contains(word))
    };
    let last = causes.len().saturating_sub(1);
    let key = causes.iter().rposition(|line| is_message(line)).unwrap_or(last);
    let mut ranked: Vec<usize> = (0..causes.len()).collect();
    ranked.sort_by_key(|&at| match at {
        at if at == key => (0, 0),
        0 => (1, 0),
        at if is_message(&causes[at]) => (2, last - at),
        at => (3, last - at),
    });
    ranked.truncate(most);
    ranked.sort_unstable();
    ranked.into_iter().map(|at| causes[at].clone()).collect()
}

fn state(report: &Report) -> String {
    if report.outcome == Outcome::Refused {
        return "nothing was changed; run `nodeagent run` again after the fix".into();
    }
    let counts = [
        (StepStatus::Done, "done"),
        (StepStatus::Failed, "failed"),
        (StepStatus::Interrupted, "interrupted"),
        (StepStatus::Skipped, "skipped"),
        (StepStatus::NotStarted, "not started"),
    ];
    let mut parts = Vec::new();
    for (status, word) in counts {
        match report.count(status) {
            0 => {}
            number if parts.is_empty() => parts.push(format!("{} {word}", counted(number, "step"))),
            number => parts.push(format!("{number} {word}")),
        }
    }
    let counts = if parts.is_empty() { "no step was started".into() } else { parts.join(", ") };
    match report.outcome {
        Outcome::Degraded => format!("{counts}; all required steps succeeded"),
        Outcome::Interrupted | Outcome::DeadlinePassed => format!("{counts}; run `nodeagent run` again to continue"),
        _ => format!("{counts}; run `nodeagent run` again after the fix"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    const PATH: &str = "/var/log/nodeagent/20261121T120304Z-4711/report.json";

    fn rendered(report: &Report) -> String {
        let text = render_failure(report, Some(Path::new(PATH)));
        assert!(text.lines().count() <= MAX_LINES, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= MAX_LINE_CHARACTERS), "{text}");
        assert!(text.lines().all(|line| !line.chars().any(char::is_control)), "{text:?}");
        text
    }

    fn with_failures(count: usize, causes: usize) -> Report {
        let mut report = sample::failed();
        let mut step = report.step("apt").expect("there").clone();
        let failure = step.failure.as_mut().expect("it failed");
        failure.causes = (0..causes).map(|n| format!("line {n}\n{}\u{1b}[2J\n\n", "ü".repeat(300))).collect();
        report.steps = vec![step; count];
        report
    }

    #[test]
    fn a_failed_step_is_shown_with_line_cause_hint_state_and_report() {
        insta::assert_snapshot!(rendered(&sample::failed()), @r#"
        error: step `apt: install git, libfoo-dev` failed (asked for at profiles/ml.toml:14)
          caused by: `apt-get install -y --no-install-recommends -- git libfoo-dev` exited with 100
            E: Unable to locate package libfoo-dev

        hint: no apt source on this node offers `libfoo-dev`; check the name
        state: 2 steps done, 1 failed, 1 skipped; run `nodeagent run` again after the fix
        report: /var/log/nodeagent/20261121T120304Z-4711/report.json
        "#);
    }

    #[test]
    fn a_summary_has_at_most_ten_lines() {
        for count in [0, 1, 2, 3, 4, 5, 8, 9, 20] {
            for causes in [0, 1, 2, 7, 50] {
                let mut report = with_failures(count, causes);
                let outcomes = [Outcome::Failed, Outcome::Degraded, Outcome::DeadlinePassed, Outcome::Interrupted];
                for outcome in outcomes {
                    report.outcome = outcome;
                    rendered(&report);
                }
                report.outcome = Outcome::Refused;
                report.refusals = report.steps.iter().filter_map(|step| step.failure.clone()).collect();
                report.steps.clear();
                rendered(&report);
            }
        }
    }

    #[test]
    fn several_failed_steps_share_the_lines() {
        let text = rendered(&with_failures(3, 4));
        assert_eq!(text.matches("error: step").count(), 3, "{text}");
        assert_eq!(text.matches("caused by:").count(), 3, "{text}");
    }

    #[test]
    fn many_failed_steps_have_a_line_each_and_the_rest_is_counted() {
        let text = rendered(&with_failures(20, 4));
        assert!(text.contains("exited with 100\n"), "{text}");
        assert!(text.contains("... and 13 more failures; the report has all of them\n"), "{text}");
        let text = rendered(&with_failures(8, 4));
        assert!(!text.contains("more"), "{text}");
    }

    #[test]
    fn the_most_informative_causes_are_shown() {
        let shown = |lines: &[&str], most| {
            most_informative(&lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>(), most).join("|")
        };
        let pip =
            ["collecting", "building", "ERROR: No matching distribution found for nltkk", "[notice] a new release"];
        assert_eq!(shown(&pip, 1), pip[2]);
        assert_eq!(shown(&pip, 2), [pip[0], pip[2]].join("|"));
        assert_eq!(shown(&pip, 9), pip.join("|"));
        assert_eq!(shown(&["cannot be written", "disk full"], 1), "disk full");
        assert_eq!(shown(&[], 3), "");
    }

    #[test]
    fn a_refused_run_says_that_nothing_was_changed() {
        let mut report = sample::failed();
        report.outcome = Outcome::Refused;
        report.steps.clear();
        report.refusals = vec![Problem {
            message: "asset `x.whl` is missing".into(),
            causes: vec!["looked in `/dbfs/FileStore/Family/lib/python`".into()],
            hint: Some("upload it".into()),
            origin: Some(sample::origin(7)),
            refused: true,
        }];
        insta::assert_snapshot!(rendered(&report), @r#"
        error: asset `x.whl` is missing (asked for at profiles/ml.toml:7)
          caused by: looked in `/dbfs/FileStore/Family/lib/python`

        hint: upload it
        state: nothing was changed; run `nodeagent run` again after the fix
        report: /var/log/nodeagent/20261121T120304Z-4711/report.json
        "#);
    }

    #[test]
    fn a_degraded_run_warns() {
        let mut report = sample::failed();
        report.outcome = Outcome::Degraded;
        report.steps[0].optional = true;
        insta::assert_snapshot!(rendered(&report), @r#"
        warning: optional step `apt: install git, libfoo-dev` failed (asked for at profiles/ml.toml:14)
          caused by: `apt-get install -y --no-install-recommends -- git libfoo-dev` exited with 100
            E: Unable to locate package libfoo-dev

        hint: no apt source on this node offers `libfoo-dev`; check the name
        state: 2 steps done, 1 failed, 1 skipped; all required steps succeeded
        report: /var/log/nodeagent/20261121T120304Z-4711/report.json
        "#);
    }

    #[test]
    fn a_passed_deadline_names_the_waiting_step_and_the_holder_of_the_lock() {
        let mut report = sample::replay(&sample::events()[..7]);
        report.outcome = Outcome::DeadlinePassed;
        report.end_open_steps(sample::at(600));
        report.seconds = 600.0;
        insta::assert_snapshot!(rendered(&report), @r#"
        error: the deadline passed after 10 min 00 s
          step `apt: install git, libfoo-dev` was still working after 10 min 00 s; it waited for `/var/lib/dpkg/lock-frontend`, held by unattended-upgr (pid 812)
          step `pip: install nltk, spacy` was still working after 9 min 58 s
        state: 2 steps interrupted, 2 not started; run `nodeagent run` again to continue
        report: /var/log/nodeagent/20261121T120304Z-4711/report.json
        "#);
    }

    #[test]
    fn a_successful_run_has_no_failure_summary() {
        assert_eq!(rendered(&sample::done()), "");
    }
}
