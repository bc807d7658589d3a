//! `report`: the pages and lists of earlier runs.

use crate::support::{NodeTest, without_progress};

fn node_with_a_run() -> NodeTest {
    let node = NodeTest::new()
        .profile(
            "[shell.variables]\nA = \"b\"\n[secrets]\nsource = \"env\"\nscope = \"family\"\n\
             items = [{ key = \"token\", optional = true, to = { file = \"/run/token\" } }]\n",
        )
        .var("DB_CLUSTER_NAME", "Prod-Operational-Family-15.4-nightly-2")
        .var("DB_IS_DRIVER", "TRUE");
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
    node
}

#[test]
fn a_node_without_runs_says_so() {
    let node = NodeTest::new();
    let output = node.agent(&["report", "show"]).ended(2);
    node.frozen(|| {
        insta::assert_snapshot!(output.stderr, @r"
        error: there are no runs in `[ROOT]/var/log/nodeagent`

        hint: `nodeagent run` writes a report; to show a report of another node, name its folder
        ");
    });
    let output = node.agent(&["report", "list"]).ended(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", "this node has no runs yet\n"));
}

#[test]
fn a_run_is_shown_with_its_steps_and_failures() {
    let node = node_with_a_run();
    let output = node.agent(&["report", "show"]).ended(0);
    assert_eq!(output.stderr, "");
    node.frozen(|| insta::assert_snapshot!(without_progress(&output.stdout)));
}

#[test]
fn a_run_is_found_by_id_by_prefix_and_by_path() {
    let node = node_with_a_run();
    let report = node.agent(&["report", "show", "--json"]).ended(0).json();
    let run = report["run"].as_str().expect("a run has a name").to_owned();
    let path = node.root().join("var/log/nodeagent").join(&run);
    for name in [run.as_str(), &run[..12], path.to_str().expect("UTF-8")] {
        assert_eq!(node.agent(&["report", "show", "--json", name]).ended(0).json(), report, "{name}");
    }
    let output = node.agent(&["report", "show", &run.replace('T', "X")]).ended(2);
    assert!(output.stderr.contains("did you mean"), "{}", output.stderr);
}

#[test]
fn the_timing_is_shown_as_text_and_as_json() {
    let node = node_with_a_run();
    let output = node.agent(&["report", "blame"]).ended(0);
    assert!(output.stdout.contains("slowest first\n  env:login"), "{}", output.stdout);
    node.agent(&["report", "blame", "--json"]).ended(0).json();
}

#[test]
fn all_runs_are_listed() {
    let node = node_with_a_run();
    node.agent(&["run", "--profile", "x.toml", "--quiet", "--strict"]).ended(3);
    let list = node.agent(&["report", "list"]).ended(0).stdout;
    assert_eq!(list.matches("degraded").count(), 2, "{list}");
}

#[test]
fn only_the_last_runs_are_kept() {
    let node = NodeTest::new().profile("");
    for number in 0..25 {
        let _ = std::fs::create_dir_all(node.root().join(format!("var/log/nodeagent/20250101T0000{number:02}Z-1")));
    }
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
    let kept = crate::support::entries(&node.root().join("var/log/nodeagent"));
    assert_eq!(kept.len(), 20);
    assert!(!kept[19].ends_with("20250101T000024Z-1"), "the newest is this run's own");
}

#[test]
fn an_invalid_report_file_is_refused() {
    let node = NodeTest::new().work("other/report.json", "{\"format\": 99}").work("torn/report.json", "{");
    let output = node.agent(&["report", "show", "./other"]).ended(2);
    assert!(output.stderr.contains("has format 99"), "{}", output.stderr);
    let output = node.agent(&["report", "show", "./torn/report.json"]).ended(2);
    assert!(output.stderr.contains("is not a nodeagent report"), "{}", output.stderr);
}

#[test]
fn a_run_with_an_invalid_profile_writes_a_report() {
    let node = NodeTest::new().profile("[apt]\npackages = [\"--yes\"]\n");
    let before = node.listing();
    let target = node.beside("reports");
    let output = node.agent(&["run", "--profile", "x.toml", "--report-to", target.to_str().expect("UTF-8")]).ended(2);
    assert!(output.stderr.contains(" --> x.toml:4:13"), "{}", output.stderr);
    let report = node.agent(&["report", "show", "--json"]).ended(0).json();
    assert_eq!((&report["outcome"], &report["exit-code"]), (&"refused".into(), &2.into()), "{report:#}");
    assert_eq!(report["refusals"][0]["origin"]["line"], 4, "{report:#}");
    assert_eq!(crate::support::entries(&target).len(), 1, "the copy is there, too");
    let changes = node.changes_since(&before);
    assert!(changes.iter().all(|path| path.starts_with("reports")), "{changes:?}");
}
