//! The page of one run: node, profile, steps, outcome, and every failure in full.

use super::{
    Report,
    event::Outcome,
    model::{Wait, seconds_between},
    table::{render_table, word},
    text::{clean, counted, cut, duration, fetched, lines},
};
use crate::diagnostic::Origin;
use crate::problem::Problem;

const MAX_CHARACTERS: usize = 200;

/// Renders the page of a run.
pub fn render_show(report: &Report, width: usize) -> String {
    let indented = |texts: &[String]| lines(texts.iter().map(|text| format!("  {}", clean(text))));
    let refusals = report.refusals.iter().map(|refusal| in_full(&refusal.message, refusal.origin.as_ref(), refusal));
    let failures = report.steps.iter().filter_map(|step| {
        let failure = step.failure.as_ref()?;
        Some(in_full(&format!("{}: {}", step.name(), failure.message), step.origin(), failure))
    });
    let mut page = head(report);
    section(&mut page, "", &render_table(report, width));
    section(&mut page, "", &lines(report.store.iter().map(fetched)));
    let reasons = if report.outcome == Outcome::Refused { "refused" } else { "reasons" };
    section(&mut page, reasons, &refusals.collect::<String>());
    section(&mut page, "failures", &failures.collect::<String>());
    section(&mut page, "warnings", &indented(&report.warnings));
    section(&mut page, "waits", &lines(report.waits.iter().map(wait)));
    section(&mut page, "already present", &indented(&report.ready));
    section(&mut page, "after the launch", &indented(&report.later));
    page
}

fn section(page: &mut String, title: &str, body: &str) {
    if body.is_empty() {
        return;
    }
    page.push('\n');
    if !title.is_empty() {
        page.push_str(title);
        page.push('\n');
    }
    page.push_str(body);
}

fn head(report: &Report) -> String {
    let time = duration(report.seconds);
    let status = report.exit_code.map_or_else(String::new, |code| format!(", exit status {code}"));
    let ended = match (report.outcome, report.finished) {
        (Outcome::Interrupted, None) => format!("killed; the last event came after {time}"),
        (outcome, _) => format!("{} in {time}{status}", word(outcome)),
    };
    let mut facts = vec![
        ("run", format!("{} {ended}", report.run)),
        ("started", report.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
        ("agent", format!("nodeagent {}", report.version)),
        ("profile", report.profile.clone()),
    ];
    facts.extend(report.stage.iter().map(|stage| ("stage", stage.clone())));
    facts.extend(report.sources.iter().map(|source| ("source", format!("{}  sha256 {}", source.file, source.sha256))));
    facts.extend(node(&report.node).into_iter().map(|fact| ("node", fact)));
    let mut last = "";
    let line = |(name, value): (&'static str, String)| {
        let shown = if name == last { "" } else { name };
        last = name;
        format!("{shown:9}{}", cut(&value, MAX_CHARACTERS))
    };
    lines(facts.into_iter().map(line))
}

/// The facts of the node, one a line.
fn node(node: &serde_json::Value) -> Vec<String> {
    let Some(facts) = node.as_object() else { return Vec::new() };
    facts
        .iter()
        // The parts of the cluster's name have lines of their own.
        .filter(|(name, value)| !value.is_null() && *name != "cluster")
        .map(|(name, value)| format!("{name}: {}", words(value)))
        .collect()
}

/// A fact as text: `codename bookworm, id debian, version 12` for a fact with several parts.
fn words(fact: &serde_json::Value) -> String {
    match fact {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Object(parts) => {
            let parts = parts.iter().filter(|(_, part)| !part.is_null());
            parts.map(|(name, part)| format!("{name} {}", words(part))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn in_full(title: &str, position: Option<&Origin>, failure: &Problem) -> String {
    let position = position.map_or_else(String::new, |position| format!("asked for at {position}"));
    let causes = failure.causes.iter().flat_map(|cause| cause.lines());
    let hint = failure.hint.as_ref().map_or_else(String::new, |hint| format!("hint: {hint}"));
    let below = std::iter::once(position.as_str()).chain(causes).chain([hint.as_str()]);
    let below = below.filter(|line| !line.trim().is_empty()).map(|line| format!("    {}", clean(line)));
    lines(std::iter::once(format!("  {}", clean(title))).chain(below))
}

fn wait(wait: &Wait) -> String {
    let who = wait.step.as_deref().unwrap_or("run");
    let long = match wait.finished {
        Some(finished) => format!("waited {}", duration(seconds_between(wait.started, finished))),
        None => "waited to the end".into(),
    };
    format!("  {}", clean(&format!("{who} {long} for {}, held by {}", wait.lock, wait.holder)))
}

/// Renders a list of runs, one a line: id, outcome, duration, profile.
///
/// `running` has the process ids of the runs in progress.
pub fn render_list(reports: &[Report], running: &[u32]) -> String {
    let is_running = |report: &Report| {
        let process = report.run.rsplit('-').next().and_then(|process| process.parse().ok());
        report.finished.is_none() && process.is_some_and(|process| running.contains(&process))
    };
    let line = |report: &Report| {
        let outcome = if is_running(report) { "running" } else { word(report.outcome) };
        let time = duration(report.seconds);
        let steps = counted(report.steps.len(), "step");
        let stage = report.stage.as_ref().map(|stage| format!(", {}", clean(stage))).unwrap_or_default();
        format!("{:24}{outcome:16}{time:>12}  {}, {steps}{stage}", clean(&report.run), clean(&report.profile))
    };
    lines(reports.iter().map(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{DEFAULT_WIDTH, sample};

    #[test]
    fn a_run_is_shown_in_full() {
        insta::assert_snapshot!(render_show(&sample::failed(), DEFAULT_WIDTH), @r#"
        run      20261121T120304Z-4711 failed in 20.0 s, exit status 1
        started  2026-11-21 12:03:04 UTC
        agent    nodeagent 0.1.0
        profile  family
        source   built-in:base.toml  sha256 abababababababababababababababababababababababababababababababab
        node     os: Debian 12
                 role: driver

        step   what                     state      time
        apt    install git, libfoo-dev  failed    8.0 s
        pip    install nltk, spacy      done     18.0 s
        r      install plumber          skipped
        shell  write .vimrc             done      1.0 s

        failures
          apt: install git, libfoo-dev: `apt-get install -y --no-install-recommends -- git libfoo-dev` exited with 100
            asked for at profiles/ml.toml:14
            E: Unable to locate package libfoo-dev
            hint: no apt source on this node offers `libfoo-dev`; check the name

        warnings
          the disk is nearly full

        waits
          apt waited 7.0 s for /var/lib/dpkg/lock-frontend, held by unattended-upgr (pid 812)

        already present
          apt: jq 1.6-2.1
        "#);
    }

    #[test]
    fn an_incomplete_report_is_shown() {
        let shown = render_show(&Report { run: "x\u{1b}[2J".into(), ..Report::default() }, 0);
        assert!(shown.starts_with("run      x killed; the last event"), "{shown}");
    }

    #[test]
    fn each_run_is_one_line_of_the_list() {
        let open = crate::report::Report { finished: None, ..sample::failed() };
        assert!(render_list(std::slice::from_ref(&open), &[1, 4711]).contains("4711   running "));
        assert!(!render_list(&[open, sample::done()], &[471]).contains("running"));
        insta::assert_snapshot!(render_list(&[sample::done(), sample::failed()], &[]), @r#"
        20261121T120304Z-4711   done                  40.0 s  family, 4 steps
        20261121T120304Z-4711   failed                20.0 s  family, 4 steps
        "#);
    }
}
