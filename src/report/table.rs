//! The final table of a run: its steps in plan order, and a summary line.

use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, Row, Table, presets};

use super::{
    Report, StepReport,
    event::{Outcome, StepStatus},
    text::{clean, counted, duration, fetched},
};

/// The width if it is unknown.
pub const DEFAULT_WIDTH: usize = 120;
pub(super) const MIN_WIDTH: usize = 40;
const LINES_PER_STEP: usize = 3;

/// Renders the steps with action, status and duration. Empty if there are none.
pub fn render_table(report: &Report, width: usize) -> String {
    if report.steps.is_empty() {
        return String::new();
    }
    let mut table = plain_table(width);
    table.set_header(["step", "what", "state", "time"]);
    for step in &report.steps {
        let time = step.started.map_or_else(String::new, |_| duration(step.seconds));
        let mut row = Row::from([clean(&step.id), clean(&step.title), state(step), time]);
        row.max_height(LINES_PER_STEP);
        table.add_row(row);
    }
    laid_out(table, &[3])
}

/// Renders the outcome in one line (result, duration, steps), then the path of the report.
pub fn render_summary(report: &Report, report_path: Option<&Path>) -> String {
    let time = duration(report.seconds);
    let ready = report.ready.len();
    let text = match report.outcome {
        Outcome::Done if report.steps.is_empty() => {
            format!("nothing to do: {} {} already present ({time})", counted(ready, "item"), is_or_are(ready))
        }
        Outcome::Refused => format!("{} after {time}: nothing was changed", word(report.outcome)),
        outcome => {
            let done = report.count(StepStatus::Done);
            let steps = counted(report.steps.len(), "step");
            let present = if ready > 0 { format!(", {ready} already present") } else { String::new() };
            format!("{} in {time}: {done} of {steps} done{present}", word(outcome))
        }
    };
    let store = report.store.map_or_else(String::new, |store| format!("{}\n", fetched(&store)));
    let path = report_path.map_or_else(String::new, |path| format!("report: {}\n", clean(&path.display().to_string())));
    let later = match report.later.len() {
        0 => String::new(),
        entries => format!("after the launch: {}\n", counted(entries, "step")),
    };
    format!("{text}\n{later}{store}{path}")
}

/// The name of an outcome.
pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Degraded => "degraded",
        Outcome::Failed => "failed",
        Outcome::Refused => "refused",
        Outcome::DeadlinePassed => "deadline passed",
        Outcome::Interrupted => "interrupted",
    }
}

fn is_or_are(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

fn state(step: &StepReport) -> String {
    let word = status(step.status);
    if step.optional && step.status != StepStatus::Done { format!("{word} (optional)") } else { word.into() }
}

/// The name of a step's status.
pub(super) fn status(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Done => "done",
        StepStatus::Failed => "failed",
        StepStatus::Skipped => "skipped",
        StepStatus::NotStarted => "not started",
        StepStatus::Interrupted => "interrupted",
    }
}

/// Renders rows in columns as wide as their widest cells, with an optional heading.
pub fn render_columns<const N: usize>(heading: &[&str], rows: &[[String; N]]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if !heading.is_empty() {
        table.set_header(heading.to_vec());
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell)));
    }
    laid_out(table, &[])
}

/// A table without borders, at most `width` columns wide.
pub(super) fn plain_table(width: usize) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width.max(MIN_WIDTH)).unwrap_or(u16::MAX));
    table
}

/// Renders a table from the left edge. Columns of figures are right-aligned.
pub(super) fn laid_out(mut table: Table, figures: &[usize]) -> String {
    for &column in figures {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        event::{EventKind, Served, StoreUse},
        sample,
    };

    #[test]
    fn steps_are_listed_in_the_order_of_the_plan() {
        insta::assert_snapshot!(render_table(&sample::failed(), DEFAULT_WIDTH), @r#"
        step   what                     state      time
        apt    install git, libfoo-dev  failed    8.0 s
        pip    install nltk, spacy      done     18.0 s
        r      install plumber          skipped
        shell  write .vimrc             done      1.0 s
        "#);
    }

    #[test]
    fn a_narrow_terminal_wraps_the_action_of_a_step() {
        let mut report = sample::done();
        report.steps[0].title = "install libcurl4-openssl-dev, libssl-dev, libxml2-dev, zlib1g-dev ".repeat(4);
        for width in [0, 40, 60, 80] {
            let table = render_table(&report, width);
            assert!(table.lines().all(|line| line.chars().count() <= width.max(MIN_WIDTH)), "{table}");
            assert!(table.lines().count() <= 1 + 4 * LINES_PER_STEP, "{table}");
        }
    }

    #[test]
    fn a_summary_has_the_outcome_and_the_path_of_the_report() {
        let path = Some(Path::new("/var/log/nodeagent/x/report.json"));
        let summary = render_summary(&sample::done(), path);
        assert_eq!(
            summary,
            "done in 40.0 s: 4 of 4 steps done, 1 already present\nreport: /var/log/nodeagent/x/report.json\n"
        );
        let mut fetched = sample::done();
        let origin = Served { objects: 1, bytes: 4_000_000 };
        fetched.take(&sample::event(40, EventKind::StoreUsed { store: StoreUse { origin, ..StoreUse::default() } }));
        let summary = render_summary(&fetched, None);
        assert_eq!(summary.lines().last(), Some("fetched 4.00 MB: 4.00 MB from the origin"));
        assert_eq!(render_summary(&sample::failed(), None), "failed in 20.0 s: 2 of 4 steps done, 1 already present\n");
    }

    #[test]
    fn a_ready_node_has_nothing_to_do() {
        let mut report = sample::done();
        report.steps.clear();
        report.seconds = 0.021;
        assert_eq!(render_table(&report, DEFAULT_WIDTH), "");
        assert_eq!(render_summary(&report, None), "nothing to do: 1 item is already present (21 ms)\n");
    }
}
