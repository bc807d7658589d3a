//! The environment of the programs that a run starts.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::support::{NodeTest, put};

/// Writes all variables of a hook to a file of the node.
const PRINTS: &str = "[hooks.show]\ntext = \"#!/bin/sh\\nenv | sort > /out\"\n";

/// A node with these variables, and a hook that prints its own. Returns what the hook printed.
fn printed(node: NodeTest, variables: &[(&str, &str)]) -> String {
    let out = node.beside("out").display().to_string();
    let node = variables.iter().fold(node, |node, (name, value)| node.var(name, value));
    let node = node.profile(&PRINTS.replace("/out", &out));
    node.agent(&["run", "--profile", "x.toml"]).ended(0);
    fs::read_to_string(&out).expect("the hook ran")
}

#[test]
fn programs_get_no_variable_that_changes_their_effect() {
    let variables = [
        ("LD_PRELOAD", "/nowhere/evil.so"),
        ("BASH_ENV", "/nowhere/evil.sh"),
        ("ENV", "/nowhere/evil.sh"),
        ("APT_CONFIG", "/nowhere/apt.conf"),
        ("PYTHONPATH", "/nowhere"),
        ("PIP_FIND_LINKS", "/nowhere"),
        ("R_PROFILE", "/nowhere/Rprofile"),
        ("GIT_CONFIG_GLOBAL", "/nowhere/gitconfig"),
        ("DATABRICKS_TOKEN", "marker-hunter2"),
        ("DB_PASSWORD", "marker-hunter3"),
        ("HTTPS_PROXY", "http://proxy.firm.example:3128"),
        ("DB_CLUSTER_NAME", "family-1"),
        ("HOME", "/nowhere/home"),
        ("TMPDIR", "/nowhere/tmp"),
    ];
    let printed = printed(NodeTest::new(), &variables);
    let names: Vec<&str> = printed.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    // The shell sets the last four.
    let allowed = [
        "DB_CLUSTER_NAME",
        "HOME",
        "HTTPS_PROXY",
        "LOGNAME",
        "SHELL",
        "USER",
        "LC_ALL",
        "NODEAGENT_CHILD",
        "PATH",
        "OLDPWD",
        "PWD",
        "SHLVL",
        "_",
    ];
    let others: Vec<_> = names.iter().filter(|name| !allowed.contains(name)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(!printed.contains("/nowhere"), "{printed}");
    for line in ["DB_CLUSTER_NAME=family-1", "HTTPS_PROXY=http://proxy.firm.example:3128"] {
        assert!(printed.lines().any(|found| found == line), "{line}: {printed}");
    }
}

#[test]
fn a_path_that_the_profile_extends_begins_with_the_search_path_of_programs() {
    let node = NodeTest::new().var("PATH", "/nowhere/bin:/usr/bin:/bin").var("PYTHONPATH", "/nowhere");
    let out = node.beside("out").display().to_string();
    let variables = "[env.variables]\nPATH = { append = \"/opt/x/bin\", to = [\"run\"] }\n\
                     PYTHONPATH = { append = \"/opt/x/lib\", to = [\"run\"] }\n";
    let node = node.profile(&format!("{variables}{}", PRINTS.replace("/out", &out)));
    node.agent(&["run", "--profile", "x.toml"]).ended(0);
    let printed = fs::read_to_string(&out).expect("the hook ran");
    assert!(printed.contains("\nPYTHONPATH=/opt/x/lib\n") && !printed.contains("/nowhere"), "{printed}");
    let path = printed.lines().find(|line| line.starts_with("PATH=")).expect("a path");
    assert!(path.ends_with(":/opt/x/bin") && path.contains(":/usr/bin:"), "{path}");
}

#[test]
fn the_node_file_passes_further_variables() {
    let node = NodeTest::new().file("etc/nodeagent.toml", "pass-environment = [\"TEAM\"]\n");
    let printed = printed(node, &[("TEAM", "family"), ("OTHER", "x")]);
    assert!(printed.contains("TEAM=family\n") && !printed.contains("OTHER"), "{printed}");
    for (line, why) in [
        ("pass-environment = [\"TEAM=x\"]\n", "`TEAM=x` is not the name of a variable"),
        ("pass-environment = [\"DATABRICKS_TOKEN\"]\n", "`DATABRICKS_TOKEN` holds a credential, which no program gets"),
    ] {
        let node = NodeTest::new().file("etc/nodeagent.toml", line).profile("");
        let said = node.agent(&["run", "--profile", "x.toml"]).ended(2).all();
        assert!(said.contains(why) && said.contains("etc/nodeagent.toml:1:21"), "{said}");
    }
}

#[test]
fn a_program_in_a_folder_that_others_can_write_is_not_started() {
    let node = NodeTest::new();
    let folder = node.beside("bin");
    fs::create_dir_all(&folder).expect("created");
    let evil = folder.join("git");
    put(&evil, &format!("#!/bin/sh\ntouch {}\nexit 1\n", node.beside("evil").display()));
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).expect("ours");
    let (path, ran) = (format!("{}:/usr/bin:/bin", folder.display()), node.beside("evil"));
    let clone = "[git.\"/opt/x\"]\nurl = \"https://127.0.0.1:9/x.git\"\ntag = \"v1\"\n";
    let node = node.search_path(&path).profile(clone);
    let run = || node.agent(&["run", "--profile", "x.toml"]).ended(1).all();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("ours");
    run();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("ours");
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o777)).expect("ours");
    run();
    assert!(!ran.exists(), "others could write the program");
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).expect("ours");
    run();
    assert!(ran.exists());
}

#[test]
fn a_program_behind_a_link_that_others_can_exchange_is_not_started() {
    let node = NodeTest::new();
    let (folder, open, evil) = (node.beside("bin"), node.beside("open"), node.beside("tools/git"));
    for folder in [&folder, &open, &node.beside("tools")] {
        fs::create_dir_all(folder).expect("created");
    }
    put(&evil, &format!("#!/bin/sh\ntouch {}\nexit 1\n", node.beside("evil").display()));
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).expect("ours");
    std::os::unix::fs::symlink(&evil, open.join("git")).expect("created");
    std::os::unix::fs::symlink("../open/git", folder.join("git")).expect("created");
    let (path, ran) = (format!("{}:/usr/bin:/bin", folder.display()), node.beside("evil"));
    let clone = "[git.\"/opt/x\"]\nurl = \"https://127.0.0.1:9/x.git\"\ntag = \"v1\"\n";
    let node = node.search_path(&path).profile(clone);
    for (mode, starts) in [(0o777, false), (0o755, true)] {
        fs::set_permissions(&open, fs::Permissions::from_mode(mode)).expect("ours");
        node.agent(&["run", "--profile", "x.toml"]).ended(1);
        assert_eq!(ran.exists(), starts, "{mode:o}");
    }
}

#[test]
fn programs_are_never_taken_from_the_working_directory() {
    let node = NodeTest::new();
    let evil = node.beside("desk/git");
    put(&evil, &format!("#!/bin/sh\ntouch {}\nexit 1\n", node.beside("evil").display()));
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).expect("ours");
    let ran = node.beside("evil");
    let clone = "[git.\"/opt/x\"]\nurl = \"https://127.0.0.1:9/x.git\"\ntag = \"v1\"\n";
    let node = node.search_path(".:/nonexistent").profile(clone);
    node.agent(&["run", "--profile", "x.toml"]).ended(1);
    assert!(!ran.exists());
}
