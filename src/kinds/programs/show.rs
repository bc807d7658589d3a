//! Programs as `check --show` prints them.

use super::checked::{Program, Source, Stdin};
use crate::profile::{array, asset, quoted};

/// The table of a program.
pub(super) fn table(program: &Program) -> String {
    let mut parts = Vec::new();
    parts.push(match &program.source {
        Source::File(file) => format!("from = {}", asset(file)),
        Source::Text(text) => format!("text = {}", quoted(text)),
        Source::Commands(commands) => match &commands[..] {
            [command] => format!("command = {}", array(command)),
            all => format!("command = [{}]", all.iter().map(|words| array(words)).collect::<Vec<_>>().join(", ")),
        },
    });
    if !program.args.is_empty() {
        parts.push(format!("args = {}", array(&program.args)));
    }
    parts.extend(program.interpreter.as_ref().map(|words| format!("interpreter = {}", array(words))));
    parts.extend(program.stdin.as_ref().map(|stdin| match stdin {
        Stdin::Text(text) => format!("stdin = {}", quoted(text)),
        Stdin::Secret(secret) => format!("stdin = {{ secret = {} }}", quoted(&secret.key)),
    }));
    let tables = [
        ("environment", program.environment.iter().map(|(name, value)| (name, value.clone())).collect::<Vec<_>>()),
        ("secrets", program.secrets.iter().map(|(name, secret)| (name, secret.key.clone())).collect()),
    ];
    for (key, values) in tables.iter().filter(|(_, values)| !values.is_empty()) {
        let values = values.iter().map(|(name, value)| format!("{name} = {}", quoted(value)));
        parts.push(format!("{key} = {{ {} }}", values.collect::<Vec<_>>().join(", ")));
    }
    parts.extend(program.user.as_ref().map(|user| format!("user = {}", quoted(user))));
    let folder = program.working_directory.as_ref().map(|path| quoted(&path.display().to_string()));
    parts.extend(folder.map(|folder| format!("working-directory = {folder}")));
    let proof = &program.proof;
    if !proof.creates.is_empty() {
        parts.push(format!("creates = {}", array(&proof.creates)));
    }
    parts.extend(proof.unless.as_ref().map(|words| format!("unless = {}", array(words))));
    parts.extend(proof.version.as_ref().map(|version| {
        let (command, pattern, is) = (array(&version.command), quoted(&version.pattern), quoted(&version.is));
        format!("version = {{ command = {command}, match = {pattern}, is = {is} }}")
    }));
    if !program.watch.is_empty() {
        parts.push(format!("watch = {}", array(&program.watch)));
    }
    if program.ok_status != [0] {
        let statuses: Vec<String> = program.ok_status.iter().map(ToString::to_string).collect();
        parts.push(format!("ok-status = [{}]", statuses.join(", ")));
    }
    format!("{{ {} }}", parts.join(", "))
}
