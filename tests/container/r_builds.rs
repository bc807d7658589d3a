//! R builds in a shared store: each package is built once and is equal on all nodes.

use std::path::Path;

use crate::{
    shared::Shared,
    support::{CommandOutput, LIBRARY, Node, R, assert_same, host},
};

/// A fresh node with the shared folder, and a profile with packages with C, with C++ and with neither.
fn fresh_node(shared: &Shared, what: &str) -> Option<Node> {
    let node = shared.fresh(what, &[])?;
    node.profile(&format!("{R}packages = [\"tinyc\", \"yaml\"]\n"));
    Some(node)
}

/// The files below a subfolder of the shared folder.
fn files(shared: &Shared, folder: &str) -> Vec<String> {
    let found = CommandOutput::of(host("find").arg(shared.path().join(folder)).args(["-type", "f"]), "find");
    found.exits(0).stdout.lines().map(str::to_owned).collect()
}

/// The tasks of all runs of a node in order, without downloads.
fn tasks(node: &Node) -> Vec<String> {
    let events = node.sh("cat /var/log/nodeagent/*/events.jsonl");
    let task = |line: &str| line.split_once("\"task\":\"")?.1.split('"').next().map(str::to_owned);
    events.lines().filter_map(task).filter(|task| !task.starts_with("download")).collect()
}

/// Every file of the library with name, type, mode, owner, target of a link, and digest.
fn library(node: &Node) -> String {
    node.sh(&format!(
        "cd {LIBRARY} && find . -printf '%P %y %m %u:%g %l\\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum"
    ))
}

/// Replaces the compilers by scripts that print the version and compile nothing.
fn without_compilers(node: &Node) {
    node.sh(
        "for name in gcc g++ cc c++; do
            printf '#!/bin/sh\\nfor last; do :; done\\n[ \"$last\" = --version ] && exec /usr/bin/%s \"$@\"\\nexit 1\\n' $name \
         > /usr/local/bin/$name
            chmod 755 /usr/local/bin/$name
        done",
    );
}

/// Asserts that R can use the packages.
fn works(node: &Node) {
    node.sh("Rscript -e 'library(tinyc); library(yaml); stopifnot(as.yaml(1) == \"1.0\\n\")'");
}

const STORE: [&str; 2] = ["--store", "/shared"];

#[test]
fn a_second_node_uses_the_builds_of_the_first_and_starts_no_compiler() {
    let Some(shared) = Shared::new("second") else { return };
    let (Some(one), Some(two)) = (fresh_node(&shared, "builds-one"), fresh_node(&shared, "builds-two")) else { return };
    one.run(&STORE).exits(0);
    let mut built = tasks(&one);
    built.sort();
    assert_eq!(built, ["build tinyc", "build tinypure", "build yaml"]);
    assert_eq!(files(&shared, "v1/entries/r-build").len(), 3);

    without_compilers(&two);
    two.run(&STORE).exits(0);
    let mut taken = tasks(&two);
    taken.sort();
    assert_eq!(taken, ["tinyc", "tinypure", "yaml"].map(|name| format!("unpack {name} from the store")));
    assert_same(&library(&one), &library(&two), "an unpacked build equals a build");
    works(&one);
    works(&two);
    two.run(&STORE).exits(0).prints("nothing to do");
    one.is_tidy();
    two.is_tidy();

    // The replaced compilers really fail. A damaged object is reported and built again.
    two.sh(&format!("rm -rf {LIBRARY}/* /var/cache/nodeagent"));
    two.run(&[]).exits(1).prints("could not be built");
    two.sh("rm /usr/local/bin/gcc /usr/local/bin/g++ /usr/local/bin/cc /usr/local/bin/c++");
    for object in files(&shared, "v1/objects") {
        spoil(Path::new(&object));
    }
    two.sh(&format!("rm -rf {LIBRARY}/* /var/cache/nodeagent"));
    two.run(&STORE).exits(0).prints("warning").prints("is not used: its digest is");
    works(&two);
}

/// Changes a byte in the middle.
fn spoil(path: &Path) {
    let mut bytes = std::fs::read(path).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    #[expect(clippy::disallowed_methods, reason = "a disk damages a file in place, too")]
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn nodes_that_start_together_build_each_package_once() {
    let Some(shared) = Shared::new("together") else { return };
    let nodes: Vec<Node> =
        ["together-one", "together-two"].iter().filter_map(|what| fresh_node(&shared, what)).collect();
    let running: Vec<_> = nodes.iter().map(|node| node.begin_run(&STORE)).collect();
    for child in running {
        CommandOutput::wait(child, "nodeagent run").exits(0);
    }
    let all: Vec<String> = nodes.iter().flat_map(tasks).collect();
    for package in ["tinyc", "tinypure", "yaml"] {
        let count = |what: &str| all.iter().filter(|task| *task == what).count();
        let (built, taken) = (count(&format!("build {package}")), count(&format!("unpack {package} from the store")));
        assert_eq!((built, taken), (1, 1), "{package}: {all:?}");
    }
    assert_same(&library(&nodes[0]), &library(&nodes[1]), "the nodes are equal");
    nodes.iter().for_each(works);
    assert_eq!(files(&shared, "v1/leases"), Vec::<String>::new(), "a lease remains");
}
