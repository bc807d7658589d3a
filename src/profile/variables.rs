//! Rules of `[vars]`: each variable is a plain value, or one lookup.

use std::{collections::BTreeSet, path::Path};

use regex::Regex;

use super::{
    Rules,
    cases::Cases,
    expansion,
    head::Lookup,
    rules::{place, within},
    shorthand::PlainOr,
    values::Variables,
};
use crate::{grammar::document::Part, grammar::names, redact::suggests_credential};

/// Parts of metadata keys whose values are credentials.
const CREDENTIALS: [&str; 5] =
    ["security-credentials", "identity-credentials", "service-accounts", "identity/oauth2", "user-data"];

impl Rules<'_> {
    /// Checks the variables of the file with this position in the chain.
    pub(super) fn variables(&mut self, file: usize, vars: &Variables) {
        let circles = circles(vars);
        for (name, cases) in vars {
            let at = place!["vars", name.as_str()];
            if let Some(circle) = circles.iter().find(|circle| circle.first() == Some(name)) {
                let circle: Vec<String> = circle.iter().chain(circle.first()).map(|name| format!("`{name}`")).collect();
                let hint = format!("break the circle {}", circle.join(" -> "));
                self.mistake(&at, format!("the variable `{name}` uses its own value"), hint);
            }
            self.cases(&at, cases, |rules, at, entry| {
                if let PlainOr::Table(lookup) = entry {
                    rules.lookup(at, lookup);
                }
                for (key, text) in texts(entry) {
                    let at = key.map_or_else(|| at.to_vec(), |key| within(at, key));
                    rules.names_of_variable(&at, file, name, &text);
                }
                Some(())
            });
        }
    }

    fn names_of_variable(&mut self, at: &[Part], file: usize, own: &str, text: &str) {
        let names = expansion::names(text);
        if let Some(secret) = names.iter().flatten().find(|name| name.starts_with("secret.")) {
            let hint = format!(
                "values of `[vars]` are shown in plans and reports; write `${{{secret}}}` in a text that may have \
                 secrets, such as `text` of `[files]`"
            );
            return self.mistake(at, "a variable cannot hold a secret", hint);
        }
        let error = match names {
            Ok(names) => names.iter().find_map(|name| self.values.name_error(file, own, name)),
            Err(error) => Some(error),
        };
        if let Some(error) = error {
            self.mistake(at, error.message, error.hint);
        }
    }

    fn lookup(&mut self, at: &[Part], lookup: &Lookup) {
        let sources = [
            ("value", lookup.value.is_some()),
            ("env", lookup.env.is_some()),
            ("file", lookup.file.is_some()),
            ("metadata", lookup.metadata.is_some()),
        ];
        let given: Vec<String> =
            sources.iter().filter(|(_, given)| *given).map(|(name, _)| format!("`{name}`")).collect();
        let hint = "write one of `value`, `env`, `file` and `metadata`";
        match given.as_slice() {
            // A key that was reported and removed may be the value.
            [] if self.document.has_lost_keys(at) => return,
            [] => return self.mistake(at, "the variable has no value and no lookup", hint),
            [_] => {}
            several => return self.mistake(at, format!("the variable has {}", several.join(" and ")), hint),
        }
        if lookup.value.is_some() && lookup.default.is_some() {
            let hint = "write the value as `value`, or look it up with `env`, `file` or `metadata`";
            self.mistake(&within(at, "default"), "`value` needs no `default`", hint);
        }
        if lookup.file.is_none() && lookup.pattern.is_some() {
            self.mistake(&within(at, "match"), "`match` is without `file`", "only the text of a file is matched");
        }
        if let Some(name) = &lookup.env {
            self.env_of_lookup(&within(at, "env"), name);
        }
        if let Some(file) = &lookup.file {
            self.file_of_lookup(at, file, lookup.pattern.as_deref());
        }
        if let Some(key) = &lookup.metadata {
            self.metadata_of_lookup(&within(at, "metadata"), key);
        }
    }

    fn env_of_lookup(&mut self, at: &[Part], name: &str) {
        if !names::is_variable(name) {
            let hint = "use letters, digits and `_`, and begin with a letter or `_`";
            self.mistake(at, format!("`{name}` is not a variable name"), hint);
        } else if suggests_credential(name) {
            let hint = "values of `[vars]` are shown in plans and reports; use `[secrets]` with `source = \"env\"`";
            self.mistake(at, format!("the environment variable `{name}` may hold a credential"), hint);
        }
    }

    fn file_of_lookup(&mut self, at: &[Part], file: &str, pattern: Option<&str>) {
        let has_parent = Path::new(file).components().any(|part| part == std::path::Component::ParentDir);
        if !(file.starts_with('/') || file.starts_with("${")) || has_parent {
            let hint = "name a file of the node: start it with `/` and do not use `..`";
            self.mistake(&within(at, "file"), format!("`{file}` is not an absolute path"), hint);
        }
        let Some(pattern) = pattern else { return };
        let at = within(at, "match");
        match Regex::new(pattern) {
            Ok(expression) if expression.captures_len() < 2 => {
                let hint = "the value is the first group: put `(` and `)` around it";
                self.mistake(&at, format!("`{pattern}` has no group"), hint);
            }
            Ok(_) => {}
            Err(error) => {
                let reason = super::when::regex_error(&error);
                let hint = "see https://docs.rs/regex for the syntax";
                self.mistake(&at, format!("`{pattern}` is not a regular expression: {reason}"), hint);
            }
        }
    }

    fn metadata_of_lookup(&mut self, at: &[Part], key: &str) {
        let is_key = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let is_path = !key.is_empty() && !key.starts_with('/') && !key.ends_with('/') && !key.contains("..");
        if !is_path || !key.chars().all(is_key) {
            let hint = "write it without a `/` at its start, such as `instance-id` or `placement/region`";
            self.mistake(at, format!("`{key}` is not a key of the instance's metadata"), hint);
        } else if CREDENTIALS.iter().any(|part| key.contains(part)) {
            let hint = "values of `[vars]` are shown in plans and reports; nodeagent uses the node's identity itself";
            self.mistake(at, format!("`{key}` may hold a credential"), hint);
        }
    }
}

