//! The documents say what the program is: every key, command, option, status and event is in them, every profile they
//! show is sound, and every link leads somewhere.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use assert_cmd::Command;
use nodeagent::fs::Attributes;
use regex::Regex;
use serde_json::Value;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(project().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// README, the documents of the top level and those of docs/.
fn pages() -> Vec<String> {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned);
    let guide = fs::read_dir(project().join("docs")).expect("docs/ is there");
    let guide = guide.map(|entry| format!("docs/{}", entry.expect("readable").file_name().to_string_lossy()));
    top.into_iter().chain(guide.filter(|name| name.ends_with(".md"))).collect()
}

/// The part of a page below a heading, down to the next of its level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no heading `{heading}`"));
    let rest = &page[start + heading.len() + 2..];
    let level = heading.split(' ').next().expect("a heading begins with #");
    rest.find(&format!("\n{level} ")).map_or(rest, |end| &rest[..end])
}

fn nodeagent(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("nodeagent").expect("the binary was built");
    // What the machine's own environment says about clusters and colours is not part of the question.
    command.env_clear().args(arguments).output().expect("it can be started")
}

fn printed(arguments: &[&str]) -> String {
    let output = nodeagent(arguments);
    assert!(output.status.success(), "nodeagent {arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The keys of an object schema and of all that is below it.
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
fn every_key_of_the_grammar_is_in_the_page_about_profiles() {
    let schema: Value = serde_json::from_str(&printed(&["schema"])).expect("the schema is JSON");
    let page = page("docs/profile.md");
    let shared = section(&page, "## Entries of lists").to_owned() + section(&page, "## Conditions");
    for (name, property) in schema["properties"].as_object().expect("a profile is a table") {
        assert!(section(&page, "## The file as a whole").contains(&format!("`{name}`")), "`{name}`");
        let mut keys = Vec::new();
        keys_below(property, &schema, &mut keys);
        for key in keys {
            let text = section(&page, &format!("## `[{name}]`"));
            let key = format!("`{key}`");
            assert!(text.contains(&key) || shared.contains(&key), "{key} is not under [{name}]");
        }
    }
}

#[test]
fn every_profile_in_the_documents_is_sound() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let mut seen = 0;
    for name in pages() {
        let text = page(&name);
        for example in text.split("```toml\n").skip(1) {
            let example = example.split("\n```").next().expect("split gives one part at least");
            let head = if example.contains("schema = 1") { "" } else { "schema = 1\nname = \"example\"\n" };
            let file = temp.path().join(format!("{seen}.toml"));
            let text = format!("{head}{example}\n");
            nodeagent::fs::replace(&file, text.as_bytes(), Attributes::default()).expect("written");
            let output = nodeagent(&["check", &file.to_string_lossy()]);
            assert!(output.status.success(), "{name}: {example}\n{}", String::from_utf8_lossy(&output.stderr));
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen} profiles were found");
}

#[test]
fn every_access_file_in_the_documents_is_sound() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let file = temp.path().join("access.toml");
    let mut seen = 0;
    for name in pages() {
        for example in page(&name).split("```toml access\n").skip(1) {
            let example = example.split("\n```").next().expect("split gives one part at least");
            nodeagent::fs::replace(&file, example.as_bytes(), Attributes::default()).expect("written");
            let output = nodeagent(&["check", &file.to_string_lossy()]);
            assert!(output.status.success(), "{name}: {example}\n{}", String::from_utf8_lossy(&output.stderr));
            seen += 1;
        }
    }
    assert!(seen >= 1, "no access file was found");
}

#[test]
fn every_key_of_an_access_file_is_in_the_page_about_it() {
    let schema: Value = serde_json::from_str(&printed(&["schema", "access"])).expect("the schema is JSON");
    let page = page("docs/access.md");
    let mut keys = Vec::new();
    keys_below(&schema, &schema, &mut keys);
    assert!(keys.len() > 20, "{keys:?}");
    for key in keys {
        assert!(page.contains(&format!("`{key}`")), "`{key}`");
    }
}

/// All of `src` but its tests, as the program prints it: a text that goes on in the next line is one.
fn sources() -> String {
    fn below(folder: &Path, into: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder of src") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                below(&path, into);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                into.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
            }
        }
    }
    let mut text = String::new();
    below(&project().join("src"), &mut text);
    let continued = Regex::new(r"\\\n\s*").expect("a fixed pattern");
    continued.replace_all(&text, "").into_owned()
}

