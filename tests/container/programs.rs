//! Installers and hooks on a real node.

use crate::support::{Node, PROFILE, PROFILES, assert_same};

/// The secret of the hook. It must be in no file after the run.
const TOKEN: &str = "of-the-ring-4711";

/// An installer that asks a question and needs its arguments.
const INSTALLER: &str = r#"#!/bin/bash
set -eu
read -r answer
mkdir -p "$2"
printf '%s %s %s\n' "$1" "$answer" "$LEVEL" >> "$2/installed"
"#;

fn sections(config: &str, rest: &str) -> String {
    format!(
        r#"
[secrets]
source = "env"
scope = "ring"

[files]
"/etc/ring.conf" = {{ text = "{config}" }}

[installers.tool]
from = "install.sh"
args = ["--quiet now", "/opt/tool"]
stdin = "yes\n"
environment = {{ LEVEL = "a $b" }}
creates = "/opt/tool/installed"

[installers.second]
command = [["sh", "-c", "echo 1.5.2 > /opt/tool/version"], ["cp", "/opt/tool/version", "/opt/tool/copy"]]
after = ["installers.tool"]
version = {{ command = ["cat", "/opt/tool/version"], is = ">=1.5, <2" }}

[hooks.zero]
text = """
echo first >> /srv/order
"""

[hooks.answer]
text = """
{{ id -un; id -Gn; stat -c '%a %U' "$TOKEN_FILE"; sha256sum < "$TOKEN_FILE"; pwd; }} > /tmp/seen
echo "the token is $(cat "$TOKEN_FILE")"
echo second >> /srv/order
"""
user = "analyst"
secrets = {{ TOKEN_FILE = "token" }}
watch = ["/etc/ring.conf"]
{rest}"#
    )
}

#[test]
fn installers_and_hooks_run_when_their_work_is_not_done() {
    let Some(node) = Node::with("programs", &["--env", &format!("RING_TOKEN={TOKEN}")]) else { return };
    node.write(&format!("{PROFILES}/install.sh"), INSTALLER);
    node.profile(&sections("one", ""));
    node.sh("install -m 666 /dev/null /srv/order");
    node.run(&[]).exits(0).never_prints(TOKEN);
    assert_eq!(
        node.sh("cat /opt/tool/installed /opt/tool/copy /srv/order"),
        "--quiet now yes a $b\n1.5.2\nfirst\nsecond\n"
    );
    let seen = node.sh("cat /tmp/seen");
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!((lines[0], lines[1], lines[2]), ("analyst", "analyst", "400 analyst"), "{seen}");
    assert_eq!(node.sh(&format!("printf %s {TOKEN} | sha256sum")).trim(), lines[3], "it reads the secret");
    // The secret is in no file, also not in the log with the output of the hook.
    let log = "cat /var/log/nodeagent/*/logs/hooks.answer.log";
    assert!(node.sh(log).contains("the token is [redacted]"), "{}", node.sh(log));
    let left = node.sh(&format!("grep -rls {TOKEN} /etc /var /run /tmp /opt /root /home 2> /dev/null; true"));
    let folders =
        node.sh("ls -A /run/nodeagent/programs /var/cache/nodeagent/programs 2> /dev/null | grep -v : ; true");
    assert_eq!((left.as_str(), folders.trim()), ("", ""), "files with the secret, and folders of programs");

    // A ready node stays as it is.
    let listing = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&listing, &node.listing_but_log(), "nothing changes");

    // A watched file, a new content and a removed result: only the program that has work runs.
    node.profile(&sections("two", ""));
    node.run(&[]).exits(0);
    assert_eq!(node.sh("cat /srv/order"), "first\nsecond\nsecond\n");
    node.profile(&sections("two", "").replace("echo first", "echo other"));
    node.sh("rm -r /opt/tool");
    node.run(&[]).exits(0);
    assert_eq!(
        node.sh("cat /srv/order; cat /opt/tool/installed"),
        "first\nsecond\nsecond\nother\n--quiet now yes a $b\n"
    );
    node.run(&[]).exits(0).prints("nothing to do");

    // A failure shows the end of the output; success without the result is a failure, too.
    let failing = "\n[hooks.fails]\ntext = \"echo it broke with $(cat $TOKEN_FILE) >&2; exit 3\"\nsecrets = { TOKEN_FILE = \
                   \"token\" }\n";
    node.profile(&sections("two", failing));
    node.run(&[]).exits(1).prints("exited with 3").prints("it broke with [redacted]").never_prints(TOKEN);
    node.profile(&sections("two", "\n[hooks.lies]\ncommand = [\"true\"]\ncreates = \"/opt/never\"\n"));
    node.run(&[]).exits(1).prints("`lies` ran without an error, but `/opt/never` does not exist");
    node.profile(&sections("two", "\n[hooks.x]\ncommand = [\"true\"]\nuser = \"nobody-here\"\n"));
    node.run(&[]).exits(2).prints("there is no user `nobody-here` on this node");

    // After a kill, the program of the killed run is ended, its files are removed, and it runs again.
    let slow = "\n[hooks.slow]\ntext = \"\"\"\n[ -e /tmp/begun ] && exit 0\ntouch /tmp/begun\nsleep 1000\n\"\"\"\nsecrets = { \
                TOKEN_FILE = \"token\" }\n";
    node.profile(&sections("two", slow));
    let mut run = node.begin_run(&[]);
    node.sh("until [ -e /tmp/begun ]; do sleep 0.05; done; ls /run/nodeagent/programs/hooks.slow/TOKEN_FILE
        kill -9 $(pgrep -x nodeagent)");
    run.wait().expect("it ended");
    node.exec(&[], &["nodeagent", "run", "--profile", PROFILE]).exits(0);
    assert_eq!(node.sh("pgrep -f 'sleep [1]000'; ls -A /run/nodeagent/programs; true"), "", "left over");
    node.run(&[]).exits(0).prints("nothing to do");
    node.is_tidy();
}
