//! Services on nodes with systemd and on nodes with init scripts.

use crate::support::{Node, PROFILE, instants, random_fractions};

/// The secret of the service, and its next value.
const TOKEN: &str = "of-the-ring-4711";
const NEXT_TOKEN: &str = "of-the-ring-4712";
/// A program that writes its arguments and variables to files and serves a port.
const PROGRAM: &str = r#"#!/usr/bin/python3
import hashlib, json, os, socket, sys, time
config = open(sys.argv[1]).read()
seen = {"arguments": sys.argv[2:], "level": os.environ.get("LEVEL"), "config": config.strip(), "folder": os.getcwd(),
        "token": hashlib.sha256(os.environ.get("TOKEN", "").encode()).hexdigest(), "user": os.getuid()}
with open("/tmp/echo.part", "w") as file:
    json.dump(seen, file)
os.rename("/tmp/echo.part", "/tmp/echo.json")
print("echo reads", config.strip(), flush=True)
server = socket.create_server(("127.0.0.1", 7070))
while True:
    server.accept()[0].close()
"#;
/// Arguments with characters that systemd or a shell could replace.
const ARGUMENTS: [&str; 10] = ["a b", "$HOME", "${HOME}", "100%n", "x\"y\\z'", "tab\tnew\nline", "", ";", "`id`", "-é"];
const LEVEL: &str = "a \"b\" $c ${d} %n 'e' \\f `id`";

