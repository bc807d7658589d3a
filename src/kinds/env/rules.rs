//! Rules of `[env]`.

use std::collections::BTreeMap;

use super::{
    checked::{Change, Env, Variable, VariableSection},
    destinations::Destination,
    format, written,
};
use crate::{
    diagnostic::Diagnostic,
    grammar::{document::Part, names},
    problem::Problem,
    profile::{Entry, Order, Rules, SecretRef, Whole, place, shorthand::PlainOr, within},
};

impl Rules<'_> {
    pub(super) fn env(&mut self, written: &written::Env) -> Env {
        let to = written.to.clone().filter(|to| self.destinations(&place!["env", "to"], to));
        let to = self.plain(&place!["env", "to"], to);
        let mut variables = BTreeMap::new();
        for (name, raw) in &written.variables {
            let at = place!["env", "variables", name.as_str()];
            if !self.is_variable(&at, name) {
                continue;
            }
            let entry = self.cases(&at, raw, |rules, at, raw| rules.variable(at, name, raw));
            variables.extend(entry.map(|entry| (name.clone(), entry)));
        }
        Env { to, variables, certificates_at: None }
    }

    /// Whether the name is one of a variable.
    fn is_variable(&mut self, at: &[Part], name: &str) -> bool {
        if names::is_variable(name) {
            return true;
        }
        let hint = "use letters, digits and `_`, and begin with a letter or `_`";
        self.mistake_in_key(at, format!("`{name}` is not a variable name"), hint);
        false
    }

    fn destinations(&mut self, at: &[Part], to: &[Destination]) -> bool {
        // Unknown destinations were reported and removed.
        if to.is_empty() && !self.document.has(&within(at, 0)) {
            self.mistake(at, "`to` is empty", "name a destination: `spark`, `login`, `system`, `r` or `run`");
        }
        !to.is_empty()
    }

    fn variable(&mut self, at: &[Part], name: &str, raw: &PlainOr<written::Variable>) -> Option<Entry<Variable>> {
        let short;
        let raw = match raw {
            PlainOr::Table(raw) => raw,
            PlainOr::Plain(value) => {
                short = written::Variable { value: Some(value.clone()), ..written::Variable::default() };
                &short
            }
        };
        self.note(format!("env.variables.{name}"), None);
        let change = self.change(at, name, raw);
        let to = raw.to.clone();
        if let Some(to) = &to {
            let at = within(at, "to");
            let is_sound = self.destinations(&at, to);
            let other = to.iter().find(|to| **to != Destination::Spark);
            if let (Some(Change::Secret(_)), Some(other), true) = (&change, other, is_sound) {
                let message = format!("a secret cannot go to `{}`: every user can read its file", other.word());
                self.mistake(&at, message, "a secret goes to `spark` only; remove the other destinations");
            }
        }
        let names = self.spellings([format!("env.variables.{name}")]);
        let order = Order { names, ..Order::default() };
        let value = Variable { change: change?, to, section: VariableSection::Env };
        Some(Entry { value, origin: self.origin(at), optional: false, timeout: None, order })
    }

    fn change(&mut self, at: &[Part], name: &str, raw: &written::Variable) -> Option<Change> {
        let below = |key: &str| within(at, key);
        let given = [
            ("value", raw.value.is_some()),
            ("secret", raw.secret.is_some()),
            ("prepend", raw.prepend.is_some()),
            ("append", raw.append.is_some()),
            ("absent", raw.absent),
        ];
        let given: Vec<&str> = given.iter().filter(|(_, is_given)| *is_given).map(|(key, _)| *key).collect();
        match given.as_slice() {
            [_] => {}
            // A key that was reported and removed may be the value.
            [] if self.document.has_lost_keys(at) => return None,
            [] => {
                let hint = "give exactly one of `value`, `secret`, `prepend`, `append` and `absent = true`";
                self.mistake(at, "the variable has no value", hint);
                return None;
            }
            [first, second, ..] => {
                let message = format!("both `{first}` and `{second}` are given");
                self.mistake(&below(second), message, "keep one of them");
                return None;
            }
        }
        if let Some(key) = &raw.secret {
            return self.key_of_variable(&below("secret"), key).map(|key| Change::Secret(SecretRef::new(key)));
        }
        if let Some(path) = &raw.prepend {
            return self.joined_path(&below("prepend"), name, path).map(Change::Prepend);
        }
        if let Some(path) = &raw.append {
            return self.joined_path(&below("append"), name, path).map(Change::Append);
        }
        match &raw.value {
            None => Some(Change::Absent),
            Some(value) => {
                let at = if self.document.has(&below("value")) { below("value") } else { at.to_vec() };
                self.literal(&at, name, &value.to_string()).map(Change::Set)
            }
        }
    }

    /// A value in which `${…}` is replaced. It contains no secret.
    fn literal(&mut self, at: &[Part], name: &str, text: &str) -> Option<String> {
        if text.contains("${secret.") {
            self.mistake(at, "the value contains a secret", "write the whole value as `{ secret = \"KEY\" }`");
            return None;
        }
        self.check_references(at, name, text).then(|| self.expanded(at, text)).flatten()
    }

    fn joined_path(&mut self, at: &[Part], name: &str, text: &str) -> Option<String> {
        let text = self.literal(at, name, text)?;
        if text.is_empty() || text.starts_with(':') || text.ends_with(':') || text.contains("::") {
            let message = format!("`{text}` has an empty path, which means the working directory");
            self.mistake(at, message, "name a path, or several that are joined by `:`");
            return None;
        }
        Some(text)
    }

    fn key_of_variable(&mut self, at: &[Part], key: &str) -> Option<String> {
        let key = self.expanded(at, key)?;
        if !names::is_secret(&key) {
            self.mistake(at, format!("`{key}` is not a key of a secret"), "letters, digits and `_.@-`");
            return None;
        }
        Some(key)
    }
}

/// Reports values that the format of a destination cannot represent.
pub(super) fn check_formats(env: &Env, whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
    for (name, entry) in &env.variables {
        let (to, _) = env.destinations_of(&entry.value);
        for to in to {
            let Err(unfit) = format::line(*to, name, &entry.value.change) else { continue };
            let change = match &entry.value.change {
                Change::Prepend(_) => "`prepend`",
                Change::Append(_) => "`append`",
                Change::Set(_) | Change::Secret(_) | Change::Absent => "the value",
            };
            let message = format!("{change} of `{name}` is not possible for `{}`: {}", to.word(), unfit.why);
            let problem = Problem::new(message).hint(unfit.hint.to_owned()).asked_at(entry.origin.clone());
            found.push(whole.mistake(problem));
        }
    }
}
