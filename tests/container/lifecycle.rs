//! The life of a node: nothing installed, dry run, run, second run, damage, repair.

use crate::support::{LIBRARY, Node, PROFILES, R, SITE, assert_same, wheel};

#[test]
fn a_node_becomes_ready_stays_untouched_and_is_repaired() {
    let Some(node) = Node::with("life", &["--env", "RING_TOKEN=s3cret-of-the-ring"]) else { return };
    node.write(&format!("{PROFILES}/lib/ringwheel-1.0-py3-none-any.whl"), wheel("ringwheel", "1.0", &["six"]));
    node.write(&format!("{PROFILES}/prompt.sh"), "PS1='ring> '\n");
    node.write(&format!("{PROFILES}/vimrc"), "set number\n");
    node.sh("printf 'alias mine=true\\n' > /root/.bashrc");
    node.profile(&format!(
        "[apt]\npackages = [\"jq\"]
[pip]\npackages = [\"humanize\"]\nsmoke = [\"humanize\", \"ringwheel\"]
[wheel]\nfiles = [\"lib/ringwheel-1.0-py3-none-any.whl\"]
{R}packages = [\"tinyc\", \"tinybin\"]
[shell]\nbashrc = \"prompt.sh\"\nvimrc = {{ file = \"vimrc\" }}
[secrets]\nsource = \"env\"\nscope = \"ring\"
[[secrets.items]]\nkey = \"token\"\nto = {{ file = \"/run/nodeagent/secrets/token\" }}
"
    ));

    let before = node.listing_but_log();
    let announced = node.run(&["--dry-run"]);
    announced.exits(0);
    for words in
        ["install jq", "humanize", "tinyc", "/root/.bashrc", "/run/nodeagent/secrets/token", "nothing was changed"]
    {
        assert!(announced.stdout.contains(words), "`{words}` is not in {announced}");
    }
    announced.never_prints("s3cret");
    assert_same(&before, &node.listing_but_log(), "a dry run changes nothing");

    node.run(&[]).exits(0).prints("0 already present").prints("6 of 6 steps done").never_prints("s3cret");
    is_ready(&node);
    let ready = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&ready, &node.listing_but_log(), "a second run changes no file and moves no time");

    node.sh(&format!(
        "dpkg --remove --force-depends jq libjq1 2> /dev/null
        rm {SITE}/humanize-*.dist-info/METADATA
        rm -r {LIBRARY}/tinypure
        chmod 644 /run/nodeagent/secrets/token"
    ));
    let repaired = node.run(&[]);
    repaired.exits(0).prints("apt: done").prints("pip: done").prints("r: done").never_prints("bashrc: started");
    is_ready(&node);
    node.run(&[]).exits(0).prints("nothing to do");
}

fn is_ready(node: &Node) {
    node.sh(&format!(
        "set -ex
        jq --version
        cd /databricks/python/bin
        ./python -c 'import humanize, ringwheel'
        ./python -m pip check
        Rscript -e 'library(tinyc); library(tinybin); library(tinypure)'
        test $(grep -c 'ring> ' /root/.bashrc) = 1
        grep -qx 'alias mine=true' /root/.bashrc
        test $(grep -c 'set number' /root/.vimrc) = 1
        test \"$(stat -c '%a %U' /run/nodeagent/secrets/token)\" = '400 root'
        test \"$(cat /run/nodeagent/secrets/token)\" = s3cret-of-the-ring
        test -n \"$(find {SITE}/humanize -name '*.pyc')\""
    ));
    node.is_tidy();
}
