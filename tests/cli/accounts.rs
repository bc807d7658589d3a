//! Users and groups on a fake node: what is planned and what is refused. Real nodes are in `tests/container`.

use crate::support::NodeTest;

/// A hash of crypt(5) that must not be shown.
const HASH: &str = "$6$ringsalt$hash-of-the-analyst";

fn node(profile: &str) -> NodeTest {
    NodeTest::new()
        .profile(profile)
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n")
        .file("etc/group", "root:x:0:\nann:x:1000:\nadm:x:4:\n")
        .file("etc/shadow", "root:*:1::::::\nann:!:1::::::\n")
        .debs(&[("bash", "5.2")])
        .var("FAMILY_HASH", HASH)
        .var("FAMILY_PLAIN", "hunter22-of-ann")
}

fn plan(node: &NodeTest, code: i32) -> String {
    let before = node.listing();
    let said = node.agent(&["plan", "--profile", "./x.toml"]).ended(code).all();
    assert_eq!(node.changes_since(&before), [""; 0], "a plan changes nothing");
    for secret in [HASH, "hunter22-of-ann"] {
        assert!(!said.contains(secret), "{said}");
    }
    said
}

#[track_caller]
fn has_lines(said: &str, lines: &[&str]) {
    for line in lines {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
}

#[test]
fn a_new_user_is_created_after_its_groups_and_owns_files_of_the_same_run() {
    let profile = r#"
[secrets]
source = "env"
scope = "family"
[[secrets.items]]
key = "hash"
to = { file = "/run/token", owner = "eve:models" }

[groups.models]
[users.eve]
groups = ["models", "adm"]
shell = "/bin/bash"
authorized-keys = ["ssh-ed25519 AAAA eve"]
password = { secret = "hash" }

[shell]
users = ["eve"]
bashrc = { text = "alias ll='ls -l'" }
"#;
    let said = plan(&node(profile), 0);
    has_lines(
        &said,
        &[
            "groupadd --gid 1001 models",
            "groupadd --gid 1002 eve",
            "useradd --uid 1002 --gid 1002 --home-dir /home/eve --create-home --shell /bin/bash --groups models,adm eve",
            "chpasswd --encrypted with the secret hash",
            "it creates the group `models`",
            "it creates the user `eve`",
            "+ssh-ed25519 AAAA eve",
            "home/eve/.bashrc",
        ],
    );
}

#[test]
fn a_user_that_exists_keeps_what_the_profile_does_not_set() {
    let said = plan(&node("[groups.adm]\n[users.ann]\ngroups = [\"adm\", \"ann\"]\nshell = \"/bin/sh\"\n"), 0);
    has_lines(&said, &["ann: add to adm", "usermod --append --groups adm ann", "groups: adm"]);
    let said = plan(&node("[users.ann]\ncomment = \"Ann\"\nuid = 1000\n"), 0);
    has_lines(&said, &["users: ann"]);
}

#[test]
fn a_group_of_a_package_is_joined_after_apt() {
    let profile = "[users.ann]\ngroups = [\"docker\"]\n";
    let said = plan(&node(profile), 2);
    has_lines(&said, &["there is no group `docker` on this node", "`[apt]`"]);
    let said = plan(&node(&format!("[apt]\npackages = [\"docker.io\"]\n{profile}")), 0);
    has_lines(&said, &["ann: add to docker", "system packages come before files"]);
}

#[test]
fn other_ids_missing_groups_and_passwords_in_plain_text_are_refused() {
    let secrets = "[secrets]\nsource = \"env\"\nscope = \"family\"\n";
    for (profile, message) in [
        ("[users.ann]\nuid = 1001\n", "the user `ann` exists with the id 1000, not 1001"),
        ("[users.eve]\nuid = 1000\n", "the user `ann` has the id 1000 already"),
        ("[groups.adm]\ngid = 5\n", "the group `adm` exists with the id 4, not 5"),
        ("[groups.x]\ngid = 4\n", "the group `adm` has the id 4 already"),
        ("[users.eve]\ngroup = \"models\"\n", "there is no group `models` on this node, and none in `[groups]`"),
        (
            &format!("{secrets}[users.ann]\npassword = {{ secret = \"plain\" }}\n"),
            "the secret `plain` is not a hash of crypt(5)",
        ),
    ] {
        has_lines(&plan(&node(profile), 2), &[message]);
    }
}
