//! After a run that is killed at any instant, the next run makes the same node as an undisturbed run.

use std::time::Instant;

use crate::support::{Node, PROFILES, R, assert_same, instants, wheel};

/// A generator of random numbers from a seed.
struct Random(u64);

impl Random {
    /// A number from 0 up to 1.
    fn next(&mut self) -> f64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = u32::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).expect("32 bits");
        f64::from(high) / f64::from(u32::MAX)
    }
}

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
[wheel]\nfiles = [\"ringwheel-1.0-py3-none-any.whl\"]
{R}packages = [\"tinyc\", \"tinybin\"]
[shell]\nusers = [\"root\", \"analyst\"]\nbashrc = {{ text = \"PS1='ring> '\" }}
[secrets]\nsource = \"env\"\nscope = \"ring\"
[[secrets.items]]\nkey = \"token\"\nto = {{ file = \"/run/nodeagent/secrets/token\" }}
"
    ));
    Some(node)
}

#[test]
#[expect(clippy::print_stderr, reason = "a failure must be repeatable")]
fn a_run_killed_at_any_instant_is_completed_by_the_next() {
    let Some(node) = fresh(None) else { return };
    let given = std::env::var("NODEAGENT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()) + 1);
    eprintln!("NODEAGENT_TEST_SEED={seed}");
    node.run(&[]).exits(0);
    let wanted = node.state();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let uv = folder.path().join("uv");
    node.fetch(&node.sh("echo -n /var/cache/nodeagent/python/uv-*/uv"), &uv);
    drop(node);
    // The time of a run that does not fetch uv.
    let node = fresh(Some(&uv)).expect("nodes are not skipped");
    let began = Instant::now();
    node.run(&[]).exits(0);
    let mut whole = began.elapsed().as_secs_f64();
    assert_same(&wanted, &node.state(), "two undisturbed runs make equal nodes");
    drop(node);

    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut kills = 0;
    while kills < instants() {
        let node = fresh(Some(&uv)).expect("nodes are not skipped");
        let after = format!("{:.3}", 0.05 + random.next() * whole);
        let began = Instant::now();
        let killed = node.exec(
            &[],
            &["timeout", "--foreground", "-s", "KILL", &after, "nodeagent", "run", "--profile", "/profiles/ring.toml"],
        );
        if killed.code == 0 {
            // The run ended before the kill: from now on, kills come earlier.
            whole = whole.min(began.elapsed().as_secs_f64());
            continue;
        }
        kills += 1;
        eprintln!("kill {kills} of {} after {after} s of {whole:.3} s", instants());
        let next = node.run(&[]);
        next.exits(0);
        assert_same(
            &wanted,
            &node.state(),
            &format!("the next run completes the node after kill {kills} at {after} s;\n{killed}\n{next}\n"),
        );
        node.is_tidy();
        node.run(&[]).exits(0).prints("nothing to do");
    }
}
