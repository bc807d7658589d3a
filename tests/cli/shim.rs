//! `nodeagent shim`: the init script of a cluster. Bash runs the script, with the folder of a test as the node.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use nodeagent::fs::{Attributes, replace};

use crate::support::{NodeTest, entries, put};

const BASH: Option<&str> = Some("/bin/bash");

/// A node with a profile, and a file store with the binary under test.
fn node() -> NodeTest {
    let node = NodeTest::new()
        .store(
            "Admin/init_scripts/x.toml",
            "schema = 1\nname = \"x\"\n[shell]\nbashrc = { text = \"alias ll='ls -l'\" }\n",
        )
        .file("root/.bashrc", "")
        .file("usr/local/sbin/.keep", "");
    symlink(assert_cmd::cargo::cargo_bin!("nodeagent"), binary(&node)).expect("the store is empty");
    node
}

/// The binary in the file store.
fn binary(node: &NodeTest) -> PathBuf {
    node.beside("store/Admin/init_scripts/nodeagent")
}

/// Puts another file in the place of the binary.
fn exchange(node: &NodeTest, text: &str) {
    let path = binary(node);
    let _ = fs::remove_file(&path);
    put(&path, text);
}

/// Writes the script of the profile, with further arguments of `shim`.
fn script(node: &NodeTest, arguments: &[&str]) -> PathBuf {
    let path = node.beside("x.sh");
    let out = path.display().to_string();
    node.agent(&[&["shim", "--profile", "x", "--out", &out], arguments].concat()).ended(0);
    assert_eq!(mode(&path), 0o644);
    path
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file is there").permissions().mode() & 0o7777
}

/// The names in the folder of the node that receives the binary.
fn installed(node: &NodeTest) -> Vec<String> {
    let names = entries(&node.root().join("usr/local/sbin")).into_iter();
    names.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
}

/// Asserts that a refused script left everything as it was.
#[track_caller]
fn is_untouched(node: &NodeTest) {
    assert_eq!(installed(node), [".keep"]);
    assert_eq!(node.read("root/.bashrc"), "");
    assert!(!node.beside("marker").exists(), "another program ran");
}

#[test]
fn a_script_installs_the_verified_binary_and_runs_the_profile() {
    let node = node();
    let script = script(&node, &[]);
    node.execute(BASH, &script).ended(0);
    assert!(node.read("root/.bashrc").contains("alias ll"));
    assert_eq!(installed(&node), [".keep", "nodeagent"]);
    assert_eq!(node.mode("usr/local/sbin/nodeagent"), 0o755);
    assert_eq!(entries(&node.beside("store/Admin/reports")).len(), 1);
    // The binary of the processor precedes the general name, and a second start replaces the installed file.
    let own = node.beside(&format!("store/Admin/init_scripts/nodeagent-{}", std::env::consts::ARCH));
    fs::rename(binary(&node), own).expect("same folder");
    exchange(&node, "#!/bin/sh\nexit 7\n");
    node.execute(BASH, &script).ended(0);
    assert_eq!(installed(&node), [".keep", "nodeagent"]);
}

#[test]
fn a_missing_or_changed_binary_is_refused_and_never_started() {
    let node = node();
    let script = script(&node, &[]);
    fs::remove_file(binary(&node)).expect("it exists");
    let output = node.execute(BASH, &script).ended(2);
    let path = binary(&node).display().to_string();
    assert_eq!(output.stderr, format!("nodeagent shim: `{path}` does not exist; nothing was changed\n"));
    is_untouched(&node);
    exchange(&node, &format!("#!/bin/sh\ntouch {}\n", node.beside("marker").display()));
    let output = node.execute(BASH, &script).ended(2);
    assert!(output.stderr.starts_with(&format!("nodeagent shim: `{path}` has sha256 ")), "{}", output.stderr);
    assert!(output.stderr.ends_with("; nothing was changed\n"), "{}", output.stderr);
    is_untouched(&node);
}

#[test]
fn a_binary_that_does_not_run_is_refused_though_its_digest_is_right() {
    let node = node();
    let machine = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    let program = elf(machine);
    let other = node.beside("other");
    replace(&other, &program, Attributes::default()).expect("written");
    let script = script(&node, &["--binary", &other.display().to_string()]);
    fs::remove_file(binary(&node)).expect("it exists");
    replace(&binary(&node), &program, Attributes::default()).expect("written");
    let output = node.execute(BASH, &script).ended(2);
    assert!(output.stderr.contains("does not run on this node"), "{}", output.stderr);
    is_untouched(&node);
}

