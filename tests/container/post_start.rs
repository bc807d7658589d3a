//! The stage after the launch on nodes with and without systemd. A script stands for the driver: it writes its
//! environment after a delay.

use std::time::{Duration, Instant};

use crate::support::{CommandOutput, Node, PROFILE, assert_same, instants, random_fractions};

/// The file that the driver writes.
const DRIVER: &str = "/tmp/driver-env.sh";
/// The time that a stage has to end.
const LIMIT: Duration = Duration::from_secs(90);

/// The port of the user interface, which only the started driver knows.
const PORT: u32 = 40_001;

const AGENT: &str = r#"
[vars]
ui-port = { file = "/tmp/driver-env.sh", match = 'CONF_UI_PORT=(\d+)' }

[groups.agent]
[users.agent]
group = "agent"

[files."/opt/agent/serve"]
text = "import http.server, sys\nport = int(open(sys.argv[1]).read().split()[1])\nhttp.server.test(http.server.SimpleHTTPRequestHandler, port=port, bind='127.0.0.1')"

[files."/etc/agent/spark.yaml"]
stage = "post-start"
text = "port: ${vars.ui-port}"
owner = "agent"

[services.agent]
stage = "post-start"
command = ["/usr/bin/python3", "/opt/agent/serve", "/etc/agent/spark.yaml"]
user = "agent"
health = { url = "http://127.0.0.1:${vars.ui-port}/", timeout = "30s" }
"#;

const READY: &str =
    "[post-start]\nready = { path = \"/tmp/driver-env.sh\", match = \"CONF_UI_PORT\", timeout = \"60s\" }\n";

/// A node, and how its driver starts.
struct Driver<'a> {
    node: &'a Node,
    is_systemd: bool,
}

