//! The rules a profile must keep, applied to every entry of every file, with every mistake at its place.

mod apt;
mod deliveries;
mod logins;
mod python;
mod r;
mod secrets;
mod shell;
mod sources;
mod whole;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use url::Url;
pub(super) use whole::check_whole;

use super::{
    AssetRef, Entry, Profile, Setting,
    document::{Document, Part},
    forms,
    load::File,
    names,
    raw::{RawAptPackage, RawFile, RawRPackage, RawRequirement, RawWhen},
    values::Values,
    when,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    digest::Digest,
    facts::NodeFacts,
};

/// Checks one file and turns it into a part of the profile. What is wrong is reported and left out.
pub(super) fn check(file: &File, values: &Values, facts: &NodeFacts, found: &mut Vec<Diagnostic>) -> Profile {
    let conditions = BTreeSet::new();
    let mut rules = Rules { document: &file.document, folder: file.folder.as_ref(), values, facts, conditions, found };
    let raw = &file.raw;
    if !names::is_profile(&raw.name) {
        rules.mistake(
            &["name".into()],
            format!("`{}` is not a profile name", raw.name),
            "use lower-case letters, digits and dashes",
        );
    }
    if let Some(unit) = raw.business_unit.as_deref().filter(|unit| !names::is_unit(unit)) {
        let hint = "use the unit's name as in cluster names, such as `Family`";
        rules.mistake(&["business-unit".into()], format!("`{unit}` is not a business unit"), hint);
    }
    let uses_secrets = !(raw.secrets.items.is_empty() && raw.secrets.templates.is_empty() && raw.logins.is_empty());
    let place = if uses_secrets && rules.passwords_have_a_place(raw) { rules.ground(&raw.secrets) } else { None };
    let mut secrets = rules.secrets(&raw.secrets, place.clone());
    let logins = rules.logins(&raw.logins, place.as_ref(), &mut secrets.withheld);
    let mut profile = Profile {
        name: raw.name.clone(),
        business_unit: raw.business_unit.clone(),
        business_unit_at: raw.business_unit.as_ref().map(|_| rules.origin(&["business-unit".into()])),
        sources: Vec::new(),
        path: None,
        files: Vec::new(),
        conditions: BTreeSet::new(),
        lock: None,
        apt: rules.apt(&raw.apt),
        pip: rules.pip(&raw.pip),
        wheels: rules.wheels(&raw.wheel),
        r: rules.r(&raw.r),
        shell: rules.shell(&raw.shell),
        secrets,
        logins,
        vars: std::collections::BTreeMap::new(),
        only_digests: false,
    };
    profile.conditions = rules.conditions;
    profile
}

struct Rules<'a> {
    document: &'a Document,
    folder: Option<&'a PathBuf>,
    values: &'a Values,
    facts: &'a NodeFacts,
    /// What the conditions of packages and files speak of.
    conditions: BTreeSet<&'static str>,
    found: &'a mut Vec<Diagnostic>,
}

/// The parts that list entries have in common.
struct Terms<'a> {
    when: Option<&'a RawWhen>,
    optional: bool,
    timeout: Option<&'a str>,
}

/// A list entry in its long form.
trait Long {
    /// The key that holds its name or path.
    const KEY: &'static str;
    fn name(&self) -> &str;
    fn terms(&self) -> Terms<'_>;
}

macro_rules! long {
    ($($type:ty => $key:ident),+ $(,)?) => { $(
        impl Long for $type {
            const KEY: &'static str = stringify!($key);
            fn name(&self) -> &str {
                &self.$key
            }
            fn terms(&self) -> Terms<'_> {
                Terms { when: self.when.as_ref(), optional: self.optional, timeout: self.timeout.as_deref() }
            }
        }
    )+ };
}
long!(RawAptPackage => name, RawFile => path, RawRequirement => name, RawRPackage => name);

/// A path of parts, from keys and indexes.
macro_rules! place {
    ($($part:expr),+ $(,)?) => { [$($crate::grammar::document::Part::from($part)),+] };
}
use place;

