//! The init script that `nodeagent shim` writes, on a node.

use crate::support::{Node, PROFILE, assert_same};

const STORE: &str = "/dbfs/FileStore/Admin/init_scripts";
const SCRIPT: &str = "/dbfs/FileStore/Admin/init_scripts/ring.sh";

#[test]
fn a_shim_starts_only_the_binary_that_it_was_written_for() {
    let Some(node) = Node::fresh("shim") else { return };
    node.profile("[shell]\nbashrc = { text = \"alias ll='ls -l'\" }\n");
    node.sh(&format!(
        "set -e; cp /usr/local/bin/nodeagent {STORE}/nodeagent; mkdir -p /dbfs/FileStore/Admin/reports
        printf '#!/bin/sh\\ntouch /other\\n' > /tmp/other; echo 'touch /other' > /tmp/bash_env"
    ));
    let shim = ["nodeagent", "shim", "--profile", PROFILE, "--filestore", "/dbfs/FileStore", "--out", SCRIPT];
    let written = node.exec(&[], &shim);
    let entry = "\"init_scripts\": [{\"dbfs\":{\"destination\":\"dbfs:/FileStore/Admin/init_scripts/ring.sh\"}}]";
    written.exits(0).prints(entry);

    // Another program in the place of the binary.
    node.sh(&format!("cp /tmp/other {STORE}/nodeagent"));
    let before = node.listing();
    let refused = node.exec(&[], &["bash", SCRIPT]);
    refused.exits(2).prints("nodeagent` has sha256 ").prints("; nothing was changed");
    // Windows line ends.
    node.sh(&format!("cp /usr/local/bin/nodeagent {STORE}/nodeagent; sed 's/$/\\r/' {SCRIPT} > /tmp/windows.sh"));
    let refused = node.exec(&[], &["bash", "/tmp/windows.sh"]);
    refused.exits(2).prints("nodeagent shim: this file has Windows line ends; nothing was changed");
    node.sh("test ! -e /other && test ! -e /usr/local/sbin/nodeagent && ! ls -d /usr/local/sbin/.nodeagent.*");
    let root = |listing: &str| listing.lines().filter(|line| !line.starts_with(STORE)).collect::<Vec<_>>().join("\n");
    assert_same(&root(&before), &root(&node.listing()), "a refused start changes nothing");

    // The environment has a function for each tool, and a file that bash would read.
    node.sh(&format!("chmod 755 {SCRIPT}"));
    let mut hostile = vec!["env".to_owned(), "BASH_ENV=/tmp/bash_env".to_owned(), "LD_PRELOAD=/tmp/none.so".to_owned()];
    for name in ["sha256sum", "uname", "cp", "mktemp", "chmod", "mv", "exec", "unset", "env", "printf"] {
        hostile.push(format!("BASH_FUNC_{name}%%=() {{ touch /other; }}"));
    }
    let hostile: Vec<&str> = hostile.iter().map(String::as_str).chain([SCRIPT]).collect();
    node.exec(&[], &hostile).exits(0).prints("bashrc");
    node.sh("test ! -e /other && grep -q 'alias ll' /root/.bashrc && test -x /usr/local/sbin/nodeagent");
    node.exec(&[], &["bash", SCRIPT]).exits(0).prints("nothing to do");
    node.sh("ls -d /dbfs/FileStore/Admin/reports/*/");
}

#[test]
fn a_shim_never_starts_a_binary_that_is_replaced_during_the_start() {
    let Some(node) = Node::fresh("shim-race") else { return };
    node.profile("[shell]\nbashrc = { text = \"alias ll='ls -l'\" }\n");
    let shim = format!("nodeagent shim --profile {PROFILE} --filestore /dbfs/FileStore --out {SCRIPT} --quiet");
    // The file of that name is exchanged all the time. At least 20 starts, until both files were seen.
    let log = node.sh(&format!(
        "set -eu; cd {STORE}; {shim}
        cp /usr/local/bin/nodeagent good; printf '#!/bin/sh\\ntouch /other\\n' > bad; chmod 755 bad; ln bad nodeagent
        while :; do
            for file in good bad; do ln $file new; mv new nodeagent; sleep 0.02; done
        done & loop=$!
        for start in {{1..200}}; do
            status=0; bash {SCRIPT} > /tmp/log 2>&1 || status=$?
            if [ $status = 2 ]; then grep -q 'nodeagent` has sha256' /tmp/log && touch /refused; fi
            if [ $status = 0 ]; then grep -q '^report: ' /tmp/log && touch /started; fi
            case $status in 0 | 2) ;; *) cat /tmp/log; exit 1 ;; esac
            if [ $start -ge 20 ] && [ -e /refused ] && [ -e /started ]; then break; fi
        done
        kill $loop; wait $loop || true; echo $start"
    ));
    node.sh("test -e /refused && test -e /started && test ! -e /other && ! ls -d /usr/local/sbin/.nodeagent.*");
    assert!(log.trim().parse::<u8>().is_ok_and(|starts| starts >= 20), "{log}");
}