impl Driver<'_> {
    fn profile(&self, more: &str) {
        self.node.profile(&format!("{AGENT}{READY}{more}"));
    }

    /// Prepares a unit that runs the launch.
    fn prepare(&self) {
        if self.is_systemd {
            let run = format!("/usr/local/bin/nodeagent run --profile {PROFILE}");
            let unit = format!("[Service]\nType=oneshot\nExecStart={run}\nStandardError=append:/tmp/launch.log\n");
            self.node.write("/run/systemd/system/launch.service", unit);
            self.node.sh("systemctl daemon-reload");
        }
    }

    /// Runs the launch. With systemd it is a unit, and systemd kills what is left of the unit at its end.
    fn launch(&self) -> CommandOutput {
        let script = "rm -f /tmp/launch.log; systemctl start launch 2> /dev/null; cat /tmp/launch.log >&2
            exit \"$(systemctl show launch --property=ExecMainStatus --value)\"";
        if self.is_systemd { self.node.exec(&[], &["bash", "-c", script]) } else { self.node.run(&[]) }
    }

    /// The driver starts after some seconds. It writes its file in two parts.
    fn starts_in(&self, seconds: u32) {
        self.node.sh(&format!(
            "setsid sh -c 'sleep {seconds}; echo export A=1 > {DRIVER}; sleep 0.5; echo export CONF_UI_PORT={PORT} >> {DRIVER}' \
             > /dev/null 2>&1 < /dev/null &"
        ));
    }

    /// The reports of stages, oldest first: one outcome and exit status a line.
    fn outcomes(&self) -> Vec<String> {
        let script = "for r in /var/log/nodeagent/*/report.json; do python3 -c \"import json, sys
r = json.load(open('$r'))
if r.get('stage') == 'post-start': print(r['outcome'], r['exit-code'], len(r['steps']))\"; done";
        self.node.sh(script).lines().map(str::to_owned).collect()
    }

    /// Waits until this number of stages has ended. Returns the outcome of the last one.
    fn ended(&self, count: usize) -> String {
        let began = Instant::now();
        loop {
            let outcomes = self.outcomes();
            if outcomes.len() >= count {
                return outcomes[count - 1].clone();
            }
            let log = || self.node.sh("cat /var/log/nodeagent/post-start-ring.log; ps aux 2> /dev/null | tail -5");
            assert!(began.elapsed() < LIMIT, "{outcomes:?}; {}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The processes that wait or work for the stage.
    fn processes(&self) -> Vec<String> {
        let found = self.node.exec(&[], &["pgrep", "-f", "^[^ ]*nodeagent run --stage post-start"]);
        found.stdout.lines().map(str::to_owned).collect()
    }

    /// The agent works with the values of the driver.
    #[track_caller]
    fn works(&self) {
        let text = self.node.sh("cat /etc/agent/spark.yaml");
        assert_eq!(text, format!("port: {PORT}\n"));
        let owner = self.node.sh("stat -c %U:%G /etc/agent/spark.yaml");
        assert_eq!(owner, "agent:agent\n");
        self.node.sh(&format!("exec 3<> /dev/tcp/127.0.0.1/{PORT}"));
    }

    fn prove(&self) {
        let node = self.node;
        self.prepare();
        self.profile("");
        let before = node.listing();
        let plan = node.exec(&[], &["nodeagent", "plan", "--profile", PROFILE]);
        let plan = &plan.exits(0).stdout;
        assert!(plan.contains("later    services.agent") && plan.contains(DRIVER), "{plan}");
        node.run(&["--dry-run"]).exits(0);
        assert_same(&before, &node.listing(), "a plan and a dry run change nothing");
        assert_eq!(self.processes(), [""; 0]);

        // The launch ends at once, although the driver is not there.
        self.launch().exits(0).prints("after the launch: 2 steps");
        assert_eq!(self.processes().len(), 1, "one process waits");
        if self.is_systemd {
            let scopes = node.sh("systemctl list-units --plain --no-legend 'nodeagent-post-start-*.scope'");
            assert_eq!(scopes.lines().count(), 1, "it has a unit of its own: {scopes}");
        }
        assert_eq!(node.exec(&[], &["test", "-e", "/etc/agent/spark.yaml"]).code, 1);
        assert!(node.sh("nodeagent report list").contains(" running "), "the stage is listed");
        self.starts_in(2);
        assert_eq!(self.ended(1), "done 0 2");
        self.works();
        assert_eq!(self.processes(), [""; 0]);
        let shown = node.sh("nodeagent report show");
        assert!(
            shown.contains("stage    post-start") && shown.contains(&format!("for `CONF_UI_PORT` in {DRIVER}")),
            "{shown}"
        );

        // A second launch and its stage change nothing.
        let before = node.listing();
        self.launch().exits(0).prints("nothing to do");
        assert_eq!(self.ended(2), "done 0 0");
        let logs = ["/run/systemd", "/run/log", "/var/log/"];
        let kept = |listing: &str| {
            let lines = listing.lines().filter(|line| !logs.iter().any(|path| line.starts_with(path)));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_same(&kept(&before), &kept(&node.listing()), "a second launch changes nothing");

        // Damage is repaired by the next launch's stage.
        node.sh("echo other > /etc/agent/spark.yaml");
        self.launch().exits(0);
        assert_eq!(self.ended(3), "done 0 2");
        self.works();

        self.converges();

        // The profile names the entries no more: the launch takes them back.
        node.profile("");
        self.launch().exits(0);
        assert_eq!(node.exec(&[], &["test", "-e", "/etc/agent/spark.yaml"]).code, 1);
        assert_ne!(node.exec(&[], &["bash", "-c", &format!("exec 3<> /dev/tcp/127.0.0.1/{PORT}")]).code, 0);
        assert_eq!(self.processes(), [""; 0]);
        node.is_tidy();
    }

    /// Kills waiting and working stages at random instants. The next launch converges.
    fn converges(&self) {
        let node = self.node;
        for fraction in random_fractions(instants()) {
            // Only the reports of the last runs are kept, so those of earlier rounds cannot be counted.
            node.sh(&format!("rm -rf {DRIVER} /var/log/nodeagent/2*; echo other > /etc/agent/spark.yaml"));
            self.launch().exits(0);
            node.sh(&format!("echo export CONF_UI_PORT={PORT} > {DRIVER}"));
            std::thread::sleep(Duration::from_secs_f64(fraction * 2.0));
            node.sh("pkill -KILL -f '^[^ ]*nodeagent run --stage post-start'; true");
            let ended = self.outcomes().len();
            self.launch().exits(0);
            let outcome = self.ended(ended + 1);
            assert!(outcome.starts_with("done 0"), "{outcome}, killed after {fraction}");
            self.works();
            node.is_tidy();
        }
    }
}

#[test]
fn a_stage_waits_for_the_driver_with_systemd_at_any_instant() {
    let Some(node) = Node::with_systemd("stage-systemd", &[]) else { return };
    Driver { node: &node, is_systemd: true }.prove();
}

#[test]
fn a_stage_waits_for_the_driver_without_systemd_at_any_instant() {
    let Some(node) = Node::fresh("stage") else { return };
    Driver { node: &node, is_systemd: false }.prove();
}

#[test]
fn a_stage_that_fails_or_is_replaced_leaves_the_launch_alone() {
    for node in [Node::with_systemd("stages-systemd", &[]), Node::fresh("stages")] {
        let Some(node) = node else { continue };
        let is_systemd = node.exec(&[], &["test", "-d", "/run/systemd/system"]).code == 0;
        let driver = Driver { node: &node, is_systemd };
        driver.prepare();
        let hook = "[hooks.broken]\nstage = \"post-start\"\ncommand = [\"false\"]\n";
        // The driver does not start in time.
        node.profile(&format!("{AGENT}{}", READY.replace("60s", "2s")));
        driver.launch().exits(0);
        assert_eq!(driver.ended(1), "failed 1 0");

        // A second launch replaces the stage that waits.
        driver.profile("");
        driver.launch().exits(0);
        driver.profile(hook);
        driver.launch().exits(0);
        assert_eq!(driver.ended(2), "interrupted 1 0");
        assert_eq!(driver.processes().len(), 1, "one process waits");
        // A step of the stage fails. The launch has ended with status 0 before.
        driver.starts_in(0);
        assert_eq!(driver.ended(3), "failed 1 3");
        driver.works();
        let shown = node.exec(&[], &["nodeagent", "report", "show"]);
        assert!(shown.stdout.contains("false") && shown.stdout.contains("broken"), "{shown}");
        driver.profile("");
        driver.launch().exits(0);
        assert_eq!(driver.ended(4), "done 0 0");
    }
}