impl Rules<'_> {
    fn mistake(&mut self, path: &[Part], message: impl Into<String>, hint: impl Into<String>) {
        let message = message.into();
        let message = message.strip_prefix("``").map_or(message.clone(), |rest| format!("an empty text{rest}"));
        self.found.push(self.document.mistake(path, message).hint(hint));
    }

    /// A mistake in a key that the profile chose itself.
    fn mistake_in_key(&mut self, path: &[Part], message: impl Into<String>, hint: impl Into<String>) {
        let span = self.document.key_span(path);
        self.found.push(Diagnostic::at(&self.document.source, span, message).hint(hint));
    }

    fn origin(&self, path: &[Part]) -> Origin {
        self.document.origin(path)
    }

    /// The text with its `${…}` replaced.
    fn expanded(&mut self, path: &[Part], text: &str) -> Option<String> {
        match self.values.expand(text) {
            Ok(text) => Some(text),
            Err(error) => {
                self.mistake(path, error.message, error.hint);
                None
            }
        }
    }

    /// Whether an entry counts on this node.
    fn counts(&mut self, path: &[Part], condition: Option<&RawWhen>) -> bool {
        let Some(condition) = condition else { return true };
        let is_locked = |part: &Part| !matches!(part, Part::Key(key) if key == "secrets" || key == "logins");
        if path.first().is_some_and(is_locked) {
            self.conditions.extend(when::speaks_of(condition));
        }
        when::holds(condition, self.facts).unwrap_or_else(|(below, message, hint)| {
            let path: Vec<Part> = path.iter().cloned().chain(["when".into()]).chain(below).collect();
            self.mistake(&path, message, hint);
            false
        })
    }

    fn timeout(&mut self, path: &[Part], text: Option<&str>) -> Option<Duration> {
        let parsed = humantime::parse_duration(text?).ok().filter(|duration| !duration.is_zero());
        if parsed.is_some() {
            return parsed;
        }
        let path: Vec<Part> = path.iter().cloned().chain(["timeout".into()]).collect();
        self.mistake(
            &path,
            format!("`{}` is not a time to wait for", text.unwrap_or_default()),
            "write it as `90s`, `5m` or `1h 30m`",
        );
        None
    }

    /// Every entry of a list, each checked by `check`, which gets the place and the expanded name.
    fn entries<L: Long, T: PartialEq>(
        &mut self,
        path: &[Part],
        list: &[forms::Entry<L>],
        mut check: impl FnMut(&mut Self, &[Part], String, Option<&L>) -> Option<T>,
    ) -> Vec<Entry<T>> {
        let mut entries = Vec::new();
        for (index, entry) in list.iter().enumerate() {
            let path: Vec<Part> = path.iter().cloned().chain([index.into()]).collect();
            let named: Vec<Part> = path.iter().cloned().chain([L::KEY.into()]).collect();
            let none = Terms { when: None, optional: false, timeout: None };
            let (name, long, terms) = match entry {
                forms::Entry::Short(name) => (name.as_str(), None, none),
                forms::Entry::Long(long) => (long.name(), Some(long), long.terms()),
            };
            let value = self.expanded(&named, name).and_then(|name| check(self, &named, name, long));
            let timeout = self.timeout(&path, terms.timeout);
            let counts = self.counts(&path, terms.when);
            if let (Some(value), true) = (value, counts) {
                // What is written twice is asked for once; it is optional when it is so both times.
                if let Some(first) = entries.iter_mut().find(|entry: &&mut Entry<T>| entry.value == value) {
                    first.optional &= terms.optional;
                    continue;
                }
                entries.push(Entry { value, origin: self.origin(&named), optional: terms.optional, timeout });
            }
        }
        entries
    }

    /// Files of the file store.
    fn files(&mut self, path: &[Part], list: &[forms::Entry<RawFile>]) -> Vec<Entry<AssetRef>> {
        self.entries(path, list, |rules, path, name, long| {
            rules.asset(path, name, long.and_then(|file| file.sha256.as_deref()))
        })
    }

    /// One file of the file store; `path` is the place of its name.
    fn asset(&mut self, path: &[Part], name: String, sha256: Option<&str>) -> Option<AssetRef> {
        let file = std::path::Path::new(&name);
        if name.is_empty()
            || name.contains('\0')
            || file.components().any(|part| part == std::path::Component::ParentDir)
        {
            self.mistake(
                path,
                format!("`{name}` is not a path in the file store"),
                "name a file below the profile's folder, the unit's tree or Admin's, without `..`",
            );
            return None;
        }
        let sha256 = match sha256.map(str::parse::<Digest>).transpose() {
            Ok(sha256) => sha256,
            Err(error) => {
                let mut at = path.to_vec();
                at.pop();
                at.push("sha256".into());
                self.mistake(&at, error.to_string(), "`sha256sum FILE` prints it");
                return None;
            }
        };
        Some(AssetRef { path: name, beside: self.folder.cloned(), sha256 })
    }

    /// A setting from an optional string.
    fn setting<T>(
        &mut self,
        path: &[Part],
        text: Option<&String>,
        check: impl FnOnce(&mut Self, String) -> Option<T>,
    ) -> Option<Setting<T>> {
        let text = self.expanded(path, text?)?;
        let value = check(self, text)?;
        Some(Setting { value, origin: self.origin(path) })
    }

    /// A setting from a value that needs no check.
    fn plain<T>(&self, path: &[Part], value: Option<T>) -> Option<Setting<T>> {
        value.map(|value| Setting { value, origin: self.origin(path) })
    }

    fn absolute(&mut self, path: &[Part], text: &str) -> Option<PathBuf> {
        let file = PathBuf::from(text);
        let sound = file.is_absolute() && !file.components().any(|part| part == std::path::Component::ParentDir);
        if !sound || text == "/" {
            self.mistake(path, format!("`{text}` is not an absolute path"), "begin it with `/`, without `..`");
            return None;
        }
        Some(file)
    }

    fn url(&mut self, path: &[Part], text: &str) -> Option<Url> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https" | "file"));
        match url {
            Some(url) if holds_credentials(&url) => {
                self.mistake(path, "the address holds a user name or password", NO_CREDENTIALS);
                None
            }
            Some(url) => Some(url),
            None => {
                self.mistake(
                    path,
                    format!("`{text}` is not an address"),
                    "begin it with `https://`, `http://` or `file:///`",
                );
                None
            }
        }
    }
}

const NO_CREDENTIALS: &str = "anyone who may read a profile could use it; write the address without, and name the user \
                              and the key of the password under `[[logins]]`";

/// Whether an address holds what a login is for. The user name of `ssh` is none: its keys are elsewhere.
fn holds_credentials(url: &Url) -> bool {
    url.password().is_some() || !(url.username().is_empty() || url.scheme().ends_with("ssh"))
}
