//! The canary: a search for leaked secrets. Every source has marker values, and package tools print everything that
//! they can read. Every command and every kind of step runs with `-vvv`, with success and with failure. No output, no
//! file except the intended ones, and no argument or environment of a process may contain a marker.

mod clouds;
mod profiles;
mod scene;
mod secret_search;
mod secret_users;
mod watch;

use std::fs;

use nodeagent::{
    redact::{REDACTED, Secret},
    report::{Palette, Stderr, install_panic_hook},
};
use profiles::{profile, write_profiles};
use scene::{DELIVERED, Scene, in_logs, program, write};

/// Commands that deliver no secret, with success and with failure.
fn other_commands(scene: &mut Scene) {
    for arguments in [
        &["run", "--profile", "bad.toml"][..],
        &["run", "--profile", "z-refused.toml"],
        &["plan", "--profile", "z-refused.toml", "--json"],
        &["plan", "--profile", "bad.toml", "--set", "x=dapi-c4n4ry-0123456789abcdef"],
        &["run", "--profile", "nowhere", "--unknown=dapi-c4n4ry-0123456789abcdef"],
        &["secrets", "exec", "--profile", "x.toml", "--", "true"],
        &["secrets", "test", "--profile", "x.toml"],
        &["secrets", "test", "--profile", "z.toml", "--json"],
        &["secrets", "test", "--profile", "z-refused.toml"],
        &["secrets", "list", "--scope", "family"],
        &["secrets", "list", "--profile", "x.toml", "--json"],
        &["secrets", "get", "no-such-key", "--scope", "family"],
        &["secrets", "get", "analytics-read-only", "--scope", "criminal"],
        &["auth", "whoami"],
        &["auth", "whoami", "--json"],
        &["auth", "explain", "read", "family/analytics-read-only"],
        &["auth", "can", "read", "criminal", "--json"],
        &["auth", "audit"],
        &["db", "query", "analytics", "--as", "read_only", "-c", "select 1"],
        &["schema"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let seen = scene.agent(arguments);
        assert!(matches!(seen.code, Some(0..=2)), "{arguments:?}");
    }
}

#[test]
fn nothing_leaks() {
    let mut scene = Scene::new();
    write_profiles(&scene);
    let reports = scene.node.beside("reports").display().to_string();

    let (mut tools, mut told) = (Vec::new(), String::new());
    let of_environment = ["workspace token", "account key", "guessed by its name"];
    for (file, delivered, found) in [
        ("x.toml", 6, &["variable", "blocked", "plain"][..]),
        ("y.toml", 2, &["file", "bytes"]),
        ("z.toml", 1, &["of the workspace"]),
    ] {
        scene.tools_find(&[found, &of_environment].concat());
        for arguments in [
            &["check", "--show", file][..],
            &["check", "--json", file],
            &["plan", "--profile", file],
            &["plan", "--profile", file, "--json"],
            &["run", "--profile", file, "--dry-run"],
        ] {
            assert_eq!(scene.agent(arguments).code, Some(0), "{arguments:?}");
        }
        for (fails, arguments) in [
            ("apt-get", &["run", "--profile", file, "--json", "--report-to", reports.as_str()][..]),
            ("uv", &["run", "--profile", file]),
            ("R", &["run", "--profile", file]),
            ("", &["run", "--profile", file, "--report-to", reports.as_str()]),
            ("", &["run", "--profile", file, "--json", "--strict"]),
        ] {
            scene.fails(fails);
            if !arguments.contains(&"--strict") {
                scene.undo();
            }
            let seen = scene.agent(arguments);
            let strict = arguments.contains(&"--strict");
            let wanted = if strict && file == "x.toml" { 3 } else { i32::from(!fails.is_empty()) };
            let stderr = String::from_utf8_lossy(&seen.stderr).into_owned();
            assert_eq!(seen.code, Some(wanted), "{fails} {arguments:?}: {stderr}");
            // With 1, the kernel writes no file and starts no program of `core_pattern`.
            let core = |limit: &String| limit.split_whitespace().nth(4) == Some("1");
            assert!(
                (strict || !seen.core_limits.is_empty()) && seen.core_limits.iter().all(core),
                "{:?}",
                seen.core_limits
            );
            scene.search_files();
            for name in
                [&["report", "show"][..], &["report", "show", "--json"], &["report", "blame"], &["report", "list"]]
            {
                assert_eq!(scene.agent(name).code, Some(0));
            }
            tools.extend(seen.arguments);
            told.push_str(&stderr);
        }
        let there = DELIVERED.iter().filter(|path| scene.node.root().join(path).is_file()).count();
        assert_eq!(there, delivered);
        // A profile of the same name without secrets: all secret files are removed.
        let without = format!("without-{file}");
        write(&scene.node.beside("desk").join(&without), profile(&file[..1], "").as_bytes());
        assert_eq!(scene.agent(&["run", "--profile", &without]).code, Some(0));
        scene.delivered = false;
        scene.search_files();
        scene.delivered = true;
    }
    other_commands(&mut scene);
    scene.delivered = false;
    scene.search_files();
    // The tools printed the values, and the secrets were delivered.
    scene.ended_clean("steps and commands");
    let ran = |tool: &[u8]| tools.iter().any(|line: &Vec<u8>| line.windows(tool.len()).any(|part| part == tool));
    assert!([&b"apt-get"[..], b"/uv\0pip", b"CMD\0INSTALL"].iter().all(|tool| ran(tool)), "{told}");
    assert!(["runs apt-get", "uv pip install", "R CMD INSTALL"].iter().all(|tool| told.contains(tool)), "{told}");
    assert!(in_logs(&scene.node, REDACTED) > 100 && scene.counted.processes > 40, "the tools printed nothing");
}

#[test]
fn the_search_finds_the_leaks_of_a_leaking_program() {
    let mut scene = Scene::new();
    scene.tools_find(&["variable", "file", "bytes"]);
    write(&scene.node.beside("desk/leaky.sh"), include_bytes!("leaky.sh"));
    let mut command = program("sh");
    command.arg("leaky.sh").arg(scene.node.beside("values/family/blocked")).current_dir(scene.node.beside("desk"));
    let seen = watch::run(command);
    scene.search_output("a leaking program", &seen);
    scene.search_files();
    for source in
        ["stdout", "stderr", "a command line", "an environment", "desk/percent", "desk/hex", "desk/json", "desk/base64"]
    {
        let at = format!("in {source}");
        assert!(scene.counted.leaks.iter().any(|leak| leak.contains(&at)), "{source}: {:?}", scene.counted.leaks);
    }
    // The search recognises every encoding that the tools use.
    let spoken = fs::read(scene.node.beside("tools/spoken")).expect("it was written");
    let forms = spoken.split(|&byte| byte == b'\n').filter(|line| line.len() >= 24);
    let unseen: Vec<_> = forms.filter(|line| scene.values.find(line).is_empty()).map(String::from_utf8_lossy).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

#[test]
fn a_panic_message_contains_no_secret() {
    const CHILD: &str = "NODEAGENT_TEST_PANICS";
    const VALUE: &str = "c4n4ry-in-a-panic";
    if std::env::var_os(CHILD).is_some() {
        install_panic_hook(Stderr::new(Palette::PLAIN));
        drop(Secret::from(VALUE.to_owned()));
        let panicked = std::thread::spawn(|| panic!("the answer {VALUE} makes no sense")).join();
        assert!(panicked.is_err());
        return;
    }
    let this = std::env::current_exe().expect("the path of the test");
    let mut command = program(this);
    command.args(["--exact", "canary::a_panic_message_contains_no_secret", "--nocapture"]);
    let output = command.env(CHILD, "1").env("RUST_BACKTRACE", "1").output().expect("it starts");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("the answer [redacted] makes no sense (at "), "{text}");
    assert!(text.contains("please report it") && text.contains("canary") && !text.contains(VALUE), "{text}");
}
