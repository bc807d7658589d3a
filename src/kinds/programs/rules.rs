//! Rules of `[installers]` and `[hooks]`.

use std::collections::BTreeMap;

use regex::Regex;

use super::{
    action::Role,
    checked::{Program, Programs, Proof, Source, Stdin, VersionCheck},
    written::{self, ProgramEntry, WordOrCommand},
};
use crate::{
    facts::runtime::RuntimeCondition,
    grammar::{document::Part, names},
    profile::{
        Cases, Entry, Rules, SecretRef, place,
        shorthand::{PlainOr, Scalar},
        within,
    },
};

/// The version in a text: numbers with dots.
const VERSION: &str = r"(\d+(?:\.\d+)+)";

/// Characters that separate the parts of a shell's command line.
const SHELL: &[char] = &['|', ';', '&', '<', '>'];

/// Whether the name of a program is a line for a shell. A path may have spaces and other characters in its folders.
fn is_shell_line(program: &str) -> bool {
    let is_separate = |word: &str| word.starts_with(['-', '/']) || word.starts_with(SHELL);
    let mut more = program.split_ascii_whitespace().skip(1);
    let has_arguments = if program.starts_with('/') { more.any(is_separate) } else { more.next().is_some() };
    has_arguments || program.contains("$(") || !program.starts_with('/') && program.contains(SHELL)
}

