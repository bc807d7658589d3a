//! Rules of `settings`: keys of systemd by section of the unit.

use std::{collections::BTreeMap, sync::LazyLock};

use regex_lite::Regex;

use super::written::Repeated;
use crate::{
    grammar::document::Part,
    profile::{Rules, within},
};

/// Keys of systemd that a key of the entry sets, and that key.
const OWN_KEYS: [(&str, &str); 1] = [("ExecStart", "command")];

type Settings = BTreeMap<String, BTreeMap<String, Vec<String>>>;

impl Rules<'_> {
    pub(super) fn settings_of_service(
        &mut self,
        path: &[Part],
        has_command: bool,
        raw: &BTreeMap<String, BTreeMap<String, Repeated>>,
    ) -> Settings {
        let mut settings = Settings::new();
        for (section, keys) in raw {
            let at = within(path, section.as_str());
            if !is_name(section) {
                let hint = "name a section of the unit, such as `Service`";
                self.mistake_in_key(&at, format!("`{section}` is not a section of a unit"), hint);
                continue;
            }
            for (key, Repeated(values)) in keys {
                let at = within(&at, key.as_str());
                if !is_name(key) {
                    let hint = "name a key of systemd, such as `MemoryMax`";
                    self.mistake_in_key(&at, format!("`{key}` is not a key of systemd"), hint);
                    continue;
                }
                if let Some((_, own)) = OWN_KEYS.iter().find(|(own, _)| has_command && own == key) {
                    let hint = format!("write it as `{own}`, or leave `{own}` out and let `[files]` write the unit");
                    self.mistake_in_key(&at, format!("`{key}` is set by `{own}`"), hint);
                    continue;
                }
                let values = values.iter().filter_map(|value| self.value_of_setting(&at, &value.to_string()));
                let values: Vec<String> = values.collect();
                settings.entry(section.clone()).or_default().insert(key.clone(), values);
            }
        }
        settings
    }

    fn value_of_setting(&mut self, at: &[Part], text: &str) -> Option<String> {
        if text.contains("${secret.") {
            let hint = "every user of the node can read a unit; pass it in `environment`, as `{ secret = \"KEY\" }`";
            self.mistake(at, "the setting contains a secret", hint);
            return None;
        }
        let text = self.expanded(at, text)?;
        // An empty value clears a list of systemd.
        if text.is_empty() {
            return Some(text);
        }
        if text.chars().any(char::is_control) || text.ends_with('\\') {
            let hint = "one line without control characters, and without `\\` at its end";
            self.mistake(at, format!("`{}` is not the value of a setting", text.escape_debug()), hint);
            return None;
        }
        Some(text)
    }
}

fn is_name(text: &str) -> bool {
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("^[A-Za-z][A-Za-z0-9-]*$").expect("the pattern is fixed"));
    NAME.is_match(text)
}
