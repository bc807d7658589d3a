//! Every example profile and access file is valid, every quoted message exists, and example answers are real.

use std::{fs, path::Path};

use assert_cmd::Command;
use nodeagent::fs::Attributes;
use regex::Regex;

use crate::{
    pages::{nodeagent, page, pages, project, section},
    support::{NodeTest, entries},
};

#[test]
fn every_profile_in_the_documents_is_valid() {
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
fn every_access_file_in_the_documents_is_valid() {
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

/// The source code without its tests, and the scripts. A string that continues on the next line is joined.
fn sources() -> String {
    fn below(folder: &Path, into: &mut String) {
        for path in entries(folder) {
            if path.is_dir() {
                below(&path, into);
            } else if !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                into.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
            }
        }
    }
    let mut text = String::new();
    below(&project().join("src"), &mut text);
    below(&project().join("scripts"), &mut text);
    let continued = Regex::new(r"\\\n\s*").expect("a fixed pattern");
    continued.replace_all(&text, "").into_owned()
}

/// The literal parts of quoted messages: an ellipsis stands for a name.
fn parts(text: &str) -> Vec<String> {
    let quoted = Regex::new("``(.+?)``|`([^`]+)`").expect("a fixed pattern");
    let messages = quoted.captures_iter(text).filter_map(|found| found.get(1).or(found.get(2)));
    let parts = messages.flat_map(|message| message.as_str().split('…')).map(str::trim);
    // A name in backticks leaves a backtick on both sides.
    let parts = parts.map(|part| part.trim_start_matches(['`', ' ']).trim_end_matches([' ', '`']).to_owned());
    parts.filter(|part| part.len() > 3).collect()
}

#[test]
fn every_explained_error_exists_in_the_source() {
    let (page, sources) = (page("docs/secrets.md"), sources());
    let rows = section(&page, "## What an error means").lines().filter(|line| line.starts_with("| `"));
    let messages = rows.filter_map(|row| row.split(" | ").next());
    let parts: Vec<String> = messages.flat_map(parts).collect();
    assert!(parts.len() >= 20, "{parts:?}");
    let unknown: Vec<&String> = parts.iter().filter(|part| !sources.contains(*part)).collect();
    assert!(unknown.is_empty(), "no message has {unknown:?}");
}

/// Messages of other programs in the page about troubleshooting.
const OF_OTHERS: [&str; 6] = [
    "unexpected argument 'family' found",
    "Script exit status is non-zero",
    "E: Unable to locate package",
    "fatal error: sodium.h: No such file or directory",
    "no space left",
    r"\r: command not found",
];

#[test]
fn every_message_in_troubleshooting_exists_in_the_source() {
    let (page, sources) = (page("docs/troubleshooting.md"), sources());
    let bold = Regex::new(r"\*\*(.+?)\*\*").expect("a fixed pattern");
    let titles = page.lines().filter(|line| line.starts_with("**"));
    let messages = titles.flat_map(|line| bold.captures_iter(line).map(|found| found[1].to_owned()));
    let messages: Vec<String> = messages.filter(|message| message.starts_with('`')).collect();
    let parts: Vec<String> = messages.iter().flat_map(|message| parts(message)).collect();
    assert!(parts.len() >= 20, "{parts:?}");
    let is_known = |part: &String| OF_OTHERS.contains(&part.as_str()) || sources.contains(part);
    let unknown: Vec<&String> = parts.iter().filter(|part| !is_known(part)).collect();
    assert!(unknown.is_empty(), "no message has {unknown:?}");
}

#[test]
fn the_example_answers_about_access_are_real() {
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
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).replace(&*temp.path().to_string_lossy(), "/dbfs/FileStore");
        // The name of the user who runs the tests does not matter.
        assert_eq!(local.replace_all(text.trim(), "local:root"), answer.trim(), "{words}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

/// The text blocks of a page, in order.
fn text_blocks(page: &str) -> Vec<&str> {
    let blocks = page.split("```text\n").skip(1);
    blocks.map(|rest| rest.split("\n```").next().expect("split gives one part at least")).collect()
}

#[test]
fn the_outputs_in_the_tutorial_are_real() {
    let page = page("docs/tutorial.md");
    let [sound, broken, plan, ready] = text_blocks(&page)[..] else { panic!("four outputs") };
    let profile = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a profile");
    let node = NodeTest::new().file("root/.bashrc", &"#\n".repeat(7)).work("tutorial.toml", profile);
    assert_eq!(node.agent(&["check", "tutorial.toml"]).ended(0).stderr.trim_end(), sound);
    let planned = node.agent(&["plan", "--profile", "./tutorial.toml"]).ended(0).stdout;
    assert_eq!(planned.replace(&node.root().display().to_string(), "").trim_end(), plan);
    let node = node.debs(&[("jq", "1.6-2.1")]);
    node.agent(&["run", "--profile", "./tutorial.toml"]).ended(0);
    let second = node.agent(&["run", "--profile", "./tutorial.toml"]).ended(0).stderr;
    let words = ready.split(" (").next().expect("a text");
    assert!(second.contains(words), "{second}");
    let node = node.work("tutorial.toml", &profile.replace("packages", "pakages"));
    assert_eq!(node.agent(&["check", "tutorial.toml"]).ended(2).stderr.trim_end(), broken);
}
