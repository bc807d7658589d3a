//! Valid profiles, one for each feature. Snapshots keep their meaning.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{agent_in, project, snapshots};

#[test]
fn a_feature_is_shown_with_its_lines() {
    snapshots().bind(|| {
        insta::glob!("../fixtures/profiles/good", "*.toml", |path| {
            let folder = path.parent().expect("it lies in a folder");
            let name = path.file_name().and_then(|name| name.to_str()).expect("the name is UTF-8");
            // A node that every condition may hold on.
            let node = [
                "--cluster-name",
                "Prod-Discovery-Family-15.4-nightly-2",
                "--role",
                "driver",
                "--access-mode",
                "dedicated",
                "--os",
                "debian-12",
                "--arch",
                "amd64",
            ];
            let output = agent_in(folder, &[&["check", name], &node[..]].concat()).ended(0);
            // A hook without a check gets a note.
            let lines: Vec<&str> = output.stderr.lines().filter(|line| !line.starts_with("note: ")).collect();
            assert_eq!((output.stdout.as_str(), lines.as_slice()), ("", &["1 profile sound"][..]));
            let shown = agent_in(folder, &[&["check", "--show", name], &node[..]].concat()).ended(0);
            insta::with_settings!({ filters => [(r"sha256:[0-9a-f]{64}", "sha256:[SHA256]")] }, {
                insta::assert_snapshot!(shown.stdout);
            });
        });
    });
}

#[test]
fn every_shipped_profile_is_sound_by_path_and_by_name() {
    let profiles = project().join("profiles");
    let mut names = Vec::new();
    for path in crate::support::entries(&profiles) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".toml")) else { continue };
        agent_in(&profiles, &["check", &format!("{name}.toml")]).ended(0);
        names.push(name.to_owned());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(names.len() >= 7, "{names:?}");
    let output = agent_in(project(), &[&["check"], &names[..]].concat()).ended(0);
    assert_eq!(output.stderr, format!("{} profiles sound\n", names.len()));
}

#[test]
fn the_family_profile_is_shown_with_the_entries_of_base() {
    let output = agent_in(project(), &["check", "--show", "family"]).ended(0);
    insta::with_settings!({ omit_expression => true, filters => [(r"sha256:[0-9a-f]{64}", "sha256:[SHA256]")] }, {
        insta::assert_snapshot!(output.stdout);
    });
}

#[test]
fn every_key_of_the_grammar_is_used_by_one_of_them() {
    let schema = agent_in(project(), &["schema"]).ended(0).json();
    let mut known = BTreeSet::new();
    keys_of_schema(&schema, &mut known);
    assert!(known.len() > 50, "{known:?}");
    let mut used = BTreeSet::new();
    for path in crate::support::entries(&project().join("tests/fixtures/profiles/good")) {
        keys_of_value(&crate::schema::read(&path).expect("it is TOML"), &mut used);
    }
    // A branch needs a lock, and locks do not contain git repositories yet.
    let unused: Vec<_> = known.difference(&used).filter(|key| *key != "branch").collect();
    assert!(unused.is_empty(), "no good profile uses {unused:?}");
}

fn keys_of_schema(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            keys.extend(
                object.get("properties").and_then(Value::as_object).into_iter().flat_map(|known| known.keys().cloned()),
            );
            object.values().for_each(|below| keys_of_schema(below, keys));
        }
        Value::Array(list) => list.iter().for_each(|below| keys_of_schema(below, keys)),
        _ => {}
    }
}

fn keys_of_value(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, below) in object {
                keys.insert(key.clone());
                keys_of_value(below, keys);
            }
        }
        Value::Array(list) => list.iter().for_each(|below| keys_of_value(below, keys)),
        _ => {}
    }
}
