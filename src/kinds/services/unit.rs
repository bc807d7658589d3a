//! The text of units and drop-ins of systemd.
//!
//! Quoting follows systemd.syntax(7) and systemd.service(5): a word in double quotes with C escapes; `%%` for a
//! percent sign, because `%` begins a specifier; `$$` for a dollar sign in a command line, because `$` begins a
//! variable.

use std::fmt::Write as _;

use super::{
    checked::Service,
    written::{Restart, State},
};

/// The first line of every file that nodeagent writes for a service.
pub(super) const HEAD: &str = "# Written by nodeagent from a profile. Changes to this file are replaced.";

/// The section of a service.
const SERVICE: &str = "Service";
/// The sections of a unit in the usual order.
const ORDER: [&str; 3] = ["Unit", SERVICE, "Install"];

/// The text of the unit of a service with `command`. `environment_file` holds its secrets.
pub(super) fn unit(name: &str, service: &Service, environment_file: Option<&str>) -> String {
    let mut unit = Unit::default();
    unit.line("Unit", "Description", &plain(service.description.as_deref().unwrap_or(name)));
    unit.line("Unit", "After", "network.target");
    if let Some(command) = &service.command {
        // The start fails if the program cannot be executed.
        unit.line(SERVICE, "Type", "exec");
        unit.line(SERVICE, "ExecStart", &command_line(command));
    }
    unit.properties(service, environment_file);
    unit.line(SERVICE, "Restart", restart(service.restart.unwrap_or(Restart::OnFailure)));
    unit.line("Install", "WantedBy", "multi-user.target");
    unit.settings(service);
    unit.into_text()
}

/// The text of the drop-in for a unit that nodeagent does not write. `None` if the profile sets nothing for it.
pub(super) fn drop_in(service: &Service, environment_file: Option<&str>) -> Option<String> {
    let mut unit = Unit::default();
    if let Some(description) = &service.description {
        unit.line("Unit", "Description", &plain(description));
    }
    unit.properties(service, environment_file);
    if let Some(value) = service.restart {
        unit.line(SERVICE, "Restart", restart(value));
    }
    unit.settings(service);
    (!unit.0.is_empty()).then(|| unit.into_text())
}

/// The lines of a unit by section.
#[derive(Default)]
struct Unit(Vec<(String, String)>);

impl Unit {
    fn line(&mut self, section: &str, key: &str, value: &str) {
        self.0.push((section.to_owned(), format!("{key}={value}")));
    }

    fn properties(&mut self, service: &Service, environment_file: Option<&str>) {
        if let Some(user) = &service.user {
            self.line(SERVICE, "User", &plain(user));
        }
        if let Some(folder) = &service.working_directory {
            self.line(SERVICE, "WorkingDirectory", &plain(&folder.display().to_string()));
        }
        for (name, value) in service.texts() {
            self.line(SERVICE, "Environment", &quoted(&plain(&format!("{name}={value}"))));
        }
        if let Some(file) = environment_file {
            self.line(SERVICE, "EnvironmentFile", &plain(file));
        }
    }

    fn settings(&mut self, service: &Service) {
        for (section, keys) in &service.settings {
            for (key, values) in keys {
                for value in values {
                    self.line(section, key, value);
                }
            }
        }
    }

    fn into_text(self) -> String {
        let mut text = format!("{HEAD}\n");
        let mut others: Vec<&str> = self.0.iter().map(|(section, _)| section.as_str()).collect();
        others.retain(|section| !ORDER.contains(section));
        others.dedup();
        for section in ORDER.into_iter().chain(others) {
            let lines: Vec<&str> =
                self.0.iter().filter(|(of, _)| of == section).map(|(_, line)| line.as_str()).collect();
            if !lines.is_empty() {
                let _ = write!(text, "\n[{section}]\n{}\n", lines.join("\n"));
            }
        }
        text
    }
}

/// The value of `ExecStart=`. Variables are replaced in all words except the path of the program.
fn command_line(command: &[String]) -> String {
    let word = |(index, word): (usize, &String)| {
        let word = plain(word);
        quoted(&if index == 0 { word } else { word.replace('$', "$$") })
    };
    command.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
}

/// A text without specifiers.
fn plain(text: &str) -> String {
    text.replace('%', "%%")
}

/// A text in double quotes.
fn quoted(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => word.extend(['\\', c]),
            '\n' => word.push_str("\\n"),
            '\t' => word.push_str("\\t"),
            '\r' => word.push_str("\\r"),
            c if c.is_ascii_control() => {
                let _ = write!(word, "\\x{:02x}", u32::from(c));
            }
            c => word.push(c),
        }
    }
    word.push('"');
    word
}

/// The value of `Restart=`.
pub(super) fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::No => "no",
        Restart::Always => "always",
        Restart::OnSuccess => "on-success",
        Restart::OnFailure => "on-failure",
        Restart::OnAbnormal => "on-abnormal",
        Restart::OnAbort => "on-abort",
        Restart::OnWatchdog => "on-watchdog",
    }
}

/// The word of a state in a profile.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_systemd() {
        let words = |words: &[&str]| command_line(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            words(&["/opt/a b/x$y", "$HOME", "100%", r#"a"b\c"#]),
            r#""/opt/a b/x$y" "$$HOME" "100%%" "a\"b\\c""#
        );
        assert_eq!(words(&["/x", "", ";", "one\ntwo\t\u{1}é"]), "\"/x\" \"\" \";\" \"one\\ntwo\\t\\x01é\"");
    }
}