#[test]
fn a_script_with_windows_line_ends_is_refused() {
    let node = node();
    let script = script(&node, &[]);
    let text = fs::read_to_string(&script).expect("UTF-8").replace('\n', "\r\n");
    replace(&script, text.as_bytes(), Attributes::mode(0o755)).expect("written");
    let output = node.execute(BASH, &script).ended(2);
    assert_eq!(output.stderr, "nodeagent shim: this file has Windows line ends; nothing was changed\n");
    // The kernel passes `-p` with the carriage return to bash, which refuses it.
    node.execute(None, &script).ended(2);
    is_untouched(&node);
}

#[test]
fn functions_and_variables_of_the_environment_do_not_change_a_script() {
    let mut node = node();
    let script = script(&node, &[]);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("ours");
    let touch = format!("/usr/bin/touch {}", node.beside("marker").display());
    put(&node.beside("bash_env"), &format!("{touch}\n"));
    let names = [
        "sha256sum",
        "uname",
        "mktemp",
        "cp",
        "chmod",
        "mv",
        "rm",
        "env",
        "/usr/bin/env",
        "exec",
        "unset",
        "set",
        "trap",
        "exit",
        "printf",
        "echo",
        "program",
        "refuse",
        "head",
        "nodeagent",
    ];
    for name in names {
        node = node.var(&format!("BASH_FUNC_{name}%%"), &format!("() {{ {touch}; }}"));
    }
    for (name, value) in [
        ("LD_PRELOAD", "/nonexistent/preload.so"),
        ("LD_LIBRARY_PATH", "/nonexistent"),
        ("PATH", "/nonexistent"),
        ("SHELLOPTS", "noexec"),
        ("PS4", "$(/usr/bin/touch marker)"),
        ("IFS", "a"),
    ] {
        node = node.var(name, value);
    }
    let bash_env = node_path(&node, "bash_env");
    let started = node.var("BASH_ENV", &bash_env);
    started.execute(None, &script).ended(0);
    assert!(!started.beside("marker").exists() && !started.beside("desk/marker").exists(), "other code ran");
    assert!(started.read("root/.bashrc").contains("alias ll"));
    // `bash FILE` reads the file of BASH_ENV before the script, and cannot be kept from it. Functions have no effect.
    let started = started.var("BASH_ENV", "").var("SHELLOPTS", "xtrace");
    started.execute(BASH, &script).ended(0);
    assert!(!started.beside("marker").exists() && !started.beside("desk/marker").exists(), "other code ran");
}

fn node_path(node: &NodeTest, path: &str) -> String {
    node.beside(path).display().to_string()
}

#[test]
fn values_reach_nodeagent_unchanged() {
    let node = node();
    let reports = node_path(&node, "re ports'$(touch marker)`touch marker`");
    let script = script(&node, &["--reports", &reports, "--", "--strict", "--deadline", "20m"]);
    node.execute(BASH, &script).ended(0);
    assert_eq!(entries(Path::new(&reports)).len(), 1);
    assert!(!node.beside("desk/marker").exists() && !node.beside("marker").exists());
    let text = fs::read_to_string(&script).expect("UTF-8");
    assert!(text.ends_with(" --strict --deadline 20m\n}\nmain\n"), "{text}");
}

#[test]
fn a_script_has_the_store_and_the_trusted_keys_of_the_command() {
    let node = node();
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let output = node.agent(&["shim", "--profile", "x", "--store", "s3://bucket/store", "--trusted-key", key]).ended(0);
    let options = format!(" --store s3://bucket/store --trusted-key {key}\n}}\nmain\n");
    assert!(output.stdout.starts_with("#!/bin/bash -p\n") && output.stdout.ends_with(&options), "{}", output.stdout);
    assert!(output.stderr.contains("\"init_scripts\": [{\"volumes\""), "{}", output.stderr);
    assert!(output.stderr.contains("Replace the words in capitals"), "{}", output.stderr);
    let quiet = node.agent(&["shim", "--profile", "x", "--quiet"]).ended(0);
    assert_eq!(quiet.stderr, "");
    let mode = "\nexport NODEAGENT_ACCESS_MODE=standard\nexec ";
    assert!(!quiet.stdout.contains("NODEAGENT_ACCESS_MODE"), "{}", quiet.stdout);
    assert!(node.agent(&["shim", "--profile", "x", "--access-mode", "standard"]).ended(0).stdout.contains(mode));
}

