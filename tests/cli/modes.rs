//! The permissions of the files that nodeagent creates.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::support::{NodeTest, TOKEN_OF_FAMILY};

/// A profile whose run creates files of each kind: texts, secrets, settings, folders, hooks with secrets.
fn node() -> NodeTest {
    let profile = format!(
        "{TOKEN_OF_FAMILY}\n\
         [files.\"/opt/made/text\"]\ntext = \"A\"\n\
         [files.\"/opt/folder\"]\ndir = true\n\
         [files.\"/etc/known\"]\nlines = [\"A\"]\n\
         [env.variables]\nA = \"1\"\nTOKEN = {{ secret = \"token\" }}\n\
         [shell.variables]\nB = \"2\"\n\
         [hooks.one]\ntext = \"#!/bin/sh\\ntrue\"\nsecrets = {{ TOKEN = \"token\" }}\n"
    );
    NodeTest::new().var("FAMILY_TOKEN", "marker-hunter2").file("etc/known", "B\n").profile(&profile)
}

/// Path, kind and permissions of everything on a node. The name of the run is `RUN`.
fn modes(node: &NodeTest) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, lines: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let found = entry.symlink_metadata().expect("it is there");
            let path = entry.strip_prefix(root).expect("below the root").display().to_string();
            let is_run = |part: &str| part.len() > 17 && part.as_bytes()[8] == b'T' && part.as_bytes()[15] == b'Z';
            let path: Vec<&str> = path.split('/').map(|part| if is_run(part) { "RUN" } else { part }).collect();
            let kind = if found.is_dir() { "folder" } else { "file" };
            lines.push(format!("{:04o} {kind} /{}", found.permissions().mode() & 0o7777, path.join("/")));
            if found.is_dir() {
                walk(root, &entry, lines);
            }
        }
    }
    let mut lines = Vec::new();
    walk(&node.root(), &node.root(), &mut lines);
    lines.sort_by(|a, b| a.split_once('/').map(|(_, path)| path).cmp(&b.split_once('/').map(|(_, path)| path)));
    lines
}

#[test]
fn the_umask_has_no_effect_on_the_permissions_of_files() {
    let all = ["0", "022", "077"].map(|umask| {
        let node = node();
        let before = modes(&node);
        node.agent_with_umask(umask, &["run", "--profile", "x.toml"]).ended(0);
        let mut after = modes(&node);
        after.retain(|line| !before.contains(line));
        after.join("\n")
    });
    assert_eq!(all[0], all[1]);
    assert_eq!(all[1], all[2]);
    insta::assert_snapshot!(all[1]);
}
