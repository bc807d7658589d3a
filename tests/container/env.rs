//! Environment variables on a node, as Spark's shell, login shells, R and PAM read them.

use crate::support::{Node, assert_same};

/// The secret of Spark's environment.
const KEY: &str = "of-the-ring-4711";
/// A value with everything that a reader could interpret.
const VALUE: &str = r#" a "b" $HOME ${HOME} `id` \ c'"#;

const OTHERS: &str = "# the platform's own\nexport OLD_TOKEN='x y'\nSPARK_LOCAL_DIRS=/local_disk0\nOLD_TOKEN=z\n";

fn profile(to: &str) -> String {
    let value = serde_json::to_string(VALUE).expect("text").replace("${", "$${");
    format!(
        "[env.variables]
LITERAL = {{ value = {value}, to = [{to}] }}
RING_BIN = \"/opt/ring\"
PATH = {{ prepend = \"/opt/ring/bin\" }}
RING_KEY = {{ secret = \"key\" }}
OLD_TOKEN = {{ absent = true, to = [\"spark\"] }}
RING_RUN = {{ value = \"of the run\", to = [\"run\"] }}
[shell.variables]
EDITOR = \"vim\"
[secrets]
source = \"env\"
scope = \"ring\"
"
    )
}

/// The value of a variable as each reader sees it.
fn readers(node: &Node, name: &str) -> [String; 4] {
    let print = format!("printenv {name} || echo unset");
    let r = format!("cat(Sys.getenv('{name}', 'unset'), sep = '')");
    [
        node.sh(&format!("env -i PATH=/usr/bin bash -c 'set -a; . /databricks/spark/conf/spark-env.sh; {print}'")),
        node.sh(&format!("env -i HOME=/root bash -lc '{print}'")),
        node.sh(&format!("env -i PATH=/usr/bin su analyst -c '{print}'")),
        node.sh(&format!("env -i PATH=/usr/bin Rscript -e \"{r}\"")) + "\n",
    ]
}

#[test]
fn every_reader_sees_the_variables_of_its_destination() {
    let options = ["--env", &format!("RING_KEY={KEY}")];
    let Some(node) = Node::with("env", &options) else { return };
    node.write("/databricks/spark/conf/spark-env.sh", OTHERS);
    node.profile(&profile("\"spark\", \"login\", \"system\", \"r\""));
    node.run(&["--dry-run"]).exits(0).never_prints(KEY);
    node.run(&[]).exits(0).never_prints(KEY);

    let literal = format!("{VALUE}\n");
    assert_eq!(readers(&node, "LITERAL"), [&*literal; 4], "values are literal everywhere");
    let [spark, login, pam, r] = readers(&node, "RING_BIN");
    assert_eq!([&*spark, &*login, &*pam, &*r], ["/opt/ring\n", "/opt/ring\n", "unset\n", "/opt/ring\n"]);
    let [spark, login, _, r] = readers(&node, "PATH");
    for path in [&spark, &login, &r] {
        assert!(path.starts_with("/opt/ring/bin:/"), "{path}");
    }
    let key = format!("{KEY}\n");
    assert_eq!(readers(&node, "RING_KEY"), [&*key, "unset\n", "unset\n", "unset\n"]);
    assert_eq!(readers(&node, "OLD_TOKEN")[0], "unset\n");
    assert_eq!(readers(&node, "SPARK_LOCAL_DIRS")[0], "/local_disk0\n", "lines of others stay");
    assert_eq!(readers(&node, "EDITOR")[1], "vim\n");
    assert_eq!(readers(&node, "RING_RUN"), ["unset\n"; 4], "it is the environment of the run alone");
    let secret = "/run/nodeagent/spark-env/ring.sh";
    assert_eq!(node.sh(&format!("stat -c '%a %U' {secret}")), "600 root\n");
    let places =
        node.sh(&format!("grep -rls {KEY} /etc /var /run /opt /tmp /root /home /databricks 2> /dev/null | sort"));
    assert_eq!(places, format!("{secret}\n"), "the secret is in its file alone");

    // A ready node stays as it is.
    let listing = node.listing();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&listing, &node.listing(), "nothing changes");

    // Drift is repaired, and lines of others stay.
    node.sh("sed -i s/ring/king/ /etc/profile.d/nodeagent-variables.sh; sed -i '/LITERAL/d' /etc/environment
        echo MINE=1 >> /etc/environment; chmod 644 /run/nodeagent/spark-env/ring.sh");
    node.run(&[]).exits(0).never_prints(KEY);
    assert_eq!(readers(&node, "LITERAL"), [&*literal; 4]);
    assert_eq!(readers(&node, "MINE")[2], "1\n");
    assert_eq!(node.sh(&format!("stat -c %a {secret}")), "600\n");
    node.run(&[]).exits(0).prints("nothing to do");

    // Without its entries, nothing of it is left. Lines of others stay.
    node.profile("[vars]\nx = 1\n");
    node.run(&[]).exits(0);
    let left = node.sh(&format!(
        "ls {secret} /etc/profile.d/nodeagent-variables.sh 2> /dev/null
        grep -l nodeagent /etc/environment /etc/R/Renviron.site /databricks/spark/conf/spark-env.sh || true"
    ));
    assert_eq!(left, "", "files and blocks of nodeagent");
    assert_eq!(node.sh("tail -n 1 /etc/environment"), "MINE=1\n");
    node.run(&[]).exits(0).prints("nothing to do");
    node.is_tidy();
}
