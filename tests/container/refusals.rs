//! Refusals: status 2, with the profile line and the facts on both sides, and without a changed file.

use crate::support::{CommandOutput, Node, PROFILE, PROFILES, assert_same, wheel};

/// Asserts that the profile is refused and that no file has changed since the node was fresh.
fn is_refused((node, fresh): (&Node, &str), sections: &str, words: &[&str]) {
    node.profile(sections);
    let output = node.run(&[]);
    output.exits(2).is_brief().prints("nothing was changed");
    for words in words {
        output.prints(words);
    }
    assert_same(fresh, &node.listing(), "a refused run changes nothing");
}

#[test]
fn missing_and_damaged_files_are_refused_before_any_change() {
    let Some(node) = Node::fresh("missing") else { return };
    node.write(&format!("{PROFILES}/ringwheel-1.0-py3-none-any.whl"), wheel("ringwheel", "1.0", &[]));
    let listing = node.listing();
    let fresh = (&node, listing.as_str());
    let digest = "0".repeat(64);
    is_refused(
        fresh,
        &format!(
            "[apt]\npackages = [\"jq\"]\n[wheel]\nfiles = [{{ path = \"ringwheel-1.0-py3-none-any.whl\", sha256 = \
             \"{digest}\" }}]\n"
        ),
        &[
            "ringwheel-1.0-py3-none-any.whl",
            "does not have the digest that the profile says",
            "the profile has sha256:0000",
            "ring.toml:6",
        ],
    );
    is_refused(
        fresh,
        "[apt]\npackages = [\"jq\"]\n[wheel]\nfiles = [\"gone-1.0-py3-none-any.whl\"]\n",
        &["`gone-1.0-py3-none-any.whl` is not in the file store", "ring.toml:6", "/profiles"],
    );
    let secrets = "[apt]\npackages = [\"jq\"]\n[secrets]\nsource = \"env\"\nscope = \"ring\"\n[[secrets.items]]\nkey = \
                   \"token\"\nto = { file = \"/run/ring-token\" }\n";
    is_refused(fresh, secrets, &["the variable `RING_TOKEN` is not set", "ring.toml:9"]);
    let reference = "RING_TOKEN={{secrets/ring/token}}";
    let output = node.exec(&["--env", reference], &["nodeagent", "run", "--profile", PROFILE]);
    output.exits(2).prints("did not resolve").prints("{{secrets/ring/token}}");
    is_refused(
        fresh,
        "[shell]\nbashrc = \"gone.sh\"\n[pip]\nrequirements = [\"gone.txt\"]\n",
        &["`gone.sh`", "`gone.txt`", "ring.toml:4", "ring.toml:6"],
    );
    // All reasons are reported at once.
    is_refused(fresh, &format!("{secrets}[pip]\npackages = [\"numpy<2\"]\n"), &["RING_TOKEN", "`numpy<2`"]);
}

#[test]
fn packages_of_the_runtime_are_guarded() {
    let Some(node) = Node::fresh("guard") else { return };
    let listing = node.listing();
    let fresh = (&node, listing.as_str());
    is_refused(
        fresh,
        "[apt]\npackages = [\"jq\"]\n[pip]\npackages = [\"six\", \"numpy<2\"]\n",
        &["`numpy<2` would change `numpy` 2.2.6, which the runtime ships", "ring.toml:6", "allow-change"],
    );
    node.write(&format!("{PROFILES}/requirements.txt"), "six\n# old\nidna<3\n");
    is_refused(
        fresh,
        "[pip]\nrequirements = [\"requirements.txt\"]\n",
        &["`idna<3` would change `idna` 3.10", "requirements.txt:3"],
    );
    // Only the resolution shows that a newer click is needed: for a package of the index, and for one of the file
    // store.
    // Accounts and variables come before packages, and do not change this.
    is_refused(
        fresh,
        "[apt]\npackages = [\"jq\"]\n[pip]\npackages = [\"humanize\", \"click-extra==7.0.0\"]\n[groups.ring]\n\
         [users.ring]\n[env.variables]\nRING = \"1\"\n[system]\ntimezone = \"Europe/Paris\"\n",
        &["`click-extra==7.0.0` would change `click` from 8.1.8 to ", "ring.toml:6", "allow-change"],
    );
    node.write(&format!("{PROFILES}/requirements.txt"), "six\nclick-extra==7.0.0\n");
    is_refused(
        fresh,
        "[pip]\nrequirements = [\"requirements.txt\"]\n",
        &["`click-extra==7.0.0` would change `click` from 8.1.8 to ", "requirements.txt:2"],
    );
    node.write(&format!("{PROFILES}/ringwheel-1.0-py3-none-any.whl"), wheel("ringwheel", "1.0", &["click>=8.2"]));
    let wheel = "[wheel]\nfiles = [\"ringwheel-1.0-py3-none-any.whl\"]\n";
    is_refused(fresh, wheel, &["ringwheel", "`click` from 8.1.8 to ", "ring.toml:4"]);
    is_refused(fresh, &format!("{wheel}[pip]\ninstaller = \"pip\"\n"), &["ringwheel", "`click` from 8.1.8 to "]);

    node.profile(&format!("{wheel}[pip]\nallow-change = [\"click\"]\n"));
    node.run(&[]).exits(0);
    let click = node.sh("/databricks/python/bin/python -c 'import click, ringwheel; print(click.__version__)'");
    assert!(!click.starts_with("8.1."), "allow-change lets click change, and it is {click}");
    node.run(&[]).exits(0).prints("nothing to do");
}

#[test]
fn only_root_changes_a_node_and_any_user_may_plan() {
    let Some(node) = Node::fresh("user") else { return };
    node.profile("[apt]\npackages = [\"jq\"]\n[shell.variables]\nRING = \"1\"\n");
    let as_analyst = |arguments: &[&str]| node.exec(&["--user", "analyst"], &[&["nodeagent"], arguments].concat());
    let before = node.listing_but_log();
    as_analyst(&["run", "--profile", PROFILE])
        .exits(2)
        .prints("only root may change it")
        .prints("run nodeagent as root");
    let plan: CommandOutput = as_analyst(&["plan", "--profile", PROFILE]);
    plan.exits(0);
    assert!(plan.stdout.contains("install jq"), "{plan}");
    as_analyst(&["check", PROFILE]).exits(0);
    as_analyst(&["run", "--dry-run", "--profile", PROFILE]).exits(0);
    assert_same(&before, &node.listing_but_log(), "a user without rights changes nothing");
}
