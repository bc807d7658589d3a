//! Users and secrets: the owners of files, and the files and processes that may contain a secret.

use crate::support::{CommandOutput, Node, PROFILE, R};

#[test]
fn each_user_gets_a_file_and_planted_links_are_not_followed() {
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
    node.run(&[]).exits(0).prints("nothing to do");

    // Links of the user in place of the file and of a folder above it.
    for plant in ["ln -sf /etc/planted .bashrc", "ln -s /etc/precious.d .config; ln -sf .config/x .bashrc"] {
        node.sh("echo precious > /etc/planted; chmod 600 /etc/planted; mkdir -p /etc/precious.d");
        node.exec(&["--user", "analyst"], &["sh", "-c", &format!("cd /home/analyst; {plant}")]).exits(0);
        let output = node.run(&[]);
        output
            .exits(2)
            .is_brief()
            .prints("/home/analyst/.")
            .prints("is a symbolic link owned by uid 1000; it is not followed");
        node.run(&["--dry-run"]).exits(2).never_prints("precious");
        assert_eq!(
            node.sh("cat /etc/planted; ls -A /etc/precious.d"),
            "precious\n",
            "the target of the link has changed"
        );
    }
}

/// Prints every process whose command line or environment matches a pattern, until there is `/tmp/enough`. The agent
/// and the programs that start it are allowed to have the secret.
const WATCH: &str = r#"
import glob, os, re, sys, time

def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""

pattern = re.compile(sys.argv[1].encode())
while not os.path.exists("/tmp/enough"):
    for process in glob.glob("/proc/[0-9]*"):
        name = read(process + "/comm").decode().strip()
        arguments = read(process + "/cmdline")
        environment = read(process + "/environ")
        # A child has its parent's memory until it starts its own program.
        if read(process + "/cmdline") != arguments or arguments.startswith(b"nodeagent\0"):
            continue
        if re.fullmatch(r"nodeagent|\(nodeagent\)|runc.*|env|docker.*|conmon", name):
            continue
        if pattern.search(arguments) or pattern.search(environment):
            print(arguments.replace(b"\0", b" "), name, flush=True)
    time.sleep(0.005)
print("end")
"#;

#[test]
fn a_secret_is_in_its_file_and_nowhere_else() {
    const MARKER: &str = "xyzzy-marker-of-the-ring";
    // A pattern that does not match its own command line.
    const PATTERN: &str = "xyzz[y]-marker";
    let Some(node) = Node::fresh("secret") else { return };
    let secrets = "[secrets]\nsource = \"env\"\nscope = \"ring\"\n[[secrets.items]]\nkey = \"token\"\nto = { file = \
                   \"/run/nodeagent/secrets/token\", mode = \"0440\", owner = \"analyst\" }\n";
    let good =
        format!("[pip]\npackages = [\"humanize\"]\n[apt]\npackages = [\"jq\"]\n{R}packages = [\"tinyc\"]\n{secrets}");
    let failing = format!(
        "[apt]\npackages = [{{ name = \"no-such-package\", optional = true }}]\n{R}packages = [\"needslib\"]\n{secrets}"
    );
    let unsolvable = format!("[pip]\npackages = [\"numpy>99\"]\nguard = \"off\"\n{secrets}");
    let refused = format!("[pip]\npackages = [\"numpy<2\"]\n{secrets}");
    node.write("/tmp/watch.py", WATCH);
    node.sh(&format!("setsid python3 /tmp/watch.py '{PATTERN}' > /tmp/seen 2>&1 < /dev/null & true"));
    for (sections, code) in [(&failing, 1), (&unsolvable, 2), (&refused, 2), (&good, 0), (&good, 0)] {
        node.profile(sections);
        for options in [&["--json"][..], &[]] {
            let command = [&["nodeagent", "run", "-v", "--profile", PROFILE][..], options].concat();
            let output: CommandOutput = node.exec(&["--env", &format!("RING_TOKEN={MARKER}")], &command);
            output.exits(code).never_prints(MARKER);
        }
    }
    assert_eq!(node.sh("touch /tmp/enough; until grep -q end /tmp/seen; do sleep 0.1; done; cat /tmp/seen"), "end\n");
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
