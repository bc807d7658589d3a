//! What fails on the way: exit 1 (or less, where it is optional), cause and remedy named, everything else done.

use crate::support::{LIBRARY, Node, PROFILES, R};

#[test]
fn an_unknown_apt_package_fails_with_a_hint_and_the_rest_is_done() {
    let Some(node) = Node::fresh("apt") else { return };
    node.profile("[apt]\npackages = [\"jqq-no-such\"]\n[shell]\nbashrc = { text = \"PS1='ring> '\" }\n");
    let said = node.run(&[]);
    said.exits(1).is_brief().says("Unable to locate package jqq-no-such").says("ring.toml:4");
    said.says("hint: no apt source of this node offers `jqq-no-such`").says("1 step done, 1 failed");
    node.sh("grep -q 'ring> ' /root/.bashrc");

    node.profile("[apt]\npackages = [\"jq\", { name = \"jqq-no-such\", optional = true }]\n");
    node.run(&[]).exits(0).is_brief().says("degraded").says("warning: optional step").says("jqq-no-such");
    node.sh("jq --version");
    node.run(&["--strict"]).exits(3).says("degraded");

    let version = node.sh("dpkg-query -W -f '${Version}' jq");
    node.profile(&format!("[apt]\npackages = [\"jq={version}\"]\n"));
    node.run(&[]).exits(0).says("nothing to do");
    node.profile("[apt]\npackages = [\"jq=0.0-1\"]\n");
    node.run(&[]).exits(1).is_brief().says("jq").says("0.0-1").says(version.trim());
}

#[test]
fn an_r_package_without_its_system_library_names_the_debian_package() {
    let Some(node) = Node::fresh("rlib") else { return };
    node.profile(&format!("{R}packages = [\"needsneedslib\", \"tinyc\", \"tinybin\"]\n"));
    let said = node.run(&[]);
    said.exits(1).is_brief().says("R package `needslib` could not be built").says("sodium.h");
    said.says("hint: add \"libsodium-dev\" to `packages` under `[apt]`");
    said.says("not installed because of it: needsneedslib").says("ring.toml:5");
    assert_eq!(node.sh(&format!("ls -A {LIBRARY}")), "tinybin\ntinyc\ntinypure\n", "independent packages are there");
    node.is_tidy();
    node.sh("Rscript -e 'library(tinyc)'");

    node.profile(&format!("[apt]\npackages = [\"libsodium-dev\"]\n{R}packages = [\"needsneedslib\", \"tinyc\"]\n"));
    node.run(&[]).exits(0).says("r: done");
    node.sh("Rscript -e 'library(needsneedslib)'");
    node.profile(&format!("{R}packages = [\"nosuchpackage\"]\n"));
    node.run(&[]).exits(1).is_brief().says("nosuchpackage").says("ring.toml:5");
    // A pin below what is there, and one from the past of the repository.
    node.profile(&format!("{R}packages = [\"tinypure@0.9\"]\n"));
    node.run(&[]).exits(0);
    assert!(node.sh(&format!("cat {LIBRARY}/tinypure/DESCRIPTION")).contains("Version: 0.9"));
}

#[test]
fn a_step_that_takes_too_long_is_ended_and_leaves_nothing() {
    let Some(node) = Node::fresh("slow") else { return };
    slow_package(&node);
    node.sh("touch /tmp/slow");
    node.profile(&format!("{R}sources = [{{ path = \"slowr_1.0.tar.gz\", timeout = \"3s\" }}]\n"));
    let said = node.run(&[]);
    said.exits(1).is_brief().says("did not finish within 3s").says("ring.toml:5").says("timeout");
    let children = node.exec(&[], &["pgrep", "-f", "sleep 61[7]"]);
    assert_eq!(children.code, 1, "its children are ended: {children}");
    assert_eq!(node.sh(&format!("ls -A {LIBRARY}")), "");

    // The same for the whole run.
    node.profile(&format!("{R}sources = [\"slowr_1.0.tar.gz\"]\n"));
    let said = node.run(&["--deadline", "4s"]);
    said.exits(4).is_brief().says("the deadline passed after").says("slowr");
    assert_eq!(node.exec(&[], &["pgrep", "-f", "sleep 61[7]"]).code, 1, "its children are ended");

    node.sh("rm /tmp/slow");
    node.run(&[]).exits(0).says("r: done");
    node.sh("Rscript -e 'library(slowr)'");
    node.is_tidy();
}

/// A source package whose `configure` sleeps as long as `/tmp/slow` is there.
pub(crate) fn slow_package(node: &Node) {
    node.sh(&format!(
        "set -e; mkdir -p /tmp/build/slowr/R; cd /tmp/build
        printf 'Package: slowr\\nVersion: 1.0\\nTitle: Slow\\nLicense: MIT\\nDescription: Slow.\\nAuthor: x\\nMaintainer: x <x@example.com>\\n' > slowr/DESCRIPTION
        echo 'export(f)' > slowr/NAMESPACE
        echo 'f <- function() 1' > slowr/R/f.R
        printf '#!/bin/sh\\nif [ -e /tmp/slow ]; then sleep 617; fi\\n' > slowr/configure
        chmod 755 slowr/configure
        mkdir -p {PROFILES}; tar -czf {PROFILES}/slowr_1.0.tar.gz slowr"
    ));
}
