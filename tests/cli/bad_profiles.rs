//! Profiles that each break one rule. Snapshots keep the messages of `check`.

use crate::support::{agent_in, project, snapshots};

/// Profiles whose one slip is honestly two mistakes.
const SEVERAL_MISTAKES: [&str; 1] = ["empty.toml"];

#[test]
fn a_broken_rule_is_named_with_its_place() {
    snapshots().bind(|| {
        insta::glob!("../fixtures/profiles/bad", "*.toml", |path| {
            let folder = path.parent().expect("it lies in a folder");
            let name = path.file_name().and_then(|name| name.to_str()).expect("the name is UTF-8");
            let output = agent_in(folder, &["check", name]).ended(2);
            assert_eq!(output.stdout, "", "errors go to standard error only");
            let mistakes = output.stderr.lines().filter(|line| line.starts_with("error: ")).count();
            assert_eq!(mistakes == 1, !SEVERAL_MISTAKES.contains(&name), "{name}: {}", output.stderr);
            insta::assert_snapshot!(output.stderr);
        });
    });
}

#[test]
fn all_mistakes_of_all_files_come_at_once() {
    let folder = project().join("tests/fixtures/profiles/several");
    let output = agent_in(&folder, &["check", "child.toml"]).ended(2);
    snapshots().bind(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn mistakes_can_be_read_by_a_program() {
    let folder = project().join("tests/fixtures/profiles/several");
    let output = agent_in(&folder, &["check", "--json", "child.toml"]).ended(2);
    assert_eq!(output.stderr, "");
    let mistakes = output.json();
    let mistakes = mistakes.as_array().expect("a list");
    assert!(mistakes.len() > 10, "{mistakes:#?}");
    for mistake in mistakes {
        assert!(mistake["message"].is_string(), "{mistake:#}");
        assert!(mistake["origin"]["line"].is_u64() && mistake["origin"]["column"].is_u64(), "{mistake:#}");
    }
}

#[test]
fn a_sound_profile_beside_a_bad_one_changes_nothing_about_the_mistakes() {
    let folder = project().join("tests/fixtures/profiles/bad");
    let alone = agent_in(&folder, &["check", "unknown_key_in_pip.toml"]).ended(2);
    let together = agent_in(&folder, &["check", "starter", "unknown_key_in_pip.toml"]).ended(2);
    assert_eq!(alone.stderr, together.stderr);
}
