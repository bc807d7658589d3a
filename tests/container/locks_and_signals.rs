//! Other programs on the node: locks of dpkg and apt, a second run, signals.

use std::process::Child;

use crate::{
    failures::slow_package,
    support::{CommandOutput, LIBRARY, Node, R},
};

/// Starts a process that holds a lock as apt does, until it is killed. Returns its process id.
fn hold(node: &Node, lock: &str) -> String {
    node.write(
        "/tmp/hold.py",
        "import fcntl, os, sys, time\nlock = open(sys.argv[1], 'w')\nfcntl.lockf(lock, fcntl.LOCK_EX)\nopen('/tmp/held', \
         'w').write(str(os.getpid()))\ntime.sleep(600)\n",
    );
    node.sh(&format!("rm -f /tmp/held; setsid python3 /tmp/hold.py {lock} > /dev/null 2>&1 < /dev/null & true"));
    node.sh("for i in {1..100}; do [ -s /tmp/held ] && break; sleep 0.1; done; cat /tmp/held")
}

/// Waits until an event of the last run matches a pattern.
fn until_event(node: &Node, words: &str) {
    node.sh(&format!(
        "for i in {{1..300}}; do grep -qs '{words}' /var/log/nodeagent/*/events.jsonl && exit 0; sleep 0.1; done; exit 1"
    ));
}

const DPKG_LOCK: &str = "/var/lib/dpkg/lock-frontend";

#[test]
fn a_run_waits_for_the_locks_of_apt_and_names_their_holder() {
    let Some(node) = Node::fresh("lock") else { return };
    node.profile("[apt]\npackages = [\"jq\"]\n");
    let holder = hold(&node, DPKG_LOCK);
    let output = node.run(&["--deadline", "8s"]);
    output
        .exits(4)
        .is_brief()
        .prints("the deadline passed")
        .prints(DPKG_LOCK)
        .prints(&format!("python3 (pid {holder})"));
    node.has_no("jq");
    node.sh(&format!("kill {holder}"));
    for lock in [DPKG_LOCK, "/var/lib/apt/lists/lock"] {
        let holder = hold(&node, lock);
        // The run must update the lists.
        node.sh("rm -f /var/lib/apt/lists/*Packages* /var/lib/apt/lists/*InRelease");
        node.sh("rm -rf /var/log/nodeagent/*");
        let run = node.begin_run(&[]);
        until_event(&node, "waiting");
        node.sh(&format!("kill {holder}"));
        CommandOutput::wait(run, "the waiting run")
            .exits(0)
            .prints(&format!("python3 (pid {holder})"))
            .prints("apt: done");
        node.sh("dpkg --remove jq > /dev/null");
    }
}

#[test]
fn a_second_run_waits_for_the_first_and_finds_nothing_to_do() {
    let Some(node) = Node::fresh("second") else { return };
    node.profile(&format!("{R}packages = [\"tinyc\"]\n[apt]\npackages = [\"jq\"]\n"));
    let first: Child = node.begin_run(&[]);
    until_event(&node, "plan-made");
    let second = node.run(&[]);
    second.exits(0).prints("waits for /var/lib/nodeagent/lock, held by nodeagent (pid ").prints("nothing to do");
    CommandOutput::wait(first, "the first run").exits(0).prints("2 of 2 steps done");
}

#[test]
fn a_signal_ends_the_run_and_its_children() {
    let Some(node) = Node::fresh("signal") else { return };
    slow_package(&node);
    // A package with a slow script: the signal comes while dpkg works.
    node.sh(
        "set -e; mkdir -p /tmp/deb/DEBIAN; cd /tmp
        printf 'Package: slowdeb\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: x <x@example.com>\\nDescription: slow\\n' > deb/DEBIAN/control
        printf '#!/bin/sh\\nif [ -e /tmp/slow ]; then sleep 617; fi\\n' > deb/DEBIAN/postinst
        chmod 755 deb/DEBIAN/postinst; dpkg-deb --build deb /profiles/slowdeb_1.0_all.deb > /dev/null",
    );
    let shell = "[shell]\nbashrc = { text = \"PS1='ring> '\" }\n";
    let kinds = [
        (format!("{shell}{R}sources = [\"slowr_1.0.tar.gz\"]\n"), "TERM"),
        (format!("{shell}[apt]\ndebs = [\"slowdeb_1.0_all.deb\"]\n"), "INT"),
    ];
    for (sections, signal) in kinds {
        node.sh("touch /tmp/slow; rm -rf /var/log/nodeagent/* /root/.bashrc");
        node.profile(&sections);
        let run = node.begin_run(&[]);
        node.sh("for i in {1..300}; do pgrep -f 'sleep 61[7]' > /dev/null && exit 0; sleep 0.1; done; exit 1");
        until_event(&node, "step-finished.*bashrc");
        node.sh(&format!("pkill -{signal} -x nodeagent"));
        let output = CommandOutput::wait(run, "the interrupted run");
        output
            .exits(1)
            .is_brief()
            .prints("interrupted after")
            .prints("1 step done, 1 interrupted")
            .prints("still working");
        assert_eq!(node.exec(&[], &["pgrep", "-f", "sleep 61[7]"]).code, 1, "a child still runs");
        node.sh("rm /tmp/slow");
        node.run(&[]).exits(0);
        node.run(&[]).exits(0).prints("nothing to do");
        node.is_tidy();
    }
    assert_eq!(node.sh("dpkg-query -W -f '${db:Status-Status}' slowdeb"), "installed");
    assert_eq!(node.sh(&format!("ls -A {LIBRARY}")), "slowr\n");
}