/// The texts of an entry with their keys.
fn texts(entry: &PlainOr<Lookup>) -> Vec<(Option<&'static str>, String)> {
    match entry {
        PlainOr::Plain(scalar) => vec![(None, scalar.to_string())],
        PlainOr::Table(Lookup { value, file, default, .. }) => {
            let scalars = [("value", value), ("default", default)];
            let scalars = scalars.into_iter().filter_map(|(key, text)| Some((Some(key), text.as_ref()?.to_string())));
            scalars.chain(file.iter().map(|file| (Some("file"), file.clone()))).collect()
        }
    }
}

/// The variables that use themselves through others of the same file: each circle once, from its first name.
fn circles(vars: &Variables) -> Vec<Vec<String>> {
    let mut circles: Vec<Vec<String>> = Vec::new();
    for name in vars.keys() {
        if circles.iter().any(|circle| circle.contains(name)) {
            continue;
        }
        circles.extend(circle_from(vars, name, &mut vec![name.clone()], &mut BTreeSet::new()));
    }
    circles
}

/// A path from the last name of `open` back to `start`.
fn circle_from(
    vars: &Variables,
    start: &String,
    open: &mut Vec<String>,
    seen: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    let last = open.last()?.clone();
    for next in uses(vars, &last) {
        if next == *start && open.len() > 1 {
            return Some(open.clone());
        }
        if next != last && seen.insert(next.clone()) {
            open.push(next);
            if let Some(circle) = circle_from(vars, start, open, seen) {
                return Some(circle);
            }
            open.pop();
        }
    }
    None
}

/// The variables of the same file that a variable uses.
fn uses(vars: &Variables, name: &str) -> Vec<String> {
    let cases = vars.get(name).map(|Cases { cases, .. }| cases.as_slice()).unwrap_or_default();
    let of_texts = cases.iter().flat_map(texts).flat_map(|(_, text)| expansion::names(&text).unwrap_or_default());
    let of_texts = of_texts.filter_map(|name| name.strip_prefix("vars.").map(str::to_owned));
    let of_conditions = cases.iter().filter_map(|case| super::cases::Case::condition(case));
    let of_conditions = of_conditions.flat_map(super::when::used_variables);
    of_texts.chain(of_conditions).filter(|name| vars.contains_key(name)).collect()
}
