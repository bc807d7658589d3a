//! Users and their secrets: whose files are whose, and who never sees what.

use crate::support::{Node, PROFILE, R, Said};

#[test]
fn each_user_gets_a_file_of_their_own_and_no_planted_link_is_followed() {
    let Some(node) = Node::fresh("users") else { return };
    let shell = "[shell]\nusers = [\"root\", \"analyst\"]\nbashrc = { text = \"PS1='ring> '\" }\nvimrc = { text = \"set \
                 number\" }\n";
    node.profile(shell);
    node.sh("cp /home/analyst/.bashrc /tmp/before");
    node.run(&[]).exits(0);
    let owned = "stat -c '%U:%G %a %h' /home/analyst/.bashrc /home/analyst/.vimrc /root/.bashrc /root/.vimrc";
    assert_eq!(
        node.sh(owned),
        "analyst:analyst 644 1\nanalyst:analyst 644 1\nroot:root 644 1\nroot:root 644 1\n",
        "owners and modes"
    );
    node.sh("diff /tmp/before <(head -n \"$(wc -l < /tmp/before)\" /home/analyst/.bashrc)");
    node.run(&[]).exits(0).says("nothing to do");

    // Links of the user's own making, in place of the file and of a folder above it.
    for plant in ["ln -sf /etc/planted .bashrc", "ln -s /etc/precious.d .config; ln -sf .config/x .bashrc"] {
        node.sh("echo precious > /etc/planted; chmod 600 /etc/planted; mkdir -p /etc/precious.d");
        node.exec(&["--user", "analyst"], &["sh", "-c", &format!("cd /home/analyst; {plant}")]).exits(0);
        let said = node.run(&[]);
        said.exits(2)
            .is_brief()
            .says("/home/analyst/.")
            .says("is a symbolic link owned by uid 1000; it is not followed");
        node.run(&["--dry-run"]).exits(2).never_says("precious");
        assert_eq!(
            node.sh("cat /etc/planted; ls -A /etc/precious.d"),
            "precious\n",
            "what the link names is untouched"
        );
    }
}

#[test]
fn a_secret_is_in_its_file_and_nowhere_else() {
    const MARKER: &str = "xyzzy-marker-of-the-ring";
    // So that no command that looks for it holds it itself.
    const PATTERN: &str = "xyzz[y]-marker";
    let Some(node) = Node::fresh("secret") else { return };
    let secrets = "[secrets]\nsource = \"env\"\nscope = \"ring\"\n[[secrets.items]]\nkey = \"token\"\nto = { file = \
                   \"/run/nodeagent/secrets/token\", mode = \"0440\", owner = \"analyst\" }\n";
    let good =
        format!("[pip]\npackages = [\"humanize\"]\n[apt]\npackages = [\"jq\"]\n{R}packages = [\"tinyc\"]\n{secrets}");
    let failing = format!(
        "[apt]\npackages = [\"no-such-package\"]\n[pip]\npackages = [\"numpy>99\"]\nguard = \"off\"\n{R}packages = [\"needslib\"]\n{secrets}"
    );
    let refused = format!("[pip]\npackages = [\"numpy<2\"]\n{secrets}");
    // Looks at every process while runs go on; the agent itself and what starts it may have it.
    node.write(
        "/tmp/watch.sh",
        format!(
            "while [ ! -e /tmp/enough ]; do for p in /proc/[0-9]*; do
                read -r name < $p/comm || continue
                case $name in nodeagent | runc* | env | docker* | conmon | '(nodeagent)') continue ;; esac
                grep -qa '{PATTERN}' $p/environ $p/cmdline && tr '\\0' ' ' < $p/cmdline && echo \"($name)\"
            done; done 2> /dev/null > /tmp/seen; echo over >> /tmp/seen"
        ),
    );
    node.sh("setsid bash /tmp/watch.sh > /dev/null 2>&1 < /dev/null & true");
    for (sections, code) in [(&failing, 1), (&refused, 2), (&good, 0), (&good, 0)] {
        node.profile(sections);
        for options in [&["--json"][..], &[]] {
            let command = [&["nodeagent", "run", "-v", "--profile", PROFILE][..], options].concat();
            let said: Said = node.exec(&["--env", &format!("RING_TOKEN={MARKER}")], &command);
            said.exits(code).never_says(MARKER);
        }
    }
    assert_eq!(
        node.sh("touch /tmp/enough; sleep 1; until grep -q over /tmp/seen; do sleep 0.1; done; cat /tmp/seen"),
        "over\n"
    );
    let found = node.sh(&format!("grep -rlI '{PATTERN}' /var /etc /root /home /tmp /databricks /run || true"));
    assert_eq!(found, "/run/nodeagent/secrets/token\n");
    let found =
        node.sh(&format!("grep -rla '{PATTERN}' /var/log/nodeagent /var/lib/nodeagent /var/cache/nodeagent || true"));
    assert_eq!(found, "");
    assert_eq!(
        node.sh("stat -c '%a %U' /run/nodeagent/secrets/token; cat /run/nodeagent/secrets/token"),
        format!("440 analyst\n{MARKER}")
    );
}
