//! Runs that end with status 2 before the first change, with their messages.

use crate::support::{CommandOutput, NodeTest};

/// Plans and runs a profile that must be refused. Both print the same message, and neither changes a file.
fn refused(node: &NodeTest) -> CommandOutput {
    let before = node.listing();
    let planned = node.agent(&["plan", "--profile", "x.toml"]).ended(2);
    assert_eq!(node.listing(), before, "planning changes nothing at all");
    let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
    assert_eq!(node.changes_since(&before), [""; 0]);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.lines().count() <= 10, "{}", output.stderr);
    let reasons = |output: &CommandOutput| {
        output.stderr.lines().filter(|line| line.starts_with("error: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    // A run names its report, too, and has room for one reason less.
    assert!(reasons(&planned).starts_with(&reasons(&output)), "{}\n{}", planned.stderr, output.stderr);
    output
}

#[test]
fn a_file_that_is_not_in_the_file_store() {
    let node = NodeTest::new().store("Family/lib/.keep", "").profile(
        "business-unit = \"Family\"\n[apt]\ndebs = [\"lib/debs/driver.deb\"]\n[shell]\nbashrc = \"prompt.sh\"\n",
    );
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_file_that_only_another_unit_has() {
    let with_prompt = |unit: &str| {
        NodeTest::new()
            .store("Criminal/lib/prompt.sh", "true")
            .store("Family/lib/motd.sh", "true")
            .profile(&format!("{unit}[shell]\nbashrc = \"lib/prompt.sh\"\n"))
    };
    let family = with_prompt("business-unit = \"Family\"\n");
    let output = refused(&family);
    family.frozen(|| insta::assert_snapshot!(output.stderr));
    let no_unit = with_prompt("");
    let output = refused(&no_unit);
    no_unit.frozen(|| insta::assert_snapshot!("a_file_of_a_unit_and_a_profile_without_one", output.stderr));
}

#[test]
fn an_optional_file_that_cannot_be_written_degrades_the_run() {
    let entry = |optional: &str| format!("[files]\n\"/etc/models\" = {{ text = \"A\"{optional} }}\n");
    let node = NodeTest::new().profile(&entry(""));
    std::fs::create_dir_all(node.root().join("etc/models")).expect("a folder at the path");
    refused(&node);
    let node = node.profile(&entry(", optional = true"));
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
    node.agent(&["run", "--profile", "x.toml", "--quiet", "--strict"]).ended(3);
}

#[test]
fn a_file_that_two_entries_write() {
    let node = NodeTest::new().profile("[shell]\nbashrc = { text = \"A\" }\n[files.\"/root/.bashrc\"]\ntext = \"B\"\n");
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_file_in_a_home_that_an_entry_and_a_secret_write() {
    let to = "{ netrc = \"~/.netrc\", machine = \"firm.example\", login = \"reader\" }";
    let items = format!("items = [{{ key = \"a\", to = {to} }}]\n");
    let node = NodeTest::new().var("FAMILY_A", "x").profile(&format!(
        "[files.\"/root/.netrc\"]\ntext = \"A\"\n[secrets]\nsource = \"env\"\nscope = \"family\"\n{items}"
    ));
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn secrets_that_share_a_file_do_not_refuse_the_run() {
    let item = |name: &str| {
        format!(
            "[[secrets.items]]\nkey = \"{name}\"\nto = {{ env-file = \"/etc/family.env\", variable = \"{name}\" }}\n"
        )
    };
    let node = NodeTest::new().var("FAMILY_A", "x").var("FAMILY_B", "y").profile(&format!(
        "[secrets]\nsource = \"env\"\nscope = \"family\"\n{}{}",
        item("A"),
        item("B")
    ));
    node.agent(&["check", "x.toml"]).ended(0);
    node.agent(&["plan", "x.toml"]).ended(0);
}

#[test]
fn a_key_of_an_apt_source_that_a_file_replaces() {
    let source = "[[apt.sources]]\nname = \"inhouse\"\nuris = \"https://apt.firm.example/\"\nsuites = \"./\"\n\
        key = \"key.asc\"\nfingerprint = \"74DF5806E755C8594BFE405B294A5ECC7791CC5A\"\n";
    let node = NodeTest::new()
        .debs(&[])
        .work("key.asc", include_str!("../fixtures/keys/apt.asc"))
        .profile(&format!("{source}[files.\"/etc/apt/keyrings/inhouse.gpg\"]\ntext = \"A\"\n"));
    node.agent(&["check", "x.toml"]).ended(0);
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_file_whose_name_has_a_typo() {
    let node = NodeTest::new()
        .store("Family/lib/prompt.sh", "true")
        .profile("business-unit = \"Family\"\n[shell]\nbashrc = \"lib/promt.sh\"\n");
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn an_optional_file_that_is_missing_degrades_the_run() {
    let node = NodeTest::new().profile("[apt]\ndebs = [{ path = \"lib/debs/driver.deb\", optional = true }]\n");
    let output = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    node.frozen(|| insta::assert_snapshot!(output.stdout));
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
    node.agent(&["run", "--profile", "x.toml", "--quiet", "--strict"]).ended(3);
}

#[test]
fn a_text_with_another_digest_than_the_profile_says() {
    let sha256 = "0".repeat(64);
    for entry in [
        format!(
            "[files]\n\"/etc/text\" = {{ from = {{ path = \"lib/a.txt\", sha256 = \"{sha256}\" }}, template = true }}\n"
        ),
        format!("[users.analyst]\nauthorized-keys = [{{ path = \"lib/a.txt\", sha256 = \"{sha256}\" }}]\n"),
    ] {
        let node = NodeTest::new().store("Admin/lib/a.txt", "ssh-ed25519 AAAA x\n").profile(&entry);
        let before = node.listing();
        let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
        let expected = "lib/a.txt` does not have the digest that the profile says: it has sha256:";
        assert!(output.stderr.contains(expected), "{}", output.stderr);
        assert_eq!(node.changes_since(&before), [""; 0]);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the support of tests writes texts only")]
fn an_optional_text_that_is_not_utf_8_degrades_the_run() {
    let entries = [
        "[shell]\nbashrc = { file = \"lib/latin-1.txt\"OPTIONAL }\n",
        "[files]\n\"/etc/text\" = { from = \"lib/latin-1.txt\", template = trueOPTIONAL }\n",
        "[files]\n\"/etc/text\" = { block = { from = \"lib/latin-1.txt\" }OPTIONAL }\n",
    ];
    for entry in entries {
        let node = NodeTest::new().store("Admin/lib/latin-1.txt", "");
        std::fs::write(node.beside("store/Admin/lib/latin-1.txt"), b"caf\xe9\n").expect("a file of the store");
        let node = node.profile(&entry.replace("OPTIONAL", ""));
        let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
        assert!(output.stderr.contains("latin-1.txt` is not UTF-8 text"), "{}", output.stderr);
        let node = node.profile(&entry.replace("OPTIONAL", ", optional = true"));
        let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
        assert!(output.stderr.contains("latin-1.txt` is not UTF-8 text"), "{}", output.stderr);
        node.agent(&["run", "--profile", "x.toml", "--quiet", "--strict"]).ended(3);
    }
}

const SECRET: &str = "[secrets]\nsource = \"env\"\nscope = \"family\"\n\
    items = [{ key = \"token\", to = { file = \"/run/nodeagent/secrets/token\" } }]\n";

#[test]
fn a_secret_whose_variable_is_not_set() {
    let node = NodeTest::new().profile(SECRET);
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_secret_that_the_platform_did_not_resolve() {
    let node = NodeTest::new().profile(SECRET).var("FAMILY_TOKEN", "{{secrets/family/token}}");
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_secret_of_a_missing_scope() {
    let node = NodeTest::new().store("vault/criminal/token", "x");
    let path = node.beside("store/vault").display().to_string();
    let profile = SECRET.replace("source = \"env\"", &format!("source = \"file\"\npath = \"{path}\""));
    let node = node.profile(&profile);
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn an_owner_that_the_node_does_not_have() {
    let node = NodeTest::new()
        .profile(&SECRET.replace("token\" }", "token\", owner = \"ann:analysts\" }"))
        .var("FAMILY_TOKEN", "x");
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_user_that_the_node_does_not_have() {
    let node = NodeTest::new().profile("[shell]\nusers = [\"root\", \"anylist\"]\nbashrc = { text = \"true\" }\n");
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn an_optional_text_for_an_unknown_user_degrades_the_run() {
    let text = "bashrc = { text = \"true\", optional = true }";
    let node = NodeTest::new().profile(&format!("[shell]\nusers = [\"root\", \"anylist\"]\n{text}\n"));
    let output = node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    node.frozen(|| insta::assert_snapshot!(output.stdout));
    let output = node.agent(&["run", "--profile", "x.toml"]).ended(0);
    assert!(output.stderr.contains("there is no user `anylist` on this node"), "{}", output.stderr);
    assert_eq!(
        std::fs::read_to_string(node.root().join("root/.bashrc")).expect("written"),
        "# >>> nodeagent >>>\ntrue\n# <<< nodeagent <<<\n"
    );
    node.agent(&["run", "--profile", "x.toml", "--quiet", "--strict"]).ended(3);
}

#[test]
fn an_optional_secret_for_an_unknown_owner_degrades_the_run() {
    let secrets = "[secrets]\nsource = \"env\"\nscope = \"family\"\n";
    let item = "[[secrets.items]]\nkey = \"token\"\nto = { file = \"~/token\", owner = \"anylist\" }\n";
    let message = "there is no owner `anylist` on this node for the secret `token`";
    let node = NodeTest::new().var("FAMILY_TOKEN", "s3cret").profile(&format!("{secrets}{item}"));
    assert!(refused(&node).stderr.contains(message));
    let node = NodeTest::new().var("FAMILY_TOKEN", "s3cret").profile(&format!("{secrets}{item}optional = true\n"));
    let output = node.agent(&["run", "--profile", "x.toml"]).ended(0);
    assert!(output.stderr.contains(message), "{}", output.stderr);
    node.agent(&["run", "--profile", "x.toml", "--quiet", "--strict"]).ended(3);
}

#[test]
fn a_mark_of_ours_without_its_partner() {
    let node = NodeTest::new()
        .file("root/.bashrc", "alias ll='ls -l'\n# >>> nodeagent >>>\nexport PS1=x\n")
        .profile("[shell]\nbashrc = { text = \"true\" }\n");
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_wheel_that_does_not_fit_the_interpreter() {
    let arch = std::env::consts::ARCH;
    let files = [
        format!("other_python-1.0-cp39-cp39-linux_{arch}.whl"),
        format!("new_glibc-1.0-cp311-cp311-manylinux_2_39_{arch}.whl"),
    ];
    let mut node = NodeTest::new().python(&[]).profile(&format!("[wheel]\nfiles = {files:?}\n"));
    for file in &files {
        node = node.work(file, "");
    }
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_request_that_would_change_a_package_of_the_runtime() {
    let node = NodeTest::new()
        .python(&[("numpy", "1.26.4"), ("pandas", "2.2.3")])
        .work("r.txt", "nltk\npandas==1.5.3\n")
        .work("numpy-2.0.0-py3-none-any.whl", "")
        .profile("[pip]\npackages = [\"numpy>=2\"]\nrequirements = [\"r.txt\"]\n[wheel]\nfiles = [\"numpy-2.0.0-py3-none-any.whl\"]\n");
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
    let node = node.profile("[pip]\npackages = [\"numpy>=2\"]\nallow-change = [\"NumPy\"]\n");
    node.agent(&["plan", "--profile", "x.toml"]).ended(0);
}

#[test]
fn an_interpreter_or_an_r_that_the_node_does_not_have() {
    let node = NodeTest::new().profile("[pip]\npackages = [\"nltk\"]\n[r]\npackages = [\"plumber\"]\n");
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_file_of_requirements_that_names_a_missing_file() {
    let node =
        NodeTest::new().python(&[]).work("r.txt", "nltk\n-r more.txt\n").profile("[pip]\nrequirements = [\"r.txt\"]\n");
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_file_of_requirements_with_a_digest_that_includes_another_file() {
    let digest = |text: &str| nodeagent::digest::Digest::sha256(text.as_bytes()).hex().to_owned();
    for line in [
        "-r more.txt",
        "-r/srv/more.txt",
        "--requirement=https://dl.firm.example/more.txt",
        "-c /srv/limits.txt",
        "--constraint https://dl.firm.example/limits.txt",
        "./project",
        "-e ./project",
    ] {
        let text = format!("nltk\n{line}\n");
        let with_digest =
            |place: &str| format!("[pip]\nrequirements = [{{ {place}, sha256 = \"{}\" }}]\n", digest(&text));
        let node = NodeTest::new().python(&[]).work("r.txt", &text).work("more.txt", "numpy\n");
        let node = node.profile(&with_digest("path = \"r.txt\""));
        let said = refused(&node).stderr;
        assert!(said.contains("r.txt:2"), "{line}: {said}");
        assert!(said.contains("`r.txt` names other files, which its digest or signature does not cover"), "{said}");
        // The same file on a server, after a run has fetched it.
        let node = node
            .file(&format!("var/cache/nodeagent/assets/{}/r.txt", digest(&text)), &text)
            .profile(&with_digest("url = \"https://dl.firm.example/r.txt\""));
        let said = node.agent(&["plan", "--profile", "x.toml"]).ended(2).stderr;
        assert!(said.contains("r.txt:2") && said.contains("names other files"), "{line}: {said}");
    }
    let text = "nltk\n-r more.txt\n--requirement=https://dl.firm.example/more.txt\n";
    let node = NodeTest::new().python(&[]).work("r.txt", text).work("more.txt", "numpy\n");
    let node = node.profile("[pip]\nrequirements = [\"r.txt\"]\n");
    node.agent(&["plan", "--profile", "x.toml"]).ended(0);
}

#[test]
fn a_fact_that_is_not_known_on_this_node() {
    let node = NodeTest::new().profile("[shell.variables]\nUNIT = \"${cluster.business-unit}\"\n");
    // Away from its node a profile is sound.
    node.agent(&["check", "x.toml"]).ended(0);
    let output = node.agent(&["plan", "--profile", "x.toml"]).ended(2);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn many_reasons_are_all_counted_in_ten_lines() {
    let debs: Vec<String> = (1..=20).map(|number| format!("lib/debs/{number}.deb")).collect();
    let node = NodeTest::new().profile(&format!("[apt]\ndebs = {debs:?}\n"));
    let output = refused(&node);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
    // A plan shows all of them.
    let planned = node.agent(&["plan", "--profile", "x.toml"]).ended(2);
    assert_eq!(planned.stderr.matches("error: ").count(), 20, "{}", planned.stderr);
}

#[test]
fn a_changed_file_is_refused_before_anything_is_written() {
    let sha256 = "0".repeat(64);
    let node = NodeTest::new().debs(&[("bash", "5.2")]).work("tool_1.0_all.deb", "changed").profile(&format!(
        "[apt]\ndebs = [{{ path = \"tool_1.0_all.deb\", sha256 = \"{sha256}\" }}]\n[shell]\nbashrc = {{ text = \"true\" }}\n"
    ));
    let before = node.listing();
    let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
    // By now the lock was taken; the node itself is as it was.
    let changes = node.changes_since(&before);
    let of_the_node: Vec<_> = changes
        .iter()
        .filter(|path| !["node/var/lib", "node/var/cache", "node/var"].iter().any(|known| path.starts_with(known)))
        .collect();
    assert_eq!(of_the_node, [""; 0], "{changes:?}");
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_user_other_than_root() {
    let Some(output) = NodeTest::new()
        .profile("[shell.variables]\nNODEAGENT_TEST = \"x\"\n")
        .agent_as_unprivileged_user(&["--root", "/", "run", "--profile", "x.toml", "--quiet"])
    else {
        return; // only root can change its user
    };
    let output = output.ended(2);
    assert!(output.stderr.contains("only root may change it"), "{}", output.stderr);
    assert!(output.stderr.contains("hint: run nodeagent as root"), "{}", output.stderr);
}
