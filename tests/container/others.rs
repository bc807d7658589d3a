//! Other programs on the node: locks of dpkg and apt, a second run, signals.

use std::{process::Child, thread::sleep, time::Duration};

use crate::{
    failures::slow_package,
    support::{LIBRARY, Node, R, Said},
};

/// Holds a lock as apt does, from a process of its own, until it is killed. Returns its number.
fn hold(node: &Node, lock: &str) -> String {
    node.write(
        "/tmp/hold.py",
        "import fcntl, os, sys, time\nlock = open(sys.argv[1], 'w')\nfcntl.lockf(lock, fcntl.LOCK_EX)\nopen('/tmp/held', \
         'w').write(str(os.getpid()))\ntime.sleep(600)\n",
    );
    node.sh(&format!("rm -f /tmp/held; setsid python3 /tmp/hold.py {lock} > /dev/null 2>&1 < /dev/null & true"));
    node.sh("for i in {1..100}; do [ -s /tmp/held ] && break; sleep 0.1; done; cat /tmp/held")
}

/// Waits until the events of the last run have these words.
fn until_event(node: &Node, words: &str) {
    node.sh(&format!(
        "for i in {{1..300}}; do grep -qs '{words}' /var/log/nodeagent/*/events.jsonl && exit 0; sleep 0.1; done; exit 1"
    ));
}

#[test]
fn a_lock_of_dpkg_is_waited_for_and_its_holder_named() {
    let Some(node) = Node::fresh("lock") else { return };
    node.profile("[apt]\npackages = [\"jq\"]\n");
    for lock in ["/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock"] {
        let holder = hold(&node, lock);
        node.sh("rm -f /var/lib/apt/lists/*Packages* /var/lib/apt/lists/*InRelease"); // so that an update is needed
        let said = node.run(&["--deadline", "8s"]);
        said.exits(4).is_brief().says("the deadline passed").says(lock).says(&format!("python3 (pid {holder})"));
        node.has_no("jq");

        node.sh("rm -rf /var/log/nodeagent/*");
        let run = node.begin_run(&[]);
        until_event(&node, "waiting");
        node.sh(&format!("kill {holder}"));
        Said::wait(run, "the run that waited").exits(0).says(&format!("python3 (pid {holder})")).says("apt: done");
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
    second.exits(0).says("waits for /var/lib/nodeagent/lock, held by nodeagent (pid ").says("nothing to do");
    Said::wait(first, "the first run").exits(0).says("2 of 2 steps done");
}

#[test]
fn a_run_that_is_told_to_end_ends_its_children_and_says_what_was_done() {
    let Some(node) = Node::fresh("signal") else { return };
    slow_package(&node);
    // A package whose script takes long, in the middle of dpkg's work.
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
        sleep(Duration::from_millis(200));
        node.sh(&format!("pkill -{signal} -x nodeagent"));
        let said = Said::wait(run, "the run that was told to end");
        said.exits(1).is_brief().says("interrupted after").says("1 step done, 1 interrupted").says("still working");
        assert_eq!(node.exec(&[], &["pgrep", "-f", "sleep 61[7]"]).code, 1, "its children are ended");
        node.sh("rm /tmp/slow");
        node.run(&[]).exits(0);
        node.run(&[]).exits(0).says("nothing to do");
        node.is_tidy();
    }
    assert_eq!(node.sh("dpkg-query -W -f '${db:Status-Status}' slowdeb"), "installed");
    assert_eq!(node.sh(&format!("ls -A {LIBRARY}")), "slowr\n");
}
