//! Rules of `[cron]`.

use std::collections::BTreeMap;

use super::{
    checked::{Cron, Job},
    crontab::{self, MAX_COMMAND},
    schedule, written,
};
use crate::{
    grammar::{document::Part, names},
    profile::{Cases, Entry, Rules, place, shorthand::Scalar, within},
};

/// Variables that cron sets or that change how it reads the command.
const OF_CRON: [&str; 3] = ["LOGNAME", "SHELL", "USER"];

impl Rules<'_> {
    pub(super) fn cron(&mut self, written: &written::Written) -> Cron {
        Cron(written.cron.iter().filter_map(|(name, raw)| self.cron_entry(name, raw)).collect())
    }

    fn cron_entry(&mut self, name: &str, cases: &Cases<written::Job>) -> Option<(String, Entry<Job>)> {
        let at = place!["cron", name];
        if !names::is_cron_file(name) {
            let hint = "use letters, digits, `_` and `-`: cron ignores files with other names";
            self.mistake_in_key(&at, format!("`{name}` is not the name of a job"), hint);
        }
        let entry = self.cases(&at, cases, |rules, at, raw| {
            let before = rules.found.len();
            let value = rules.job(at, raw);
            let timeout = rules.timeout(at, raw.timeout.as_deref());
            let names = rules.spellings([format!("cron.{name}")]);
            let order = rules.order(at, names, (&raw.after, &raw.before));
            let entry = Entry { value: value?, origin: rules.origin(at), optional: raw.optional, timeout, order };
            (rules.found.len() == before).then_some(entry)
        })?;
        Some((name.to_owned(), entry))
    }

    fn job(&mut self, path: &[Part], raw: &written::Job) -> Option<Job> {
        let at = |key: &str| within(path, key);
        let schedule = self.schedule(&at("schedule"), &raw.schedule);
        let command = self.command_of_job(&at("command"), &raw.command);
        let user = self.expanded(&at("user"), raw.user.as_deref().unwrap_or("root"))?;
        if !names::is_user(&user) {
            self.mistake(&at("user"), format!("`{user}` is not a user name"), "name one user, such as `otel`");
        }
        let environment = self.environment_of_job(&at("environment"), &raw.environment);
        let log = raw.log.as_ref().and_then(|log| {
            let log = self.field_of_crontab(&at("log"), log)?;
            self.absolute(&at("log"), &log)
        });
        let job = Job { schedule: schedule?, command: command?, user, environment, log };
        let length = crontab::command(&job).len();
        if length > MAX_COMMAND {
            let message = format!("the command has {length} characters, but cron reads at most {MAX_COMMAND}");
            self.mistake(&at("command"), message, "write a script with `[files]`, and name the script");
            return None;
        }
        Some(job)
    }

    fn schedule(&mut self, at: &[Part], text: &str) -> Option<String> {
        let text = self.expanded(at, text)?;
        match schedule::parse(&text) {
            Ok(schedule) => Some(schedule),
            Err(reason) => {
                let hint = "minute, hour, day of month, month, day of week, as in `*/5 * * * *`; or a word such as \
                            `@daily`";
                self.mistake(at, format!("cron cannot read this schedule: {reason}"), hint);
                None
            }
        }
    }

    fn command_of_job(&mut self, path: &[Part], raw: &[String]) -> Option<Vec<String>> {
        if raw.is_empty() {
            let hint = "name the program and its arguments: `command = [\"/opt/x/x\", \"--option\"]`";
            self.mistake(path, "`command` is empty", hint);
            return None;
        }
        let words = raw.iter().enumerate().map(|(index, word)| {
            let at = within(path, index);
            let word = self.field_of_crontab(&at, word)?;
            let is_program = word.starts_with('/') && !word.ends_with('/');
            if index == 0 && !is_program {
                let message = format!("`{word}` is not the absolute path of a program");
                self.mistake(&at, message, "begin the program with `/`: cron has a short search path");
                return None;
            }
            Some(word)
        });
        // All words are checked, so that all mistakes are reported.
        words.collect::<Vec<_>>().into_iter().collect()
    }

    fn environment_of_job(&mut self, path: &[Part], raw: &BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for (name, value) in raw {
            let at = within(path, name.as_str());
            if !names::is_variable(name) {
                let hint = "use letters, digits and `_`, and begin with a letter or `_`";
                self.mistake_in_key(&at, format!("`{name}` is not a variable name"), hint);
            } else if OF_CRON.contains(&name.as_str()) {
                let hint = "remove it; `user` selects the user";
                self.mistake_in_key(&at, format!("`{name}` cannot be set for a job"), hint);
            } else if let Some(text) = self.field_of_crontab(&at, &value.to_string()) {
                if crontab::quoted_value(&text).is_none() {
                    let hint = "cron has no way to write both kinds of quotes here; use a script";
                    self.mistake(&at, "cron cannot read this value", hint);
                }
                variables.insert(name.clone(), text);
            }
        }
        variables
    }

    /// A text in a line that every user can read.
    fn field_of_crontab(&mut self, at: &[Part], text: &str) -> Option<String> {
        if text.contains("${secret.") {
            let hint = "every user of the node can read the file of a job; let the program read a file of `[secrets]`";
            self.mistake(at, "the text contains a secret", hint);
            return None;
        }
        let text = self.expanded(at, text)?;
        if text.chars().any(|c| c.is_control() && c != '\t') {
            self.mistake(at, "the text contains a control character", "a job is one line of a file; use a script");
            return None;
        }
        Some(text)
    }
}
