//! Every link and every script in the documents exists, and the README leads to every document.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

use crate::pages::{page, pages, project};

/// A relative link: the line of it, the file it names and the anchor in that file.
struct Link {
    line: usize,
    target: PathBuf,
    anchor: Option<String>,
}

/// The relative links of a page.
fn links(name: &str) -> Vec<Link> {
    let pattern = Regex::new(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)").expect("a fixed pattern");
    let text = page(name);
    let found = pattern.captures_iter(&text).filter(|found| !found[1].contains("://"));
    let link = |found: regex::Captures<'_>| {
        let file = project().join(name);
        Link {
            line: text[..found.get(0).expect("the whole match").start()].matches('\n').count() + 1,
            target: if found[1].is_empty() { file } else { file.parent().expect("a folder").join(&found[1]) },
            anchor: found.get(2).map(|anchor| anchor.as_str().to_owned()),
        }
    };
    found.map(link).collect()
}

/// The anchors of a page's headings: lower case, spaces as dashes, punctuation removed.
fn anchors(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).expect("it is a page");
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect::<String>())
        .map(|line| line.replace(' ', "-"))
        .collect()
}

#[test]
fn every_relative_link_has_a_target() {
    let mut problems = Vec::new();
    for name in pages() {
        for Link { line, target, anchor } in links(&name) {
            let shown = target.display();
            if !target.exists() {
                problems.push(format!("{name}:{line}: `{shown}` does not exist"));
            } else if let Some(anchor) = anchor
                && !anchors(&target).contains(&anchor)
            {
                problems.push(format!("{name}:{line}: `{shown}` has no heading `#{anchor}`"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_readme_leads_to_every_page_of_the_documentation() {
    let mut reached = BTreeSet::new();
    let mut open = vec![project().join("README.md")];
    while let Some(file) = open.pop().and_then(|file| file.canonicalize().ok()) {
        if file.extension().is_none_or(|ending| ending != "md") || !reached.insert(file.clone()) {
            continue;
        }
        let name = file.strip_prefix(project()).expect("it is in the project").to_string_lossy().into_owned();
        open.extend(links(&name).into_iter().map(|link| link.target));
    }
    let is_lost = |name: &String| !name.starts_with("tests/") && !reached.contains(&project().join(name));
    let lost: Vec<String> = pages().into_iter().filter(is_lost).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn every_script_in_the_documents_exists() {
    let script = Regex::new(r"(?:scripts|bench|\.ci)/[a-z][a-z.-]*[a-z]").expect("a fixed pattern");
    let mut seen = 0;
    for name in pages() {
        let text = page(&name);
        for (line, text) in (1..).zip(text.lines()) {
            for found in script.find_iter(text).filter(|found| !text[..found.start()].ends_with(['_', '/'])) {
                assert!(project().join(found.as_str()).exists(), "{name}:{line}: `{}` does not exist", found.as_str());
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen} scripts were found");
}
