//! The JSON Schema that `nodeagent schema` prints and the parser agree on every profile of the fixtures.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{agent_in, entries, project};

/// Invalid profiles that the schema accepts, because they break rules about meaning.
const BEYOND_SHAPE: &str = include_str!("../fixtures/profiles/beyond_shape.txt");

#[test]
fn the_schema_accepts_every_good_profile() {
    let validator = validator();
    let shipped = project().join("profiles");
    let good = project().join("tests/fixtures/profiles/good");
    let mut count = 0;
    for path in entries(&good).into_iter().chain(entries(&shipped)) {
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let profile = read(&path).expect("it is TOML");
        let errors: Vec<String> = validator.iter_errors(&profile).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        count += 1;
    }
    assert!(count > 20, "only {count} profiles were found");
}

#[test]
fn the_schema_rejects_every_profile_of_invalid_shape_and_no_other() {
    let validator = validator();
    let beyond: Vec<&str> = BEYOND_SHAPE.lines().filter(|line| !line.starts_with('#')).collect();
    let (mut refused, mut accepted, mut wrong) = (0, Vec::new(), Vec::new());
    for path in entries(&project().join("tests/fixtures/profiles/bad")) {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        // A file that is not TOML cannot be validated.
        let Some(profile) = read(&path) else { continue };
        match (validator.is_valid(&profile), beyond.contains(&name.as_str())) {
            (true, true) => accepted.push(name),
            (false, false) => refused += 1,
            (true, false) => wrong.push(format!("{name}: the parser refuses its shape, the schema does not")),
            (false, true) => wrong.push(format!("{name}: listed as beyond the schema, which refuses it")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(accepted.len(), beyond.len(), "the list names profiles that are not there: {accepted:?}");
    assert!(refused > 25, "only {refused} profiles of a bad shape");
}

#[test]
fn editors_can_use_the_schema() {
    let schema = agent_in(project(), &["schema"]).ended(0).json();
    jsonschema::meta::validate(&schema).expect("it follows its own meta-schema");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    // Every key has a description for editors.
    for (key, property) in schema["properties"].as_object().expect("it has properties") {
        assert!(property["description"].is_string(), "`{key}` has no description");
    }
}

fn validator() -> jsonschema::Validator {
    let schema = agent_in(project(), &["schema"]).ended(0).json();
    jsonschema::validator_for(&schema).expect("the schema is sound")
}

/// A profile as JSON; `None` if it is not TOML. JSON has no dates: they become `null`, which the schema accepts
/// nowhere.
pub(crate) fn read(path: &Path) -> Option<Value> {
    let text = String::from_utf8(fs::read(path).expect("fixtures are readable")).ok()?;
    let table: toml::Table = text.trim_start_matches('\u{feff}').parse().ok()?;
    Some(json(toml::Value::Table(table)))
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(_) => Value::Null,
        toml::Value::Array(list) => list.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, json(value))).collect::<serde_json::Map<_, _>>().into()
        }
    }
}
