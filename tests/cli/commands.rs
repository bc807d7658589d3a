//! Arguments, help, completions, manual pages.

use crate::support::{NodeTest, agent_in, entries, project};

#[test]
fn help_and_version_are_data_with_status_0() {
    for arguments in [&["--help"][..], &["-h"], &["--version"], &["help", "run"], &["run", "--help"], &["check", "-h"]]
    {
        let output = agent_in(project(), arguments).ended(0);
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}: {}", output.stderr);
    }
}

#[test]
fn the_help_names_every_command_and_every_exit_status() {
    let help = agent_in(project(), &["--help"]).ended(0).stdout;
    insta::assert_snapshot!(help);
}

#[test]
fn invalid_arguments_end_with_status_2() {
    for arguments in [
        &[][..],
        &["prepare"],
        &["run"],
        &["run", "--profile"],
        &["run", "--profile", "starter", "--deadline", "soon"],
        &["run", "--profile", "starter", "--deadline", "0s"],
        &["plan", "--profile", "starter", "--runtime", "15.4"],
        &["check"],
        &["report", "tell"],
        &["completions", "tcsh"],
    ] {
        let output = agent_in(project(), arguments).ended(2);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}: {}", output.stdout);
    }
}

#[test]
fn a_mistyped_command_or_option_gets_a_suggestion() {
    let output = agent_in(project(), &["chekc", "starter"]).ended(2);
    assert!(output.stderr.contains("'check'"), "{}", output.stderr);
    let output = agent_in(project(), &["run", "--profile", "starter", "--dryrun"]).ended(2);
    assert!(output.stderr.contains("--dry-run"), "{}", output.stderr);
}

#[test]
fn completions_know_commands_and_options_in_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = agent_in(project(), &["completions", shell]).ended(0).stdout;
        for word in ["nodeagent", "check", "dry-run", "report-to", "access-mode"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn the_manual_is_one_page_or_a_page_for_each_command() {
    let page = agent_in(project(), &["man"]).ended(0).stdout;
    assert!(page.contains(".TH nodeagent 1") && page.contains("deadline passed"), "{page}");
    let node = NodeTest::new();
    let folder = node.beside("man");
    node.agent(&["man", "--out", folder.to_str().expect("UTF-8")]).ended(0);
    let names: Vec<String> =
        entries(&folder).iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    for name in ["nodeagent.1", "nodeagent-run.1", "nodeagent-check.1", "nodeagent-report.1"] {
        assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
    }
}

#[test]
fn the_node_file_names_the_file_store() {
    let node = NodeTest::new()
        .store("Admin/init_scripts/nightly.toml", "schema = 1\nname = \"nightly\"\n")
        .file("etc/nodeagent.toml", "filestroe = \"/x\"\n");
    // The node file is read even if an option overrides the file store: it may restrict other settings.
    node.agent(&["check", "nightly"]).ended(2);
    let output = node.agent_without_store(&["check", "nightly"]).ended(2);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
    // A missing file store must not disable access control.
    let node = node.file("etc/nodeagent.toml", "filestore = \"/nonexistent/store\"\n");
    let output = node.agent_without_store(&["check", "starter"]).ended(2);
    assert!(output.stderr.contains("the file store `/nonexistent/store` is missing"), "{}", output.stderr);
    let line = format!("filestore = \"{}\"\n", node.beside("store").display());
    let node = node.file("etc/nodeagent.toml", &line);
    node.agent_without_store(&["check", "nightly"]).ended(0);
    let node = node.file("etc/nodeagent.toml", "filestore = \"dbfs:/FileStore\"\n");
    let output = node.agent_without_store(&["check", "nightly"]).ended(2);
    assert!(output.stderr.contains("no Databricks workspace is configured"), "{}", output.stderr);
}
