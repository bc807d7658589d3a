//! Rules of `[services]`.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
    time::Duration,
};

use super::{
    checked::{Service, Services, Variable, Watched},
    unit,
    written::{self, State},
};
use crate::{
    grammar::{document::Part, names},
    profile::{
        Cases, Entry, Rules, SecretRef, place,
        shorthand::{PlainOr, Shorthand},
        within,
    },
};

/// The time after which a health test has failed, by default.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(60);

impl Rules<'_> {
    pub(super) fn services(&mut self, written: &written::Written) -> Services {
        let entries = written.services.iter().filter_map(|(name, raw)| self.service(name, raw));
        Services(entries.collect())
    }

    fn service(&mut self, name: &str, cases: &Cases<Shorthand<written::Service>>) -> Option<(String, Entry<Service>)> {
        let at = place!["services", name];
        self.name_of_service(&at, name);
        let entry = self.cases(&at, cases, |rules, at, raw| rules.case_of_service(at, name, raw))?;
        Some((name.to_owned(), entry))
    }

    fn case_of_service(
        &mut self,
        at: &[Part],
        name: &str,
        raw: &Shorthand<written::Service>,
    ) -> Option<Entry<Service>> {
        let before = self.found.len();
        let short;
        let raw = match raw {
            Shorthand::Long(raw) => raw,
            Shorthand::Short(word) => {
                short = written::Service { state: self.word_of_state(at, word), ..written::Service::default() };
                &short
            }
        };
        let value = self.checked_service(at, name, raw);
        let timeout = self.timeout(at, raw.timeout.as_deref());
        let names = self.spellings([format!("services.{name}")]);
        let order = self.order(at, names, (&raw.after, &raw.before));
        let entry = Entry { value, origin: self.origin(at), optional: raw.optional, timeout, order };
        (self.found.len() == before).then_some(entry)
    }

    fn name_of_service(&mut self, at: &[Part], name: &str) {
        const OTHER_UNITS: [&str; 9] =
            [".socket", ".timer", ".target", ".mount", ".automount", ".path", ".slice", ".scope", ".device"];
        if let Some(bare) = name.strip_suffix(".service") {
            self.mistake_in_key(at, format!("`{name}` has the suffix of a unit"), format!("write `{bare}`"));
        } else if OTHER_UNITS.iter().any(|suffix| name.ends_with(suffix)) {
            let hint = "`[services]` manages services only; use a service that starts the unit";
            self.mistake_in_key(at, format!("`{name}` is not a service"), hint);
        } else if !names::is_service(name) {
            self.mistake_in_key(
                at,
                format!("`{name}` is not the name of a service"),
                "use letters, digits and `_.@:-`",
            );
        }
    }

    fn word_of_state(&mut self, at: &[Part], word: &str) -> Option<State> {
        match word {
            "running" => Some(State::Running),
            "stopped" => Some(State::Stopped),
            _ => {
                self.mistake(at, format!("`{word}` is not a state of a service"), "write `running` or `stopped`");
                None
            }
        }
    }

    fn checked_service(&mut self, path: &[Part], name: &str, raw: &written::Service) -> Service {
        let at = |key: &str| within(path, key);
        let command = raw.command.as_ref().map(|command| self.command_of_service(&at("command"), name, command));
        self.masked_service(path, raw);
        let description = raw.description.as_ref().and_then(|text| self.one_line(&at("description"), text));
        let user = raw.user.as_ref().and_then(|text| self.expanded(&at("user"), text));
        if let Some(user) = user.as_ref().filter(|user| !names::is_user(user)) {
            self.mistake(&at("user"), format!("`{user}` is not a user name"), "name one user, such as `otel`");
        }
        let folder = raw.working_directory.as_ref().and_then(|text| self.one_line(&at("working-directory"), text));
        let working_directory = folder.and_then(|text| self.absolute(&at("working-directory"), &text));
        let restart_on = raw.restart_on.iter().enumerate();
        let restart_on = restart_on.filter_map(|(index, text)| self.watched(&within(&at("restart-on"), index), text));
        Service {
            description,
            user,
            working_directory,
            restart_on: restart_on.collect(),
            environment: self.environment_of_service(&at("environment"), &raw.environment),
            restart: raw.restart,
            settings: self.settings_of_service(&at("settings"), command.is_some(), &raw.settings),
            command,
            state: raw.state.unwrap_or(if raw.masked { State::Stopped } else { State::Running }),
            enabled: (!raw.masked).then(|| raw.enabled.unwrap_or(true)),
            masked: raw.masked,
            health: raw.health.as_ref().and_then(|health| self.probe(&at("health"), "health", health, HEALTH_TIMEOUT)),
        }
    }

    fn command_of_service(&mut self, path: &[Part], name: &str, raw: &[String]) -> Vec<String> {
        let at = |index: usize| within(path, index);
        if name.contains('@') {
            let hint = "leave `@` out of the name, or leave `command` out";
            self.mistake(path, "an instance of a template has no `command`", hint);
        }
        let mut command = Vec::new();
        for (index, word) in raw.iter().enumerate() {
            if word.contains("${secret.") {
                let hint = "every user of the node can see a command line; pass it in `environment`, as `{ secret = \"KEY\" }`";
                self.mistake(&at(index), "`command` contains a secret", hint);
                continue;
            }
            let Some(word) = self.expanded(&at(index), word) else { continue };
            if word.contains('\0') {
                self.mistake(&at(index), "the argument contains a zero byte", "an argument cannot contain one");
            }
            command.push(word);
        }
        let is_program = |word: &String| {
            let path = Path::new(word);
            path.is_absolute() && !word.ends_with('/') && path.components().all(|part| part != Component::ParentDir)
        };
        match command.first() {
            None if raw.is_empty() => {
                let hint = "name the program and its arguments: `command = [\"/opt/x/x\", \"--option\"]`";
                self.mistake(path, "`command` is empty", hint);
            }
            Some(program) if !is_program(program) || program.chars().any(char::is_control) => {
                let hint = "begin the program with `/`, without `..`: systemd does not search for it";
                self.mistake(&at(0), format!("`{program}` is not the absolute path of a program"), hint);
            }
            _ => {}
        }
        command
    }

    fn masked_service(&mut self, path: &[Part], raw: &written::Service) {
        if !raw.masked {
            return;
        }
        let at = |key: &str| within(path, key);
        let hint = "a masked service cannot be started; remove one of the two keys";
        if raw.state == Some(State::Running) {
            let running = unit::state(State::Running);
            self.mistake(&at("state"), format!("a masked service cannot be `{running}`"), hint);
        } else if raw.enabled == Some(true) {
            self.mistake(&at("enabled"), "a masked service cannot be enabled", hint);
        } else if raw.command.is_some() {
            self.mistake(&at("masked"), "a service with `command` cannot be masked", "remove the service instead");
        }
    }

    fn environment_of_service(
        &mut self,
        path: &[Part],
        raw: &BTreeMap<String, PlainOr<written::SecretKey>>,
    ) -> BTreeMap<String, Variable> {
        let mut variables = BTreeMap::new();
        for (variable, value) in raw {
            let at = within(path, variable.as_str());
            if !names::is_variable(variable) {
                let hint = "use letters, digits and `_`, and begin with a letter or `_`";
                self.mistake_in_key(&at, format!("`{variable}` is not a variable name"), hint);
                continue;
            }
            let value = match value {
                PlainOr::Plain(text) => self.text_of_variable(&at, &text.to_string()).map(Variable::Text),
                PlainOr::Table(written::SecretKey { secret }) => {
                    let at = within(&at, "secret");
                    self.key_of_secret(&at, secret).map(|key| Variable::Secret(SecretRef::new(key)))
                }
            };
            variables.extend(value.map(|value| (variable.clone(), value)));
        }
        variables
    }

    fn text_of_variable(&mut self, at: &[Part], text: &str) -> Option<String> {
        if text.contains("${secret.") {
            let hint =
                "write the whole value as `{ secret = \"KEY\" }`: it is passed in a file that only root can read";
            self.mistake(at, "the value contains a secret", hint);
            return None;
        }
        let text = self.expanded(at, text)?;
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            self.mistake(at, "the value contains a control character", "systemd does not accept it in a variable");
            return None;
        }
        Some(text)
    }

    fn watched(&mut self, at: &[Part], text: &str) -> Option<Watched> {
        let text = self.expanded(at, text)?;
        if !text.starts_with('/') {
            return self.known_name(at, &text).map(|name| Watched::Entry(name, self.origin(at)));
        }
        if let Err(error) = glob::Pattern::new(&text) {
            self.mistake(at, format!("`{text}` is not a glob: {}", error.msg), "write `*`, `?`, `[abc]` or `**`");
            return None;
        }
        let path = self.absolute(at, &text)?;
        Some(Watched::Files(path.display().to_string()))
    }

    /// A text without line breaks and other control characters.
    pub(super) fn one_line(&mut self, at: &[Part], text: &str) -> Option<String> {
        let text = self.expanded(at, text)?;
        if text.chars().any(char::is_control) || text.ends_with('\\') || text.trim() != text || text.is_empty() {
            let hint = "one line without control characters, and without spaces or `\\` at its end";
            self.mistake(at, format!("`{}` is not one line", text.escape_debug()), hint);
            return None;
        }
        Some(text)
    }
}