impl Rules<'_> {
    /// The entries of a section in the order of the file.
    pub(super) fn programs(&mut self, role: Role, written: &BTreeMap<String, Cases<ProgramEntry>>) -> Programs {
        let mut entries: Vec<Entry<Program>> = Vec::new();
        for (name, cases) in written {
            let at = place![role.section(), name.as_str()];
            if !names::is_file_name(name) {
                let hint = "use letters, digits and `_.-`, and begin with a letter or a digit";
                self.mistake_in_key(&at, format!("`{name}` is not the name of a program"), hint);
            }
            entries.extend(self.cases(&at, cases, |rules, at, raw| rules.program_entry(role, at, name, raw)));
        }
        entries.sort_by_key(|entry| (entry.origin.line, entry.origin.column));
        Programs(entries)
    }

    fn program_entry(&mut self, role: Role, at: &[Part], name: &str, raw: &ProgramEntry) -> Option<Entry<Program>> {
        let before = self.found.len();
        let value = self.program(role, at, name, raw);
        let timeout = self.timeout(at, raw.timeout.as_deref());
        let names = self.spellings([format!("{}.{name}", role.section())]);
        let order = self.order(at, names, (&raw.after, &raw.before));
        let entry = Entry { value: value?, origin: self.origin(at), optional: raw.optional, timeout, order };
        (self.found.len() == before).then_some(entry)
    }

    fn program(&mut self, role: Role, path: &[Part], name: &str, raw: &ProgramEntry) -> Option<Program> {
        let at = |key: &str| within(path, key);
        let source = self.source_of_program(role, path, raw);
        let is_command = raw.command.is_some();
        for (key, is_set) in [("args", !raw.args.is_empty()), ("interpreter", raw.interpreter.is_some())] {
            if is_set && is_command {
                let hint = "write all words of the command in `command`";
                self.mistake(&at(key), format!("`{key}` does not apply to `command`"), hint);
            }
        }
        let user = raw.user.as_ref().and_then(|user| self.expanded(&at("user"), user));
        if let Some(user) = user.as_ref().filter(|user| !names::is_user(user)) {
            self.mistake(&at("user"), format!("`{user}` is not a user name"), "name one user, such as `analyst`");
        }
        let folder = raw.working_directory.as_ref().and_then(|text| self.expanded(&at("working-directory"), text));
        let proof = self.proof(role, path, name, raw);
        if role == Role::Installer && !raw.watch.is_empty() {
            let hint = "an installer runs until its checks hold; use a hook, or another check";
            self.mistake(&at("watch"), "`watch` belongs to hooks", hint);
        }
        let environment = self.environment_of_program(&at("environment"), &raw.environment);
        let secrets = self.secrets_of_program(&at("secrets"), &raw.secrets, &environment);
        Some(Program {
            name: name.to_owned(),
            source: source?,
            args: self.words_of_program(&at("args"), &raw.args)?,
            interpreter: match &raw.interpreter {
                Some(words) => Some(self.command_of_program(&at("interpreter"), words)?),
                None => None,
            },
            stdin: match &raw.stdin {
                Some(PlainOr::Plain(text)) => Some(Stdin::Text(self.public_text(
                    &at("stdin"),
                    &text.to_string(),
                    "stdin = { secret = \"KEY\" }",
                )?)),
                Some(PlainOr::Table(secret)) => Some(Stdin::Secret(self.secret_ref(&at("stdin"), secret)?)),
                None => None,
            },
            environment,
            secrets,
            user,
            working_directory: folder.and_then(|text| self.absolute(&at("working-directory"), &text)),
            proof,
            watch: self.globs(&at("watch"), &raw.watch),
            ok_status: self.statuses(&at("ok-status"), raw.ok_status.as_deref()),
        })
    }

    fn source_of_program(&mut self, role: Role, path: &[Part], raw: &ProgramEntry) -> Option<Source> {
        let at = |key: &str| within(path, key);
        let named: Vec<&str> =
            [("from", raw.from.is_some()), ("command", raw.command.is_some()), ("text", raw.text.is_some())]
                .into_iter()
                .filter_map(|(key, is_set)| is_set.then_some(key))
                .collect();
        let keys = if role == Role::Installer { "`from` and `command`" } else { "`from`, `command` and `text`" };
        match named[..] {
            ["text"] if role == Role::Installer => {
                let hint = "put the script into the file store and name it with `from`, or use a hook";
                self.mistake(&at("text"), "`text` belongs to hooks", hint);
                None
            }
            ["text"] => {
                let text = raw.text.as_deref().unwrap_or_default();
                self.public_text(&at("text"), text, "secrets = { VARIABLE = \"KEY\" }").map(Source::Text)
            }
            ["from"] => self.asset_of(&at("from"), raw.from.as_ref()?).map(Source::File),
            ["command"] => self.commands_of_program(&at("command"), raw.command.as_ref()?).map(Source::Commands),
            [] => {
                // A key that was reported and removed may be the program.
                if !self.document.has_lost_keys(path) {
                    self.mistake(path, "the entry names no program", format!("give one of {keys}"));
                }
                None
            }
            [first, second, ..] => {
                let message = format!("both `{first}` and `{second}` are given");
                self.mistake(&at(second), message, format!("give one of {keys}"));
                None
            }
            [_] => None,
        }
    }

    fn commands_of_program(&mut self, at: &[Part], raw: &[WordOrCommand]) -> Option<Vec<Vec<String>>> {
        let words: Vec<String> = raw
            .iter()
            .filter_map(|part| match part {
                WordOrCommand::Word(word) => Some(word.clone()),
                WordOrCommand::Command(_) => None,
            })
            .collect();
        if words.len() == raw.len() {
            return self.command_of_program(at, &words).map(|command| vec![command]);
        }
        if !words.is_empty() {
            self.mistake(at, "`command` has both words and lists", "one list of words, or only lists of words");
            return None;
        }
        let mut commands = Vec::new();
        for (index, part) in raw.iter().enumerate() {
            if let WordOrCommand::Command(words) = part {
                commands.push(self.command_of_program(&within(at, index), words)?);
            }
        }
        Some(commands)
    }

    /// A program and its arguments. A program without `/` is looked for on the search path.
    fn command_of_program(&mut self, at: &[Part], raw: &[String]) -> Option<Vec<String>> {
        let words = self.words_of_program(at, raw)?;
        match words.first() {
            None => {
                self.mistake(at, "the command is empty", "name the program and its arguments");
                None
            }
            Some(program) if program.is_empty() || program.starts_with('-') || program.starts_with('.') => {
                let hint = "an absolute path, or the name of a program on the search path";
                self.mistake(&within(at, 0), format!("`{program}` is not a program"), hint);
                None
            }
            Some(program) if is_shell_line(program) => {
                let hint = "no shell reads a command: write one list element for each argument, such as `[\"ls\", \
                            \"-l\"]`; a script goes into `text` of a hook, or into a file for `from`";
                self.mistake(&within(at, 0), format!("`{program}` is not one program"), hint);
                None
            }
            Some(_) => Some(words),
        }
    }

    fn words_of_program(&mut self, at: &[Part], raw: &[String]) -> Option<Vec<String>> {
        let hint = "secrets = { VARIABLE = \"KEY\" }";
        let words = raw.iter().enumerate().map(|(index, word)| self.public_text(&within(at, index), word, hint));
        // All words are checked, so that all mistakes are reported.
        words.collect::<Vec<_>>().into_iter().collect()
    }

    /// A text that other users may see.
    fn public_text(&mut self, at: &[Part], text: &str, instead: &str) -> Option<String> {
        if text.contains("${secret.") {
            let hint = format!("other users could see it there; write `{instead}`");
            self.mistake(at, "the text contains a secret", hint);
            return None;
        }
        let text = self.expanded(at, text)?;
        if text.contains('\0') {
            self.mistake(at, "the text contains a zero byte", "a program cannot receive one");
            return None;
        }
        Some(text)
    }

    fn environment_of_program(&mut self, path: &[Part], raw: &BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for (name, value) in raw {
            let at = within(path, name.as_str());
            if self.is_variable_of_program(&at, name) {
                let text = self.public_text(&at, &value.to_string(), "secrets = { VARIABLE = \"KEY\" }");
                variables.extend(text.map(|text| (name.clone(), text)));
            }
        }
        variables
    }

    fn secrets_of_program(
        &mut self,
        path: &[Part],
        raw: &BTreeMap<String, String>,
        environment: &BTreeMap<String, String>,
    ) -> BTreeMap<String, SecretRef> {
        let mut secrets = BTreeMap::new();
        for (name, key) in raw {
            let at = within(path, name.as_str());
            if environment.contains_key(name) {
                let hint = "remove it from `environment`: the variable holds the path of the file with the secret";
                self.mistake_in_key(&at, format!("`{name}` is also in `environment`"), hint);
            }
            if self.is_variable_of_program(&at, name) {
                secrets.extend(self.key_of_secret(&at, key).map(|key| (name.clone(), SecretRef::new(key))));
            }
        }
        secrets
    }

    fn is_variable_of_program(&mut self, at: &[Part], name: &str) -> bool {
        let is_variable = names::is_variable(name);
        if !is_variable {
            let hint = "use letters, digits and `_`, and begin with a letter or `_`";
            self.mistake_in_key(at, format!("`{name}` is not a variable name"), hint);
        }
        is_variable
    }

    fn proof(&mut self, role: Role, path: &[Part], name: &str, raw: &ProgramEntry) -> Proof {
        let at = |key: &str| within(path, key);
        let has_proof = !raw.creates.0.is_empty() || raw.unless.is_some() || raw.version.is_some();
        if role == Role::Installer && !has_proof {
            let hint = "add `creates` with a file that the installation makes, `unless` or `version`; or use a hook";
            self.mistake(path, "the installer has no check that the software is installed", hint);
        }
        if role == Role::Hook {
            let note = || {
                format!(
                    "the hook `{name}` at {} has no check, so it runs once for each content; `creates`, `unless` or \
                     `version` would prove its result",
                    self.origin(path)
                )
            };
            let note = (!has_proof).then(note);
            self.note(format!("hooks.{name}"), note);
        }
        Proof {
            creates: self.globs(&at("creates"), &raw.creates.0),
            unless: raw.unless.as_ref().and_then(|words| self.command_of_program(&at("unless"), words)),
            version: raw.version.as_ref().and_then(|version| self.version_check(&at("version"), version)),
        }
    }

    fn version_check(&mut self, path: &[Part], raw: &written::Version) -> Option<VersionCheck> {
        let at = |key: &str| within(path, key);
        let command = self.command_of_program(&at("command"), &raw.command);
        let pattern = raw.pattern.as_deref().unwrap_or(VERSION);
        match Regex::new(pattern) {
            Ok(regex) if regex.captures_len() > 1 => {}
            Ok(_) => {
                let hint = "put the version in parentheses, as in `version ([0-9.]+)`";
                self.mistake(&at("match"), "the regular expression has no group", hint);
            }
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let hint = "see https://docs.rs/regex for the syntax";
                self.mistake(&at("match"), format!("this is not a regular expression: {reason}"), hint);
            }
        }
        let is = self.expanded(&at("is"), &raw.is)?;
        if is.parse::<RuntimeCondition>().is_err() {
            let message = format!("`{is}` is not a condition on a version");
            self.mistake(&at("is"), message, "write it as `1.5`, `>=1.5` or `>=1.5, <2`");
        }
        Some(VersionCheck { command: command?, pattern: pattern.to_owned(), is })
    }

    fn globs(&mut self, path: &[Part], raw: &[String]) -> Vec<String> {
        let globs = raw.iter().enumerate().filter_map(|(index, text)| {
            let at = within(path, index);
            // `creates` may be a single string.
            let at = if self.document.has(&at) { at } else { path.to_vec() };
            let text = self.expanded(&at, text)?;
            if let Err(error) = glob::Pattern::new(&text) {
                let hint = "write `*`, `?`, `[abc]` or `**`";
                self.mistake(&at, format!("`{text}` is not a glob: {}", error.msg), hint);
                return None;
            }
            self.absolute(&at, &text).map(|path| path.display().to_string())
        });
        globs.collect()
    }

    fn statuses(&mut self, path: &[Part], raw: Option<&[i64]>) -> Vec<i32> {
        let Some(raw) = raw else { return vec![0] };
        if raw.is_empty() {
            self.mistake(path, "`ok-status` is empty", "name at least one exit status, or remove the key");
        }
        let statuses = raw.iter().enumerate().filter_map(|(index, status)| {
            let found = u8::try_from(*status).ok().map(i32::from);
            if found.is_none() {
                self.mistake(
                    &within(path, index),
                    format!("`{status}` is not an exit status"),
                    "a number from 0 to 255",
                );
            }
            found
        });
        statuses.collect()
    }
}
