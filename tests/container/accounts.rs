//! Users, groups and scheduled jobs on a real node.

use std::time::Instant;

use crate::support::{Node, PROFILE, assert_same, instants, kill, random_fractions};

/// A hash of crypt(5), and the next one. Both must be in `/etc/shadow` only.
const HASH: &str = "$6$ringsalt$aaaaHashOfTheRing4711aaaaHashOfTheRing4711aaaaHashOfTheRing4711aaaaHashOfTheRing47/1";
const NEXT_HASH: &str =
    "$6$ringsalt$bbbbHashOfTheRing4712bbbbHashOfTheRing4712bbbbHashOfTheRing4712bbbbHashOfTheRing47/2";

/// Arguments with characters that cron or a shell could replace.
const ARGUMENTS: [&str; 9] =
    ["a b", "$HOME", "100%n", "x\"y\\z'", "`id`", "two\\\\back\\%slashes", "", "tab\there", "-\u{e9}"];
const LEVEL: &str = "a \"b\" $c %n";

const SECTIONS: &str = r#"
[apt]
packages = ["cron"]

[secrets]
source = "env"
scope = "ring"
[[secrets.items]]
key = "token"
to = { file = "/run/nodeagent/secrets/token", owner = "eve:models" }

[groups.models]
gid = 4242

[users.eve]
groups = ["models", "crontab"]
shell = "/bin/bash"
comment = "Eve"
authorized-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq7PbEBlbS0bTNPVq0Oh0ncRzWGTsJmlXq3b9sQ7bAT eve"]
password = { secret = "hash" }

[users.collector]
system = true

[users.analyst]
groups = ["models"]

[shell]
users = ["eve"]
bashrc = { text = "alias ll='ls -l'" }

[files."/opt/echo"]
text = """
#!/usr/bin/python3
import json, os, sys
print(json.dumps([sys.argv[1:], os.environ.get("LEVEL"), os.getuid()]))
"""
mode = "0755"

[cron.echo]
schedule = "@reboot"
command = COMMAND
environment = { LEVEL = VALUE }
user = "eve"
log = "/tmp/echo.log"
"#;

fn sections() -> String {
    let text = |value: serde_json::Value| value.to_string();
    let command = [&["/opt/echo"], &ARGUMENTS[..]].concat();
    // TOML strings have the escapes of JSON.
    SECTIONS.replace("COMMAND", &text(command.into())).replace("VALUE", &text(LEVEL.into()))
}

