//! The action of a step that runs a program.

use std::path::PathBuf;

use super::checked::{Program, Source, Stdin};
use crate::exec::Cmd;

/// The section of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It installs software and proves it.
    Installer,
    /// Any other program. Hooks run last.
    Hook,
}

impl Role {
    /// The name of the section.
    pub(super) fn section(self) -> &'static str {
        match self {
            Self::Installer => "installers",
            Self::Hook => "hooks",
        }
    }
}

/// A program that may have to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredProgram {
    /// Its section.
    pub role: Role,
    /// The profile that names it.
    pub profile: String,
    /// The program.
    pub program: Program,
    /// The file with a program of the file store.
    pub file: Option<PathBuf>,
}

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The program.
    pub wanted: DesiredProgram,
    /// Why the program runs. `None` if it runs only after a change by another step.
    pub reason: Option<String>,
    /// The steps whose changes make it run.
    pub after_changes: Vec<String>,
}

impl DesiredProgram {
    /// The name of the entry, as in `after`.
    pub(super) fn key(&self) -> String {
        format!("{}.{}", self.role.section(), self.program.name)
    }
}

impl Action {
    /// The work in one line.
    pub(in crate::kinds) fn title(&self) -> String {
        let name = &self.wanted.program.name;
        match &self.reason {
            Some(reason) => format!("{name}: run ({reason})"),
            None => format!("{name}: run if something changed"),
        }
    }

    /// The commands, their environment, and the checks.
    pub(in crate::kinds) fn describe(&self) -> Vec<String> {
        let program = &self.wanted.program;
        let line = |words: &[String]| words.split_first().map(|(first, rest)| Cmd::new(first).args(rest).to_string());
        let with_args = |first: String| line(&[&[first], &program.args[..]].concat());
        let interpreter = program.interpreter.as_ref().map(|words| format!("{} ", words.join(" "))).unwrap_or_default();
        let mut lines: Vec<String> = match &program.source {
            Source::File(file) => {
                with_args(file.path.clone()).map(|line| format!("{interpreter}{line}")).into_iter().collect()
            }
            Source::Text(text) => {
                let head = if program.interpreter.is_none() && !text.starts_with("#!") {
                    "bash -eu "
                } else {
                    interpreter.as_str()
                };
                let script = text.lines().map(|line| format!("  {line}"));
                with_args("SCRIPT".to_owned()).map(|line| format!("{head}{line}")).into_iter().chain(script).collect()
            }
            Source::Commands(commands) => commands.iter().filter_map(|words| line(words)).collect(),
        };
        lines.extend(program.user.as_ref().map(|user| format!("runs as {user}")));
        if !program.environment.is_empty() {
            let names: Vec<&str> = program.environment.keys().map(String::as_str).collect();
            lines.push(format!("with the variables {}", names.join(", ")));
        }
        for (variable, secret) in &program.secrets {
            lines.push(format!("{variable} is the path of a file with the secret {}", secret.key));
        }
        if let Some(Stdin::Secret(secret)) = &program.stdin {
            lines.push(format!("reads the secret {} from standard input", secret.key));
        }
        lines.extend(self.after_changes.iter().map(|step| format!("runs if the step `{step}` changes something")));
        lines
    }
}
