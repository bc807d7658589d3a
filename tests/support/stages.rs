//! The reports of stages after the launch.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::NodeTest;

/// The time that a stage has to end.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The reports of stages that have ended, oldest first.
fn reports(node: &NodeTest) -> Vec<Value> {
    let Ok(runs) = fs::read_dir(node.root().join("var/log/nodeagent")) else { return Vec::new() };
    let mut runs: Vec<PathBuf> = runs.map(|run| run.expect("readable").path()).collect();
    runs.sort();
    let report = |run: &PathBuf| fs::read_to_string(run.join("report.json")).ok();
    let reports = runs.iter().filter_map(report).map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
    reports.filter(|report| report["stage"] == "post-start").collect()
}

/// Whether the process of a stage that wrote its report still runs. It then writes its log. The name of a run ends with
/// the process id.
fn still_runs(report: &Value) -> bool {
    let process = report["run"].as_str().and_then(|run| run.rsplit('-').next()).expect("the name of a run");
    // A process that ended, and that nothing has waited for, has no arguments.
    fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|arguments| !arguments.is_empty())
}

/// Waits until this number of stages has ended. Returns their reports.
pub(crate) fn ended(node: &NodeTest, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let found = reports(node);
        if found.len() >= count && !found.iter().any(still_runs) {
            return found;
        }
        let log = fs::read_to_string(node.root().join("var/log/nodeagent/post-start-x.log")).unwrap_or_default();
        assert!(began.elapsed() < LIMIT, "{} stages ended; the log has:\n{log}", found.len());
        std::thread::sleep(Duration::from_millis(50));
    }
}