#[test]
fn users_groups_and_jobs_are_as_requested() {
    let env = ["--env", &format!("RING_HASH={HASH}"), "--env", "RING_TOKEN=of-the-ring-4711"].map(str::to_owned);
    let env: Vec<&str> = env.iter().map(String::as_str).collect();
    let Some(node) = Node::with("accounts", &env) else { return };
    node.profile(&sections());
    // The programs record their arguments and their environment.
    node.sh("for name in groupadd useradd usermod chpasswd; do
            mv /usr/sbin/$name /usr/sbin/$name.real
            printf '#!/bin/sh\\n{ echo \"$0 $*\"; env; } >> /tmp/seen\\nexec $0.real \"$@\"\\n' > /usr/sbin/$name
            chmod 755 /usr/sbin/$name
        done");
    node.run(&[]).exits(0).never_prints(HASH);
    let seen = node.sh("cat /tmp/seen; for name in groupadd useradd usermod chpasswd; do mv /usr/sbin/$name.real /usr/sbin/$name; done");
    assert!(["sbin/useradd ", "sbin/chpasswd "].iter().all(|name| seen.contains(name)), "{seen}");
    assert!(!seen.contains(HASH), "{seen}");

    let shown = node.sh("id -Gn eve; id -Gn analyst; getent passwd eve collector; getent group models");
    let expected = "eve crontab models\nanalyst models\neve:x:1001:1001:Eve:/home/eve:/bin/bash\n\
                    collector:x:999:999::/home/collector:/bin/sh\nmodels:x:4242:analyst,eve\n";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(|line| words(line).join(" ")).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&shown), sorted(expected), "{shown}");
    // Files of the same run belong to the new user.
    let owned = "stat -c '%n %a %U:%G' /home/eve/.bashrc /home/eve/.ssh /home/eve/.ssh/authorized_keys \
                 /run/nodeagent/secrets/token; ls -d /home/collector 2> /dev/null; true";
    assert_eq!(
        node.sh(owned),
        "/home/eve/.bashrc 644 eve:eve\n/home/eve/.ssh 700 eve:eve\n/home/eve/.ssh/authorized_keys 600 eve:eve\n\
         /run/nodeagent/secrets/token 400 eve:models\n"
    );
    assert_eq!(node.sh("getent shadow eve | cut -d: -f2").trim(), HASH);
    assert!(node.sh("cat /home/eve/.bashrc").starts_with(&node.sh("cat /etc/skel/.bashrc")), "the skeleton is kept");
    let places = "grep -rlsF -- \"$RING_HASH\" /etc /var /run /tmp /root /home 2> /dev/null | sort";
    assert_eq!(node.sh(places), "/etc/shadow\n", "the hash is in no other file");

    // A ready node stays as it is.
    let listing = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&listing, &node.listing_but_log(), "nothing changes");

    // cron reads the job, and its arguments are literal.
    node.sh("pkill -x cron; rm -f /run/crond.reboot; cron; until [ -s /tmp/echo.log ]; do sleep 0.05; done");
    let seen: serde_json::Value = serde_json::from_str(&node.sh("cat /tmp/echo.log")).expect("JSON");
    assert_eq!(seen, serde_json::json!([ARGUMENTS, LEVEL, 1001]));
    assert_eq!(node.sh("stat -c '%a %U' /etc/cron.d/nodeagent-echo"), "644 root\n");

    // Drift is repaired; what the profile does not set stays.
    node.sh(
        "usermod --shell /bin/sh eve; gpasswd --delete eve models > /dev/null; gpasswd --delete eve crontab > /dev/null
        gpasswd --add eve adm > /dev/null; usermod --lock eve; rm -r /home/eve
        printf 'ssh-ed25519 AAAA own\\n' > /tmp/own; groupdel crontab; groupadd --gid 998 crontab",
    );
    node.run(&[]).exits(0).never_prints(HASH);
    assert_eq!(words(&node.sh("id -Gn eve")), ["adm", "crontab", "eve", "models"]);
    assert_eq!(
        node.sh("getent passwd eve | cut -d: -f7; getent shadow eve | cut -d: -f2"),
        format!("/bin/bash\n{HASH}\n")
    );
    assert!(
        node.sh("stat -c %U /home/eve /home/eve/.profile; cat /home/eve/.ssh/authorized_keys").contains("nodeagent")
    );
    node.run(&[]).exits(0).prints("nothing to do");

    // A new hash, and keys of others beside the block.
    node.sh("cat /tmp/own >> /home/eve/.ssh/authorized_keys");
    node.profile(&sections().replace(" eve\"]", " eve2\"]"));
    let next = format!("RING_HASH={NEXT_HASH}");
    node.exec(&["--env", &next], &["nodeagent", "run", "--profile", PROFILE]).exits(0).never_prints(NEXT_HASH);
    assert_eq!(node.sh("getent shadow eve | cut -d: -f2").trim(), NEXT_HASH);
    let keys = node.sh("grep ssh- /home/eve/.ssh/authorized_keys | cut -d' ' -f3");
    assert_eq!(words(&keys), ["eve2", "own"]);

    // An impossible request refuses the run and changes nothing.
    let listing = node.listing_but_log();
    for (change, message) in [
        (sections().replace("comment = \"Eve\"", "uid = 4999"), "the user `eve` exists with the id 1001, not 4999"),
        (sections().replace("secret = \"hash\"", "secret = \"token\""), "the secret `token` is not a hash of crypt(5)"),
    ] {
        node.profile(&change);
        node.run(&[]).exits(2).prints(message);
    }
    assert_same(&listing, &node.listing_but_log(), "a refused run changes nothing");
    node.is_tidy();
}

/// The words of a text in order.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    words.sort();
    words
}

/// Accounts whose creation is killed.
const KILLED: &str = r#"
[secrets]
source = "env"
scope = "ring"
[groups.models]
gid = 4242
[groups.tools]
system = true
[users.eve]
uid = 4243
groups = ["models", "tools"]
shell = "/bin/bash"
authorized-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq7PbEBlbS0bTNPVq0Oh0ncRzWGTsJmlXq3b9sQ7bAT eve"]
password = { secret = "hash" }
[users.collector]
system = true
group = "tools"
[users.analyst]
groups = ["models"]
"#;

#[test]
fn accounts_of_a_run_killed_at_any_instant_are_completed_by_the_next() {
    let hash = format!("RING_HASH={HASH}");
    let Some(node) = Node::with("accounts-kill", &["--env", &hash]) else { return };
    let reset = || {
        node.sh("for user in eve collector; do userdel --remove $user; done 2> /dev/null
            for group in eve models tools; do groupdel $group; done 2> /dev/null; rm -rf /var/lib/nodeagent/*");
        node.profile(KILLED);
        &node
    };
    let state = || {
        node.sh("getent passwd eve collector analyst; getent group eve models tools | sed 's/analyst,eve/eve,analyst/'
            getent shadow eve collector | cut -d: -f1,2; find /home/eve -printf '%p %y %m %u:%g %s\\n' | sort
            cat /home/eve/.ssh/authorized_keys")
    };
    reset();
    let began = Instant::now();
    node.run(&[]).exits(0);
    let mut seconds = began.elapsed().as_secs_f64();
    let wanted = state();
    assert!(wanted.contains("models:x:4242:eve,analyst\n") && wanted.contains(HASH), "{wanted}");
    for fraction in random_fractions(instants().div_ceil(2)) {
        let (_, killed) = kill(&mut seconds, fraction, &["nodeagent", "run", "--profile", PROFILE], reset);
        let next = node.run(&[]);
        next.exits(0).never_prints(HASH);
        assert_same(&wanted, &state(), &format!("the next run completes the accounts;\n{killed}\n{next}\n"));
        node.run(&[]).exits(0).prints("nothing to do");
        let kept = "grep -rlsF -- \"$RING_HASH\" /var /run /tmp /home || true";
        assert_eq!(node.sh(kept), "", "the hash is in no other file");
        node.is_tidy();
    }
}
