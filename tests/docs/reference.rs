//! Every key, command, option, status, event and field is in its reference page.

use regex::Regex;
use serde_json::Value;

use crate::pages::{page, printed, section};

/// The keys of an object schema, with those of all schemas below it.
fn keys_below(schema: &Value, root: &Value, keys: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(target) = object.get("$ref").and_then(Value::as_str) {
                keys_below(root.pointer(target.trim_start_matches('#')).expect("the schema is whole"), root, keys);
            }
            for (name, below) in object {
                if name == "properties" {
                    let properties = below.as_object().expect("properties are an object");
                    keys.extend(properties.keys().cloned());
                    properties.values().for_each(|property| keys_below(property, root, keys));
                } else {
                    keys_below(below, root, keys);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|item| keys_below(item, root, keys)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_grammar_is_documented() {
    let schema: Value = serde_json::from_str(&printed(&["schema"])).expect("the schema is JSON");
    let page = page("docs/profile.md");
    let shared = section(&page, "## Entries of lists").to_owned() + section(&page, "## Conditions");
    for (name, property) in schema["properties"].as_object().expect("a profile is a table") {
        assert!(section(&page, "## The file as a whole").contains(&format!("`{name}`")), "`{name}`");
        let mut keys = Vec::new();
        keys_below(property, &schema, &mut keys);
        for key in keys {
            let heading = match name.as_str() {
                "vars" => "## Values".to_owned(),
                "when" => "## Conditions".to_owned(),
                _ => format!("## `[{name}]`"),
            };
            let text = section(&page, &heading);
            let key = format!("`{key}`");
            assert!(text.contains(&key) || shared.contains(&key), "{key} is not under [{name}]");
        }
    }
}

#[test]
fn every_key_of_an_access_file_is_documented() {
    let schema: Value = serde_json::from_str(&printed(&["schema", "access"])).expect("the schema is JSON");
    let page = page("docs/access.md");
    let mut keys = Vec::new();
    keys_below(&schema, &schema, &mut keys);
    assert!(keys.len() > 20, "{keys:?}");
    for key in keys {
        assert!(page.contains(&format!("`{key}`")), "`{key}`");
    }
}

/// The subcommands of a command, from its help.
fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn options_are_documented(path: &[String], page: &str) {
    let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let help = printed(&words);
    let heading = format!("{} `nodeagent {}`", if path.len() > 1 { "###" } else { "##" }, path.join(" "));
    let own = if path.is_empty() { "" } else { section(page, &heading) };
    let text = own.to_owned() + section(page, "## Options of all commands");
    // The help of an option begins with its name. Names in its text belong to other options.
    let option = Regex::new(r"(?m)^ +(?:-\w, )?(--[a-z-]+)").expect("a fixed pattern");
    for found in option.captures_iter(&help) {
        assert!(text.contains(&found[1]), "{} is not documented for {path:?}", &found[1]);
    }
    for command in commands(&help) {
        let below: Vec<String> = path.iter().cloned().chain([command]).collect();
        options_are_documented(&below, page);
    }
}

#[test]
fn every_command_and_option_is_documented() {
    options_are_documented(&[], &page("docs/commands.md"));
}

#[test]
fn every_exit_status_is_documented() {
    let help = printed(&["--help"]);
    let statuses = section(&help, "Exit status:").lines().map_while(|line| line.trim().split_once("  "));
    let page = page("docs/exit-codes.md");
    let mut seen = 0;
    for (status, _) in statuses {
        assert!(page.contains(&format!("\n| {status} | ")), "status {status}");
        seen += 1;
    }
    assert_eq!(seen, 5);
}

/// The variants of an enumeration in a source text, as serde writes them.
fn variants(source: &str, name: &str) -> Vec<String> {
    let body = source.split(&format!("pub enum {name} {{\n")).nth(1).expect("the enumeration is there");
    let body = body.split("\n}").next().expect("split gives one part at least");
    let variant = Regex::new(r"(?m)^    ([A-Z]\w+)").expect("a fixed pattern");
    let capital = Regex::new("([a-z])([A-Z])").expect("a fixed pattern");
    variant.captures_iter(body).map(|found| capital.replace_all(&found[1], "$1-$2").to_lowercase()).collect()
}

#[test]
fn every_event_status_and_outcome_is_documented() {
    let source = page("src/report/event.rs");
    let page = page("docs/events.md");
    for name in ["EventKind", "StepStatus", "Outcome"] {
        let variants = variants(&source, name);
        assert!(variants.len() > 4, "{name}: {variants:?}");
        for variant in variants {
            assert!(page.contains(&format!("\n| `{variant}` | ")), "`{variant}` of {name}");
        }
    }
}

#[test]
fn every_field_of_the_report_is_documented() {
    let source = page("src/report/model.rs");
    let page = page("docs/report.md");
    for name in ["Report", "StepReport", "TaskReport", "Wait"] {
        let body = source.split(&format!("pub struct {name} {{\n")).nth(1).expect("the structure is there");
        let body = body.split("\n}").next().expect("split gives one part at least");
        for line in body.lines().filter_map(|line| line.trim().strip_prefix("pub ")) {
            let field = line.split(':').next().expect("a field has a type").replace('_', "-");
            assert!(page.contains(&format!("`{field}`")), "`{field}` of {name}");
        }
    }
}

#[test]
fn every_test_of_the_reliability_page_exists() {
    let page = page("docs/reliability.md");
    let named = Regex::new(r"`(cli|container|clouds)::(\w+)::(\w+)`").expect("the pattern is fixed");
    let mut count = 0;
    for test in named.captures_iter(&page) {
        let file = format!("tests/{}/{}.rs", &test[1], &test[2]);
        let source = crate::pages::page(&file);
        assert!(source.contains(&format!("fn {}()", &test[3])), "there is no test `{}` in {file}", &test[3]);
        count += 1;
    }
    assert!(count >= 20, "{count} tests");
}