/// The header of a program for a processor, without any code.
fn elf(machine: u16) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    // A program of version 1.
    (header[16], header[20]) = (2, 1);
    header[18..20].copy_from_slice(&machine.to_le_bytes());
    // The sizes of the header and of the entries of its tables.
    (header[52], header[54], header[58]) = (64, 56, 64);
    header
}

#[test]
fn a_script_has_one_digest_for_each_processor() {
    let node = node();
    for (name, machine) in [("x86", 62), ("arm", 183), ("i386", 3)] {
        replace(&node.beside(name), &elf(machine), Attributes::default()).expect("written");
    }
    let (x86, arm) = (node_path(&node, "x86"), node_path(&node, "arm"));
    let text = node.agent(&["shim", "--profile", "x", "--binary", &arm, "--binary", &x86]).ended(0).stdout;
    for (processor, machine) in [("aarch64", 183), ("x86_64", 62)] {
        let sha256 = nodeagent::digest::Digest::sha256(&elf(machine));
        assert!(text.contains(&format!("    {processor}) expected={} ;;\n", sha256.hex())), "{text}");
    }
    let old = node.agent(&["shim", "--profile", "x", "--binary", &node_path(&node, "i386")]).ended(2);
    assert!(old.stderr.contains("is for a processor that nodeagent does not support"), "{}", old.stderr);
    put(&node.beside("program.sh"), "#!/bin/sh\n");
    let script = node.agent(&["shim", "--profile", "x", "--binary", &node_path(&node, "program.sh")]).ended(2);
    assert!(script.stderr.contains("program.sh` (`--binary`) is not an ELF program"), "{}", script.stderr);
    let mut changed = elf(62);
    changed.push(0);
    replace(&node.beside("changed"), &changed, Attributes::default()).expect("written");
    let two = ["shim", "--profile", "x", "--binary", &x86, "--binary", &node_path(&node, "changed")];
    assert!(node.agent(&two).ended(2).stderr.contains("two binaries for the processor `x86_64` differ"));
}

#[test]
fn values_that_a_node_cannot_use_are_refused() {
    let node = NodeTest::new();
    let volume = "/Volumes/a/b/c";
    for (arguments, message, hint) in [
        (&["--profile", "x"][..], "no file store is given", "use `--filestore /Volumes/CATALOG/SCHEMA/VOLUME`"),
        (
            &["--profile", "x", "--filestore", "dbfs:/FileStore"],
            "`dbfs:/FileStore` (`--filestore`)",
            "`/dbfs/FileStore`",
        ),
        (&["--profile", "x", "--filestore", "dbfs:/Volumes/a/b/c"], "(`--filestore`)", "`/Volumes/a/b/c`"),
        (
            &["--profile", "x", "--filestore", "https://example.org/x"],
            "is not a folder that the script can read",
            "mount",
        ),
        (&["--profile", "x", "--filestore", "store"], "is not a folder that the script can read", "absolute path"),
        (&["--profile", "x", "--filestore", "/Volumes/a"], "is not a folder in a Volume", "/Volumes/CATALOG"),
        (
            &["--profile", "x", "--filestore", volume, "--reports", "reports"],
            "`reports` (`--reports`)",
            "absolute path",
        ),
        (&["--profile", "./x.toml", "--filestore", volume], "`./x.toml` (`--profile`) is a relative path", "name"),
        (&["--profile", "x", "--filestore", volume, "--", "--deadlin", "5m"], "does not accept", "--help"),
        (
            &["--profile", "x", "--filestore", volume, "--", "--dry-run"],
            "`--dry-run` cannot be used",
            "prepare the node",
        ),
        (&["--profile", "x", "--filestore", volume, "--", "--stage=launch"], "`--stage` cannot be used", "prepare"),
        (&["--profile", "x", "--filestore", volume, "--", "--deadline", "soon"], "soon", "--help"),
        (
            &["--profile", "x", "--filestore", volume, "--", "--report-to", "/y"],
            "cannot be used multiple times",
            "--help",
        ),
        (&["--profile", "a\nb", "--filestore", volume], "control character", "without control characters"),
    ] {
        let output = node.agent_without_store(&[&["shim"], arguments].concat()).ended(2);
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", output.stdout);
        assert!(output.stderr.contains(message) && output.stderr.contains(hint), "{arguments:?}: {}", output.stderr);
    }
}
