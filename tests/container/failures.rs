//! Steps that fail or refuse the run: status 1 or 2, or 0 for an optional step, with cause and hint.

use crate::support::{LIBRARY, Node, PROFILES, R};

#[test]
fn an_unknown_apt_package_refuses_the_run_with_a_hint() {
    let Some(node) = Node::fresh("apt") else { return };
    node.profile("[apt]\npackages = [\"jqq-no-such\"]\n[shell]\nbashrc = { text = \"PS1='ring> '\" }\n");
    // With the node's lists, and without any lists.
    for lists in ["", "rm -rf /var/lib/apt/lists/*"] {
        node.sh(lists);
        let before = node.sh("find /var/lib/apt /var/lib/dpkg /etc /root | sort | sha256sum");
        let output = node.run(&[]);
        output.exits(2).is_brief().prints("Unable to locate package jqq-no-such").prints("ring.toml:4");
        output.prints("hint: no apt source of this node offers `jqq-no-such`").prints("nothing was changed");
        assert_eq!(node.sh("find /var/lib/apt /var/lib/dpkg /etc /root | sort | sha256sum"), before);
    }

    node.profile("[apt]\npackages = [\"jq\", { name = \"jqq-no-such\", optional = true }]\n");
    node.run(&[]).exits(0).is_brief().prints("degraded").prints("warning: optional step").prints("jqq-no-such");
    node.sh("jq --version");
    // The lists that the step fetched are the node's lists now.
    node.sh("apt-cache show less > /dev/null");
    node.run(&["--strict"]).exits(3).prints("degraded");

    let version = node.sh("dpkg-query -W -f '${Version}' jq");
    node.profile(&format!("[apt]\npackages = [\"jq={version}\"]\n"));
    node.run(&[]).exits(0).prints("nothing to do");
    node.profile("[apt]\npackages = [\"jq=0.0-1\"]\n");
    node.run(&[]).exits(2).is_brief().prints("jq").prints("0.0-1").prints(version.trim());
}

#[test]
fn an_r_package_without_its_system_library_names_the_debian_package() {
    let Some(node) = Node::fresh("rlib") else { return };
    node.profile(&format!("{R}packages = [\"needsneedslib\", \"tinyc\", \"tinybin\"]\n"));
    let output = node.run(&[]);
    output.exits(1).is_brief().prints("R package `needslib` could not be built").prints("sodium.h");
    output.prints("hint: add \"libsodium-dev\" to `packages` under `[apt]`");
    output.prints("not installed because of it: needsneedslib").prints("ring.toml:5");
    assert_eq!(
        node.sh(&format!("ls -A {LIBRARY}")),
        "tinybin\ntinyc\ntinypure\n",
        "independent packages are installed"
    );
    node.is_tidy();
    node.sh("Rscript -e 'library(tinyc)'");

    node.profile(&format!("[apt]\npackages = [\"libsodium-dev\"]\n{R}packages = [\"needsneedslib\", \"tinyc\"]\n"));
    node.run(&[]).exits(0).prints("r: done");
    node.sh("Rscript -e 'library(needsneedslib)'");
    node.profile(&format!("{R}packages = [\"nosuchpackage\"]\n"));
    node.run(&[]).exits(2).is_brief().prints("nosuchpackage").prints("ring.toml:5");
    // A version below the installed one, from the archive of the repository.
    node.profile(&format!("{R}packages = [\"tinypure@0.9\"]\n"));
    node.run(&[]).exits(0);
    assert!(node.sh(&format!("cat {LIBRARY}/tinypure/DESCRIPTION")).contains("Version: 0.9"));
}

#[test]
fn a_step_that_exceeds_its_timeout_is_ended_and_leaves_nothing() {
    let Some(node) = Node::fresh("slow") else { return };
    slow_package(&node);
    node.sh("touch /tmp/slow");
    node.profile(&format!("{R}sources = [{{ path = \"slowr_1.0.tar.gz\", timeout = \"3s\" }}]\n"));
    let output = node.run(&[]);
    output.exits(1).is_brief().prints("did not finish within 3s").prints("ring.toml:5").prints("timeout");
    let children = node.exec(&[], &["pgrep", "-f", "sleep 61[7]"]);
    assert_eq!(children.code, 1, "a child still runs: {children}");
    assert_eq!(node.sh(&format!("ls -A {LIBRARY}")), "");

    // The same with the deadline of the run.
    node.profile(&format!("{R}sources = [\"slowr_1.0.tar.gz\"]\n"));
    let output = node.run(&["--deadline", "4s"]);
    output.exits(4).is_brief().prints("the deadline passed after").prints("slowr");
    assert_eq!(node.exec(&[], &["pgrep", "-f", "sleep 61[7]"]).code, 1, "a child still runs");

    node.sh("rm /tmp/slow");
    node.run(&[]).exits(0).prints("r: done");
    node.sh("Rscript -e 'library(slowr)'");
    node.is_tidy();
}

/// A source package whose `configure` script sleeps if `/tmp/slow` exists.
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
