//! After a run that is killed at any instant, the next run makes the same node as an undisturbed run.

use std::time::Instant;

use crate::support::{Node, PROFILE, PROFILES, R, assert_same, instants, kill, random_fractions, wheel};

fn fresh(uv: Option<&std::path::Path>) -> Option<Node> {
    let node = Node::with("kill", &["--env", "RING_TOKEN=of-the-ring"])?;
    node.write(&format!("{PROFILES}/ringwheel-1.0-py3-none-any.whl"), wheel("ringwheel", "1.0", &["six"]));
    if let Some(uv) = uv {
        node.copy(uv, "/usr/local/bin/uv");
    }
    node.sh("printf 'alias mine=true\\n' > /root/.bashrc");
    node.profile(&format!(
        "[apt]\npackages = [\"jq\", \"tree\"]
[pip]\npackages = [\"humanize\", \"joblib\"]\nbeside-apt = true
[pip.venvs.\"/opt/tool\"]\npackages = [\"six\"]
[wheel]\nfiles = [\"ringwheel-1.0-py3-none-any.whl\"]
{R}packages = [\"tinyc\", \"tinybin\"]
[shell]\nusers = [\"root\", \"analyst\"]\nbashrc = {{ text = \"PS1='ring> '\" }}
[secrets]\nsource = \"env\"\nscope = \"ring\"
[[secrets.items]]\nkey = \"token\"\nto = {{ file = \"/run/nodeagent/secrets/token\" }}
"
    ));
    Some(node)
}

/// The state that equal nodes share, with the virtual environment.
fn state(node: &Node) -> String {
    node.state() + &node.sh("find /opt/tool -printf '%p %y %m %u\\n' | sort; /opt/tool/bin/python -c 'import six'")
}

#[test]
fn a_run_killed_at_any_instant_is_completed_by_the_next() {
    let Some(node) = fresh(None) else { return };
    node.run(&[]).exits(0);
    let wanted = state(&node);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let uv = folder.path().join("uv");
    node.fetch(&node.sh("echo -n /var/cache/nodeagent/python/uv-*/uv"), &uv);
    drop(node);
    // The time of a run that does not fetch uv.
    let fresh = || fresh(Some(&uv)).expect("nodes are not skipped");
    let node = fresh();
    let began = Instant::now();
    node.run(&[]).exits(0);
    let mut seconds = began.elapsed().as_secs_f64();
    assert_same(&wanted, &state(&node), "two undisturbed runs make equal nodes");
    drop(node);

    for fraction in random_fractions(instants()) {
        let (node, killed) = kill(&mut seconds, fraction, &["nodeagent", "run", "--profile", PROFILE], fresh);
        let next = node.run(&[]);
        next.exits(0);
        assert_same(&wanted, &state(&node), &format!("the next run completes the node;\n{killed}\n{next}\n"));
        node.is_tidy();
        node.run(&[]).exits(0).prints("nothing to do");
    }
}
