//! Reads the documents and starts the program.

use std::{fs, process::Output};

use assert_cmd::Command;

use crate::support::entries;
pub(crate) use crate::support::project;

/// A document, by its path from the top of the project.
pub(crate) fn page(name: &str) -> String {
    fs::read_to_string(project().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The paths of all documents. The fragments in `bench/` are parts of a page in `docs/`.
pub(crate) fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/examples", "tests/image", "tests/workspace"] {
        for path in entries(&project().join(folder)) {
            let name = path.strip_prefix(project()).expect("it is in the project").to_string_lossy().into_owned();
            if path.is_file() && path.extension().is_some_and(|ending| ending == "md") {
                pages.push(name);
            }
        }
    }
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

/// The part of a page below a heading, up to the next heading of the same level.
pub(crate) fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no heading `{heading}`"));
    let rest = &page[start + heading.len() + 2..];
    let level = heading.split(' ').next().expect("a heading begins with #");
    rest.find(&format!("\n{level} ")).map_or(rest, |end| &rest[..end])
}

/// Runs the program without the environment of this machine.
pub(crate) fn nodeagent(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("nodeagent").expect("the binary was built");
    command.env_clear().args(arguments).output().expect("it can be started")
}

/// The standard output of a command that succeeds.
pub(crate) fn printed(arguments: &[&str]) -> String {
    let output = nodeagent(arguments);
    assert!(output.status.success(), "nodeagent {arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
