//! Keys and signatures exchanged with the minisign program in both directions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use assert_cmd::Command;

use crate::support::put;

const PASSWORD: &str = "correct horse battery staple";
const TEXT: &str = "schema = 1\nname = \"family\"\n";

/// A folder with a file to sign.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a temporary folder"));
        put(&desk.path("family.toml"), TEXT);
        put(&desk.path("password"), &format!("{PASSWORD}\n"));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs minisign; `typed` is its input.
    fn minisign(&self, arguments: &[&str], typed: &str) -> Output {
        let mut program = Command::new("minisign");
        program.args(arguments).current_dir(self.0.path()).write_stdin(typed);
        program.output().expect("scripts/clients installs minisign")
    }

    fn agent(&self, arguments: &[&str]) -> Output {
        let mut program = Command::new(assert_cmd::cargo::cargo_bin!("nodeagent"));
        program.args(arguments).current_dir(self.0.path()).env_clear().output().expect("it starts")
    }
}

fn good(output: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    assert!(!text.contains(PASSWORD), "{text}");
    text
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

#[test]
fn signatures_of_nodeagent_are_verified_by_minisign() {
    let desk = Desk::new();
    for (key, how) in [("open.key", &["--no-password"][..]), ("shut.key", &["--password-file", "password"][..])] {
        good(&desk.agent(&[&["sign", "--generate", key], how].concat()));
        assert_eq!((mode(&desk.path(key)), mode(&desk.path(&format!("{key}.pub")))), (0o600, 0o644));
        good(&desk.agent(&[
            "sign",
            "family.toml",
            "--key",
            key,
            "--comment",
            "looked at",
            "--password-file",
            "password",
        ]));
        let public = format!("{key}.pub");
        let output = good(&desk.minisign(&["-V", "-p", &public, "-m", "family.toml"], ""));
        assert!(output.contains("\tfile:family.toml\thashed\tlooked at"), "{output}");
        let line = desk.read(&public).lines().nth(1).expect("two lines").to_owned();
        good(&desk.minisign(&["-V", "-P", &line, "-m", "family.toml"], ""));
        put(&desk.path("family.toml"), &TEXT.replace("family", "Family"));
        assert!(!desk.minisign(&["-V", "-p", &public, "-m", "family.toml"], "").status.success());
        put(&desk.path("family.toml"), TEXT);
    }
}

#[test]
fn signatures_of_minisign_are_verified_by_nodeagent() {
    let desk = Desk::new();
    good(&desk.minisign(&["-G", "-W", "-p", "k.pub", "-s", "k.key"], ""));
    good(&desk.minisign(&["-S", "-s", "k.key", "-m", "family.toml", "-c", "from here", "-t", "and there"], ""));
    let output = good(&desk.agent(&["verify", "family.toml", "--key", "k.pub"]));
    assert!(output.contains("and there") && !output.contains("from here"), "{output}");
    good(&desk.minisign(&["-S", "-s", "k.key", "-m", "family.toml"], ""));
    let output = good(&desk.agent(&["verify", "family.toml", "--key", "k.pub", "--json"]));
    let found: serde_json::Value = serde_json::from_str(&output).expect("JSON");
    assert!(found[0]["comment"].as_str().is_some_and(|comment| comment.contains("file:family.toml")), "{found:#}");
    // A legacy signature, which is refused.
    good(&desk.minisign(&["-S", "-l", "-s", "k.key", "-m", "family.toml"], ""));
    let refused = desk.agent(&["verify", "family.toml", "--key", "k.pub"]);
    assert_eq!(refused.status.code(), Some(2));
    let output = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(output.contains("legacy minisign signature") && output.contains("without `-l`"), "{output}");
}

#[test]
fn each_signs_with_the_keys_of_the_other() {
    let desk = Desk::new();
    // A key of minisign with a password, whose hash takes 1 GiB, then one without.
    let typed = format!("{PASSWORD}\n{PASSWORD}\n");
    good(&desk.minisign(&["-G", "-p", "theirs.pub", "-s", "theirs.key"], &typed));
    good(&desk.minisign(&["-G", "-W", "-p", "open.pub", "-s", "open.key"], ""));
    for key in ["theirs", "open"] {
        let (secret, public) = (format!("{key}.key"), format!("{key}.pub"));
        good(&desk.agent(&["sign", "family.toml", "--key", &secret, "--password-file", "password"]));
        good(&desk.minisign(&["-V", "-p", &public, "-m", "family.toml"], ""));
        good(&desk.agent(&["verify", "family.toml", "--key", &public]));
    }
    // Keys of nodeagent, read by minisign.
    good(&desk.agent(&["sign", "--generate", "shut.key", "--password-file", "password"]));
    good(&desk.agent(&["sign", "--generate", "ours.key", "--no-password"]));
    for (key, typed) in [("shut.key", typed.as_str()), ("ours.key", "")] {
        good(&desk.minisign(&["-S", "-s", key, "-m", "family.toml"], typed));
        good(&desk.agent(&["verify", "family.toml", "--key", &format!("{key}.pub")]));
    }
}

#[test]
fn a_wrong_password_is_an_error() {
    let desk = Desk::new();
    good(&desk.agent(&["sign", "--generate", "shut.key", "--password-file", "password"]));
    put(&desk.path("other"), "wrong horse battery staple\n");
    let refused = desk.agent(&["sign", "family.toml", "--key", "shut.key", "--password-file", "other"]);
    assert_eq!(refused.status.code(), Some(2));
    let output = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(output.contains("the password is wrong") && !output.contains("horse"), "{output}");
    assert!(!desk.path("family.toml.minisig").exists());
    let refused = desk.agent(&["sign", "family.toml", "--key", "shut.key"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no terminal"), "{refused:?}");
}
