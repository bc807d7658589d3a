//! Every command line in the documents is accepted by the program's own parser, and runs on a prepared node.

use std::{collections::BTreeSet, thread};

use clap::error::ErrorKind;

use crate::{
    command_lines::{CommandLine, Context, command_lines},
    scene::Scene,
};

/// Commands that are parsed and not run here, by their beginning.
const NOT_RUN: [(&str, &str); 12] = [
    ("db connect", "needs a database server; tests/clouds connects to one"),
    ("db query", "needs a database server; tests/clouds connects to one"),
    ("lock --profile family --upgrade", "asks package indexes; tests/container locks real packages"),
    ("lock --profile family", "asks package indexes; tests/container locks real packages"),
    ("run --profile family --store s3:", "needs a bucket; tests/clouds uses one"),
    ("secrets list --scope family", "needs a Databricks workspace; tests/clouds uses one"),
    ("sign --generate", "asks for a password on the terminal"),
    ("store bake --profile family --store", "packs what a real run installed; tests/container does"),
    ("store bake --profile family --trusted-key", "packs what a real run installed; tests/container does"),
    ("store pull --store s3:", "needs a bucket; tests/clouds uses one"),
    ("store push --store s3:", "needs a bucket; tests/clouds uses one"),
    ("store verify --shared --store s3:", "needs a bucket; tests/clouds uses one"),
];

/// Commands that are run although `NOT_RUN` has their beginning.
const RUN: [&str; 1] = ["lock --profile family --check"];

/// Commands that end with another status than 0 on the prepared node.
const STATUSES: [(&str, i32, &str); 5] = [
    ("auth audit", 1, "no workspace is configured, so no scope can be tested"),
    (
        "check family --cluster-name Prod-Operational-Family-17.3-nightly-1 --access-mode standard",
        2,
        "there is no R in standard access mode",
    ),
    ("auth can connect analytics --as read_write", 2, "the access file does not grant it"),
    (
        "verify family.toml --key RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
        2,
        "the file is signed with another key",
    ),
    ("auth can use Criminal", 2, "the access file does not grant it"),
];

/// The errors that the program's parser finds in a command line.
fn mistake(scene: &Scene, line: &CommandLine) -> Option<String> {
    let arguments = [vec!["nodeagent".to_owned()], scene.arguments(line)].concat();
    let error = nodeagent::cli::command().try_get_matches_from(arguments).err()?;
    let is_mention = line.context == Context::Sentence;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        // A sentence may name a command, or an option of it, alone.
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            if is_mention =>
        {
            None
        }
        _ => Some(format!("{}: `nodeagent {}`\n{}", line.origin, line.text(), error.render())),
    }
}

/// Whether a sentence only names a command: no argument follows its subcommands.
fn is_name(line: &CommandLine) -> bool {
    let root = nodeagent::cli::command();
    let below = line.words.iter().try_fold(&root, |command, word| command.find_subcommand(word));
    line.context == Context::Sentence && below.is_some()
}

fn is_complete(scene: &Scene, line: &CommandLine) -> bool {
    let arguments = [vec!["nodeagent".to_owned()], scene.arguments(line)].concat();
    !line.is_form && !is_name(line) && nodeagent::cli::command().try_get_matches_from(arguments).is_ok()
}

#[test]
fn the_parser_accepts_every_command_line_in_the_documents() {
    let (scene, lines) = (Scene::new(), command_lines());
    scene.sign();
    assert!(lines.len() > 150, "{} command lines were found", lines.len());
    let mistakes: Vec<String> = lines.iter().filter_map(|line| mistake(&scene, line)).collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn every_complete_command_line_in_the_documents_runs_on_a_prepared_node() {
    let scene = Scene::new();
    scene.sign();
    let (mut seen, mut used, mut to_run) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for line in command_lines().into_iter().filter(|line| is_complete(&scene, line)) {
        let text = line.text();
        let exception = NOT_RUN.iter().map(|(beginning, _)| *beginning).find(|beginning| text.starts_with(beginning));
        if let Some(beginning) = exception.filter(|_| !RUN.contains(&text.as_str())) {
            used.insert(beginning);
        } else if seen.insert(text.clone()) {
            let expected = STATUSES.iter().find(|(command, ..)| *command == text);
            used.extend(expected.map(|(command, ..)| *command));
            to_run.push((line, expected.map_or(0, |(_, status, _)| *status)));
        }
    }
    assert!(to_run.len() > 40, "{} command lines run", to_run.len());
    let listed = NOT_RUN.iter().map(|(beginning, _)| *beginning).chain(STATUSES.iter().map(|(command, ..)| *command));
    let unused: Vec<&str> = listed.filter(|entry| !used.contains(entry)).collect();
    assert!(unused.is_empty(), "the documents no longer have {unused:?}");
    let failures: Vec<String> = thread::scope(|scope| {
        let parts = to_run.chunks(to_run.len().div_ceil(4));
        let parts: Vec<_> =
            parts.map(|part| scope.spawn(|| part.iter().filter_map(failure).collect::<Vec<_>>())).collect();
        parts.into_iter().flat_map(|part| part.join().expect("the thread does not panic")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs a command line in a scene of its own and compares its exit status.
fn failure((line, status): &(CommandLine, i32)) -> Option<String> {
    let output = Scene::of(line).run(line);
    let (origin, text) = (&line.origin, line.text());
    (output.code != Some(*status))
        .then(|| format!("{origin}: `nodeagent {text}` ended with {:?}, not {status}\n{}", output.code, output.all()))
}