#[test]
fn every_error_that_is_explained_is_one_that_is_said() {
    let (page, sources) = (page("docs/secrets.md"), sources());
    let quoted = Regex::new("`([^`]+)`").expect("a fixed pattern");
    let rows = section(&page, "## What an error means").lines().filter(|line| line.starts_with("| `"));
    let mut seen = 0;
    for row in rows {
        let said = row.split(" | ").next().expect("a row has cells");
        for message in quoted.captures_iter(said) {
            // What stands for a name is left out.
            for part in message[1].split('…').map(str::trim).filter(|part| !part.is_empty()) {
                assert!(sources.contains(part), "nobody says `{part}`, of `{}`", &message[1]);
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "{seen} parts of messages were found");
}

#[test]
fn the_answers_in_the_page_about_access_are_those_of_its_own_file() {
    let page = page("docs/access.md");
    let block = |mark: &str, text: &str| {
        let rest = text.split(&format!("```{mark}\n")).nth(1).expect("the block is there").to_owned();
        rest.split("```").next().expect("split gives one part at least").to_owned()
    };
    let temp = tempfile::tempdir().expect("a temporary folder");
    let folder = temp.path().join("Admin/init_scripts");
    fs::create_dir_all(&folder).expect("made");
    nodeagent::fs::replace(&folder.join("access.toml"), block("toml access", &page).as_bytes(), Attributes::default())
        .expect("written");
    let shown = block("text", section(&page, "## Questions"));
    let local = Regex::new(r"local:\S+").expect("a fixed pattern");
    let mut seen = 0;
    for question in shown.split("$ nodeagent ").skip(1) {
        let (words, answer) = question.split_once('\n').expect("a question has an answer");
        let mut command = Command::cargo_bin("nodeagent").expect("the binary was built");
        command.env_clear().env("DB_CLUSTER_NAME", "Prod-Operational-Family-17.3-nightly-1").args(words.split(' '));
        let output = command.arg("--filestore").arg(temp.path()).output().expect("it can be started");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).replace(&*temp.path().to_string_lossy(), "/dbfs/FileStore");
        // Who runs the tests is not part of the question.
        assert_eq!(local.replace_all(said.trim(), "local:root"), answer.trim(), "{words}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

/// The commands below a command, by its own help.
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
    // An option stands at the beginning of its line; elsewhere others may be spoken of.
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
fn every_command_and_option_is_in_the_page_about_commands() {
    options_are_documented(&[], &page("docs/commands.md"));
}

#[test]
fn every_exit_status_is_in_the_page_about_them() {
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
fn every_event_status_and_outcome_is_in_the_page_about_events() {
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
fn every_field_of_the_report_is_in_the_page_about_it() {
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
fn every_link_between_documents_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)").expect("a fixed pattern");
    for name in pages() {
        let text = page(&name);
        for found in link.captures_iter(&text).filter(|found| !found[1].contains("://")) {
            let folder = project().join(&name);
            let target = match &found[1] {
                "" => folder,
                path => folder.parent().expect("a file is in a folder").join(path),
            };
            assert!(target.exists(), "{name}: {}", &found[0]);
            if let Some(anchor) = found.get(2) {
                let anchors = anchors(&target);
                assert!(anchors.iter().any(|known| known == anchor.as_str()), "{name}: {} of {anchors:?}", &found[0]);
            }
        }
    }
}

/// What a page's headings are called in links: lower case, spaces as dashes, signs left out.
fn anchors(page: &PathBuf) -> Vec<String> {
    let text = fs::read_to_string(page).expect("it is a page");
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect::<String>())
        .map(|line| line.replace(' ', "-"))
        .collect()
}
