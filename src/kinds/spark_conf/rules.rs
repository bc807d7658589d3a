//! Rules of `[spark-conf]`.

use std::collections::BTreeMap;

use super::{
    checked::{Setting, SparkConf, Value},
    destination::Destination,
    format, written,
};
use crate::{
    diagnostic::Diagnostic,
    grammar::{document::Part, names},
    problem::Problem,
    profile::{Entry, Order, Rules, SecretRef, Whole, place, shorthand::PlainOr, within},
};

impl Rules<'_> {
    pub(super) fn spark_conf(&mut self, written: &written::SparkConf) -> SparkConf {
        let to = written.to.clone().filter(|to| self.files_of_settings(&place!["spark-conf", "to"], to));
        let to = self.plain(&place!["spark-conf", "to"], to);
        let mut settings = BTreeMap::new();
        for (key, raw) in &written.settings {
            let at = place!["spark-conf", "settings", key.as_str()];
            if !self.is_key_of_spark(&at, key) {
                continue;
            }
            let entry = self.cases(&at, raw, |rules, at, raw| rules.spark_setting(at, key, raw));
            settings.extend(entry.map(|entry| (key.clone(), entry)));
        }
        SparkConf { to, settings }
    }

    fn is_key_of_spark(&mut self, at: &[Part], key: &str) -> bool {
        if !key.starts_with("spark.") {
            let hint = "Spark ignores it; a setting of Hadoop begins with `spark.hadoop.`";
            self.mistake_in_key(at, format!("`{key}` does not begin with `spark.`"), hint);
            return false;
        }
        let is_plain = |c: char| c.is_ascii_graphic() && !"\"'\\=:#!{}[]$".contains(c);
        if key == "spark." || !key.chars().all(is_plain) {
            let hint = "letters, digits and `._-`; no spaces, quotes, `=`, `:`, `#` and braces";
            self.mistake_in_key(at, format!("`{key}` is not the key of a setting"), hint);
            return false;
        }
        true
    }

    fn files_of_settings(&mut self, at: &[Part], to: &[Destination]) -> bool {
        // Unknown destinations were reported and removed.
        if to.is_empty() && !self.document.has(&within(at, 0)) {
            self.mistake(at, "`to` is empty", "name `driver`, `defaults` or both");
        }
        !to.is_empty()
    }

    fn spark_setting(&mut self, at: &[Part], key: &str, raw: &PlainOr<written::Setting>) -> Option<Entry<Setting>> {
        let short;
        let raw = match raw {
            PlainOr::Table(raw) => raw,
            PlainOr::Plain(value) => {
                short = written::Setting { value: Some(value.clone()), ..written::Setting::default() };
                &short
            }
        };
        let value = match (&raw.value, &raw.secret) {
            (Some(value), None) => self.text_of_setting(at, &value.to_string()).map(Value::Text),
            (None, Some(secret)) => {
                let at = within(at, "secret");
                self.key_of_setting(&at, secret).map(|key| Value::Secret(SecretRef::new(key)))
            }
            (None, None) => {
                self.mistake(at, "the setting has no value", "give `value` or `secret`");
                None
            }
            (Some(_), Some(_)) => {
                self.mistake(&within(at, "secret"), "both `value` and `secret` are given", "keep one of them");
                None
            }
        };
        let to = raw.to.clone();
        if let Some(to) = &to {
            self.files_of_settings(&within(at, "to"), to);
        }
        let names = self.spellings([format!("spark-conf.settings.{key}")]);
        let order = Order { names, ..Order::default() };
        let value = Setting { value: value?, to };
        Some(Entry { value, origin: self.origin(at), optional: false, timeout: None, order })
    }

    fn text_of_setting(&mut self, at: &[Part], text: &str) -> Option<String> {
        let below = within(at, "value");
        let at = if self.document.has(&below) { &below } else { at };
        if text.contains("${secret.") {
            self.mistake(at, "the value contains a secret", "write the whole value as `{ secret = \"KEY\" }`");
            return None;
        }
        let text = self.expanded(at, text)?;
        if text.contains('\0') {
            self.mistake(at, "the value contains a zero byte", "remove it");
            return None;
        }
        Some(text)
    }

    fn key_of_setting(&mut self, at: &[Part], key: &str) -> Option<String> {
        let key = self.expanded(at, key)?;
        if !names::is_secret(&key) {
            self.mistake(at, format!("`{key}` is not a key of a secret"), "letters, digits and `_.@-`");
            return None;
        }
        Some(key)
    }
}

/// Reports values that `spark-defaults.conf` cannot represent, if the profile names this file.
pub(super) fn check_formats(conf: &SparkConf, whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
    for (key, entry) in conf.of(Destination::Defaults, Destination::Driver) {
        let Value::Text(text) = &entry.value.value else { continue };
        let Err(why) = format::quote(Destination::Defaults).quoted(text) else { continue };
        let problem = Problem::new(format!("the value of `{key}` is not possible for `defaults`: {why}"));
        found.push(whole.mistake(problem.hint("change the value".to_owned()).asked_at(entry.origin.clone())));
    }
}