fn profile(config: &str, rest: &str) -> String {
    let list = |words: &[&str]| serde_json::to_string(words).expect("text");
    let command = [&["/opt/echo/echo", "/opt/echo/config"], &ARGUMENTS[..]].concat();
    // TOML strings have the escapes of JSON. `${` is a value of the profile.
    let [command, level] =
        [list(&command), serde_json::to_string(LEVEL).expect("text")].map(|t| t.replace("${", "$${"));
    format!(
        "[files]
\"/opt/echo/echo\" = {{ text = {program}, mode = \"0755\" }}
\"/opt/echo/config\" = {{ text = {config:?} }}
[secrets]
source = \"env\"
scope = \"ring\"
[services.echo]
command = {command}
environment = {{ LEVEL = {level}, TOKEN = {{ secret = \"token\" }} }}
user = \"analyst\"
working-directory = \"/opt/echo\"
health = {{ port = 7070, timeout = \"20s\" }}
{rest}",
        program = serde_json::to_string(PROGRAM).expect("text"),
    )
}

/// The service of a test on a node of one init system.
struct Echo<'a> {
    node: &'a Node,
    is_systemd: bool,
}

impl Echo<'_> {
    fn process(&self) -> String {
        let pid = if self.is_systemd {
            "systemctl show echo --property=MainPID --value"
        } else {
            "cat /run/nodeagent/services/echo.pid"
        };
        self.node.sh(&format!("pid=$({pid}); kill -0 $pid; echo -n $pid"))
    }

    fn seen(&self) -> serde_json::Value {
        serde_json::from_str(&self.node.sh("cat /tmp/echo.json")).expect("the program writes JSON")
    }

    /// Everything but the file that may have it: files, the log, arguments and environments of all processes but the
    /// service.
    fn files_and_processes_with(&self, secret: &str) -> String {
        let journal =
            if self.is_systemd { "journalctl --no-pager; systemctl show echo; systemctl cat echo" } else { "true" };
        self.node.sh(&format!(
            "grep -rls {secret} /etc /var /run /opt /tmp /root /home 2> /dev/null | sort
            {{ {journal}; }} 2> /dev/null | grep -c {secret} || true
            tr '\\0' ' ' < /proc/{}/cmdline | grep -c {secret} || true",
            self.process()
        ))
    }

    fn prove(&self) {
        let node = self.node;
        node.profile(&profile("one", "restart = \"no\""));
        let first = node.run(&[]);
        first.exits(0).never_prints(TOKEN);
        let seen = self.seen();
        assert_eq!(seen["arguments"], serde_json::json!(ARGUMENTS), "arguments are literal");
        assert_eq!((seen["level"].as_str(), seen["config"].as_str()), (Some(LEVEL), Some("one")));
        assert_eq!((seen["folder"].as_str(), seen["user"].as_u64()), (Some("/opt/echo"), Some(1000)));

        // The secret is in its file alone.
        assert_eq!(node.sh("stat -c '%a %U' /run/nodeagent/services/echo.env"), "600 root\n");
        assert_eq!(self.files_and_processes_with(TOKEN), "/run/nodeagent/services/echo.env\n0\n0\n");

        // A ready node stays as it is.
        let (process, listing) = (self.process(), node.listing_but_log());
        node.run(&[]).exits(0).prints("nothing to do");
        assert_eq!(self.process(), process, "nothing is restarted without a change");
        crate::support::assert_same(&without_logs(&listing), &without_logs(&node.listing_but_log()), "nothing changes");

        // A changed configuration and a changed secret restart it, an unrelated file does not.
        node.profile(&profile("two", "restart = \"no\""));
        node.run(&[]).exits(0);
        assert_eq!(self.seen()["config"], "two", "it reads the new configuration");
        let second = self.process();
        assert_ne!(second, process);
        node.profile(&(profile("two", "restart = \"no\"") + "\n[files.\"/opt/echo/other\"]\ntext = \"x\"\n"));
        node.run(&[]).exits(0);
        assert_eq!(self.process(), second, "the file is not its configuration");
        let run = ["nodeagent", "run", "--profile", PROFILE];
        let rotated = format!("RING_TOKEN={NEXT_TOKEN}");
        let before = self.seen()["token"].clone();
        node.exec(&["--env", &rotated], &run).exits(0).never_prints(NEXT_TOKEN);
        assert_ne!(self.seen()["token"], before, "it has the new secret");
        assert_eq!(self.files_and_processes_with(NEXT_TOKEN), "/run/nodeagent/services/echo.env\n0\n0\n");
        node.run(&[]).exits(0);

        // A service that was killed is started again.
        node.sh(&format!("kill -9 {}; while kill -0 {0} 2> /dev/null; do sleep 0.05; done", self.process()));
        node.run(&[]).exits(0).prints("services");
        let third = self.process();
        node.run(&[]).exits(0).prints("nothing to do");
        assert_eq!(self.process(), third);

        self.fails();
        self.converges();

        // Without its entry it is removed.
        node.profile("[files]\n\"/opt/echo/other\" = { text = \"x\" }\n");
        node.run(&[]).exits(0);
        // The pattern does not match the shell that contains it.
        let left = node.sh("pgrep -f '[/]opt/echo/echo'; ls -d /etc/systemd/system/echo.service /etc/init.d/echo \
             /etc/systemd/system/multi-user.target.wants/echo.service /etc/rc?.d/*echo \
             /run/nodeagent/services/echo.* 2> /dev/null; true");
        assert_eq!(left, "", "processes and files of the service");
        node.run(&[]).exits(0).prints("nothing to do");
        node.is_tidy();
    }

    /// A service that does not work fails its step, and the last lines of its log are causes. The next run tries again.
    fn fails(&self) {
        let node = self.node;
        let broken = profile("three", "restart = \"no\"")
            .replace("port = 7070, timeout = \"20s\"", "port = 7071, timeout = \"1s\"");
        node.profile(&broken);
        for _ in 0..2 {
            let output = node.run(&[]);
            output
                .exits(1)
                .is_brief()
                .prints("the health test of `echo` failed: port 7071 of 127.0.0.1 does not accept connections");
            let report = node.exec(&[], &["nodeagent", "report", "show"]);
            assert!(format!("{output}{report}").contains("echo reads three"), "no log in {output}\n{report}");
        }
        node.profile(
            &profile("four", "restart = \"no\"").replace("/opt/echo/echo\",\"/opt", "/opt/echo/missing\",\"/opt"),
        );
        let output = node.run(&[]);
        assert_ne!(output.code, 0, "{output}");
        node.profile(&profile("four", "restart = \"no\""));
        node.run(&[]).exits(0);
        assert_eq!(self.seen()["config"], "four");
    }

    /// After a kill of the agent at any instant, the next run leaves the service with the present configuration.
    fn converges(&self) {
        let node = self.node;
        let mut seconds = 2.0;
        for (index, fraction) in random_fractions(instants()).into_iter().enumerate() {
            let config = format!("killed-{index}");
            node.profile(&profile(&config, &format!("restart = \"no\"\ndescription = \"{config}\"")));
            let after = format!("{:.3}", seconds * fraction);
            let began = std::time::Instant::now();
            let output = node.exec(
                &[],
                &["timeout", "--foreground", "-s", "KILL", &after, "nodeagent", "run", "--profile", PROFILE],
            );
            if output.code != 137 {
                // It was faster than the one before.
                seconds = began.elapsed().as_secs_f64();
            }
            node.run(&[]).exits(0);
            assert_eq!(self.seen()["config"].as_str(), Some(config.as_str()), "killed after {after} s: {output}");
            let process = self.process();
            node.run(&[]).exits(0).prints("nothing to do");
            assert_eq!(self.process(), process);
            node.is_tidy();
        }
    }
}

/// The lines of a listing without files that the system itself writes.
fn without_logs(listing: &str) -> String {
    let of_system = ["/var/log/", "/run/log", "/run/systemd/journal", "/run/systemd/units/log", "/var/lib/systemd"];
    let kept = listing.lines().filter(|line| !of_system.iter().any(|path| line.starts_with(path)));
    kept.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_service_of_systemd_runs_as_the_profile_says_at_any_instant() {
    let Some(node) = Node::with_systemd("systemd", &["--env", &format!("RING_TOKEN={TOKEN}")]) else { return };
    Echo { node: &node, is_systemd: true }.prove();
    // systemd itself finds nothing to complain about.
    node.profile(&profile("one", "settings = { Service = { MemoryMax = \"1G\", RestartSec = 5 } }"));
    node.run(&[]).exits(0);
    let verified = node.exec(&[], &["systemd-analyze", "verify", "/etc/systemd/system/echo.service"]);
    assert_eq!((verified.exits(0).stdout.as_str(), verified.stderr.as_str()), ("", ""), "{verified}");
    assert_eq!(node.sh("systemctl show echo --property=MemoryMax --value"), "1073741824\n");
}

#[test]
fn a_service_with_an_init_script_runs_as_the_profile_says_at_any_instant() {
    let Some(node) = Node::with("initd", &["--env", &format!("RING_TOKEN={TOKEN}")]) else { return };
    Echo { node: &node, is_systemd: false }.prove();
    node.profile(&profile("one", "restart = \"always\"\nsettings = { Service = { MemoryMax = \"1G\" } }"));
    node.run(&[]).exits(0).prints("`restart` has no effect").prints("`settings` has no effect");
    node.run(&[]).exits(0).prints("nothing to do");
}

/// A unit that a package could have, and its program.
const PLAIN_UNIT: &str = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";

#[test]
fn settings_of_a_foreign_unit_are_added_and_removed() {
    let Some(node) = Node::with_systemd("others", &[]) else { return };
    node.write("/usr/lib/systemd/system/plain.service", PLAIN_UNIT);
    node.write("/usr/lib/systemd/system/other.service", PLAIN_UNIT);
    node.sh("mkdir -p /etc/plain; echo 1 > /etc/plain/a.conf; systemctl daemon-reload; systemctl start plain");
    let main = |name: &str| node.sh(&format!("systemctl show {name} --property=MainPID --value"));
    let before = main("plain");

    // Enabled, but not restarted: nothing is newer than its start.
    let services = "[services]\nother = \"running\"\n[services.plain]\nrestart-on = [\"/etc/plain/*.conf\"]\n";
    node.profile(services);
    node.run(&[]).exits(0);
    assert_eq!(main("plain"), before, "it is not restarted without a change");
    node.sh("systemctl is-enabled plain other; systemctl is-active plain other");
    node.run(&[]).exits(0).prints("nothing to do");

    node.sh("echo 2 > /etc/plain/a.conf");
    node.run(&[]).exits(0);
    let second = main("plain");
    assert_ne!(second, before, "its configuration changed");
    node.run(&[]).exits(0).prints("nothing to do");

    // systemd is reloaded once for both drop-ins.
    let settings = |name: &str| format!("[services.{name}]\nsettings = {{ Service = {{ LimitNOFILE = 2048 }} }}\n");
    node.profile(&(settings("plain") + &settings("other")));
    node.sh("journalctl --rotate --vacuum-time=1s > /dev/null 2>&1; true");
    node.run(&[]).exits(0);
    assert_ne!(main("plain"), second);
    assert_eq!(node.sh("systemctl show plain --property=LimitNOFILE --value"), "2048\n");
    let reloads = node.sh("journalctl --sync; journalctl --no-pager -o cat _PID=1 | grep -c '^Reloading\\.*$' || true");
    assert_eq!(reloads, "1\n", "reloads of systemd");

    // Masked and stopped; then the profile names neither.
    node.profile("[services]\nother = { masked = true }\nplain = \"stopped\"\n");
    node.run(&[]).exits(0);
    assert_eq!(node.exec(&[], &["systemctl", "is-enabled", "other"]).stdout, "masked\n");
    assert_eq!(node.exec(&[], &["systemctl", "is-active", "plain", "other"]).stdout, "inactive\ninactive\n");
    node.run(&[]).exits(0).prints("nothing to do");
    node.profile("");
    node.run(&[]).exits(0);
    assert_eq!(node.exec(&[], &["systemctl", "is-enabled", "plain", "other"]).stdout, "disabled\ndisabled\n");
    assert_eq!(node.exec(&[], &["systemctl", "is-active", "plain", "other"]).stdout, "active\ninactive\n");
    assert_eq!(node.sh("ls /etc/systemd/system/plain.service.d/* 2> /dev/null; true"), "", "its settings");
    node.run(&[]).exits(0).prints("nothing to do");
}

#[test]
fn a_service_of_a_package_is_started_restarted_and_stopped() {
    for node in [Node::with_systemd("package", &[]), Node::fresh("package")] {
        let Some(node) = node else { continue };
        let profile = |state: &str| {
            format!(
                "[apt]\npackages = [\"cron\"]\n[services.cron]\nstate = \"{state}\"\nrestart-on = [\"/etc/crontab\"]\n"
            )
        };
        let process = || node.sh("pgrep -x cron");
        node.profile(&profile("running"));
        node.run(&[]).exits(0);
        let first = process();
        assert!(
            node.sh("cat /var/lib/nodeagent/receipt.json").contains("\"package cron\": \""),
            "its version is known"
        );
        node.run(&[]).exits(0).prints("nothing to do");
        assert_eq!(process(), first);
        node.sh("echo '# changed' >> /etc/crontab");
        node.run(&[]).exits(0);
        assert_ne!(process(), first, "its configuration changed");
        node.profile(&profile("stopped"));
        node.run(&[]).exits(0);
        node.sh("! pgrep -x cron");
        node.run(&[]).exits(0).prints("nothing to do");
    }
}
