//! Rules that the kinds share: expansion, conditions, entries, files, addresses. Errors contain the position.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use url::Url;

use super::{
    Entry, Order, RunStage, Setting,
    cases::{Case, Cases},
    head::Head,
    shorthand::Shorthand,
    template_values::TemplateValues,
    values::Values,
    when,
    written::{File, When},
};
use crate::{
    diagnostic::{Diagnostic, Origin, nearest},
    grammar::{
        document::{Document, Part},
        names,
    },
};

/// Checks the keys of one profile file. Errors contain the position.
#[derive(Debug)]
pub struct Rules<'a> {
    pub(crate) document: &'a Document,
    pub(super) folder: Option<&'a PathBuf>,
    pub(super) values: &'a Values<'a>,
    /// The facts that conditions of locked sections use.
    pub(super) conditions: BTreeSet<&'static str>,
    /// Whether a lock depends on the section being checked.
    is_locked: bool,
    /// Whether the entry being checked applies to this node. In other entries, values may be unknown.
    pub(super) applies: bool,
    /// The stage of the entry being checked.
    stage: RunStage,
    /// Whether an address may be a folder in a bucket.
    pub(super) takes_folders: bool,
    /// The entries that run after the launch, with their lines.
    pub(super) post_start: BTreeMap<String, Origin>,
    /// Recommendations about entries, by the name of the entry.
    pub(super) notes: BTreeMap<String, Vec<String>>,
    /// The names that `after` and `before` may use.
    names: &'a BTreeSet<String>,
    pub(crate) found: &'a mut Vec<Diagnostic>,
}

/// The parts that list entries have in common.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EntryOptions<'a> {
    pub(crate) when: Option<&'a When>,
    pub(crate) optional: bool,
    pub(crate) timeout: Option<&'a str>,
}

/// A list entry in its long form.
pub(crate) trait Long {
    /// The key of its name or path.
    const KEY: &'static str;
    fn name(&self) -> &str;
    fn options(&self) -> EntryOptions<'_>;
}

/// Implements [`Long`] for an entry. Its name or path is in the field of the same name as the key.
macro_rules! long {
    ($entry:ty, $field:ident) => {
        impl $crate::profile::Long for $entry {
            const KEY: &'static str = stringify!($field);

            fn name(&self) -> &str {
                &self.$field
            }

            fn options(&self) -> $crate::profile::EntryOptions<'_> {
                $crate::profile::EntryOptions {
                    when: self.when.as_ref(),
                    optional: self.optional,
                    timeout: self.timeout.as_deref(),
                }
            }
        }
    };
}
pub(crate) use long;

/// Folders of the kernel's virtual file systems.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// A path of parts, from keys and indexes.
macro_rules! place {
    ($($part:expr),+ $(,)?) => { [$($crate::grammar::document::Part::from($part)),+] };
}
pub(crate) use place;

/// The path of a value of a table or a list.
pub(crate) fn within(path: &[Part], part: impl Into<Part>) -> Vec<Part> {
    let mut path = path.to_vec();
    path.push(part.into());
    path
}

impl<'a> Rules<'a> {
    pub(super) fn new(
        document: &'a Document,
        folder: Option<&'a PathBuf>,
        values: &'a Values<'a>,
        names: &'a BTreeSet<String>,
        found: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Self {
            document,
            folder,
            values,
            conditions: BTreeSet::new(),
            is_locked: false,
            applies: true,
            stage: RunStage::Launch,
            takes_folders: false,
            post_start: BTreeMap::new(),
            notes: BTreeMap::new(),
            names,
            found,
        }
    }

    /// Sets whether a lock depends on the section that is checked next.
    pub(crate) fn begin_section(&mut self, is_locked: bool) {
        self.is_locked = is_locked;
    }
}

impl Rules<'_> {
    /// Checks the name, the unit and the condition of a profile. The rest is checked as its condition says.
    pub(super) fn head(&mut self, head: &Head) {
        // Locked sections depend on the condition, too.
        self.is_locked = true;
        // After the launch, only entries of that stage need values.
        self.applies = self.counts(&[], head.when.as_ref()) && self.values.stage == RunStage::Launch;
        if !names::is_profile(&head.name) {
            self.mistake(
                &["name".into()],
                format!("`{}` is not a profile name", head.name),
                "use lower-case letters, digits and dashes",
            );
        }
        if let Some(unit) = head.business_unit.as_deref().filter(|unit| !names::is_unit(unit)) {
            let hint = "use the unit's name as in cluster names, such as `Family`";
            self.mistake(&["business-unit".into()], format!("`{unit}` is not a business unit"), hint);
        }
    }

    pub(crate) fn mistake(&mut self, path: &[Part], message: impl Into<String>, hint: impl Into<String>) {
        self.mistake_because(path, message, None, hint);
    }

    /// A mistake with the reason beside the marked text.
    pub(crate) fn mistake_because(
        &mut self,
        path: &[Part],
        message: impl Into<String>,
        reason: Option<String>,
        hint: impl Into<String>,
    ) {
        let message = message.into();
        if self.values.is_deferred_in(&message) {
            return;
        }
        let message = message.strip_prefix("``").map_or(message.clone(), |rest| format!("an empty text{rest}"));
        let mut mistake = self.document.mistake(path, message).hint(hint);
        mistake.label = reason;
        self.found.push(mistake);
    }

    /// A mistake in a key that the profile defines, such as a variable name.
    pub(crate) fn mistake_in_key(&mut self, path: &[Part], message: impl Into<String>, hint: impl Into<String>) {
        let message = message.into();
        if self.values.is_deferred_in(&message) {
            return;
        }
        let span = self.document.key_span(path);
        self.found.push(Diagnostic::at(&self.document.source, span, message).hint(hint));
    }

    /// Keeps the recommendation about an entry, or that there is none. Those of a child replace those of a parent.
    pub(crate) fn note(&mut self, entry: String, note: Option<String>) {
        self.notes.entry(entry).or_default().extend(note);
    }

    pub(crate) fn origin(&self, path: &[Part]) -> Origin {
        self.document.origin(path)
    }

    /// The origin of a key that the profile defines.
    pub(crate) fn origin_of_key(&self, path: &[Part]) -> Origin {
        self.document.source.origin(&self.document.key_span(path))
    }

    /// The text with its `${…}` replaced. In an entry that does not apply to the node, an unknown value is no mistake.
    pub(crate) fn expanded(&mut self, path: &[Part], text: &str) -> Option<String> {
        match self.values.expand(text) {
            Ok(text) => Some(text),
            Err(error) => {
                if self.applies || !error.is_unknown_here {
                    self.mistake(path, error.message, error.hint);
                }
                None
            }
        }
    }

    /// The values of `${…}`, for files that are read later.
    pub(crate) fn template_values(&self) -> Arc<TemplateValues> {
        Arc::new(TemplateValues::of(self.values))
    }

    /// Whether an entry applies to this node.
    pub(crate) fn counts(&mut self, path: &[Part], condition: Option<&When>) -> bool {
        let Some(condition) = condition else { return true };
        if self.is_locked {
            self.conditions.extend(when::used_facts(condition));
        }
        let place = decision_place(self.document, path);
        self.values.decision(&place, condition).unwrap_or_else(|(below, message, hint)| {
            let path: Vec<Part> = path.iter().cloned().chain(["when".into()]).chain(below).collect();
            self.mistake(&path, message, hint);
            false
        })
    }

    /// Checks every case of an entry. Returns the result for the first case whose `when` holds. `check` gets the
    /// position of the case.
    pub(crate) fn cases<E: Case, T>(
        &mut self,
        path: &[Part],
        cases: &Cases<E>,
        mut check: impl FnMut(&mut Self, &[Part], &E) -> Option<T>,
    ) -> Option<T> {
        // Cases of a wrong type were reported and removed.
        if cases.cases.is_empty() && !self.document.has(&within(path, 0)) {
            self.mistake(path, "the list has no cases", "write at least one table, or remove the entry");
        }
        let (mut chosen, mut is_decided) = (None, false);
        for (index, case) in cases.cases.iter().enumerate() {
            let path = if cases.is_list { within(path, index) } else { path.to_vec() };
            if index > 0 && cases.cases[index - 1].condition().is_none() {
                let hint = "the case above it has no `when` and always applies; move that case to the end";
                self.mistake(&path, "this case never applies", hint);
            }
            let counts = self.counts(&path, case.condition()) && !is_decided;
            let (applied, stage) = (self.applies, case.stage());
            let is_now = stage == self.values.stage;
            self.applies = counts && (applied || is_now);
            self.stage = stage;
            self.values.defer(!is_now);
            let checked = check(self, &path, case);
            self.values.defer(false);
            (self.applies, self.stage) = (applied, RunStage::Launch);
            if counts {
                (chosen, is_decided) = (checked, true);
            }
        }
        chosen
    }

    /// Checks an entry in its only form. Its result counts if the condition holds.
    pub(crate) fn conditional<T>(
        &mut self,
        path: &[Part],
        condition: Option<&When>,
        check: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let counts = self.counts(path, condition);
        let applied = self.applies;
        self.applies = applied && counts;
        let checked = check(self);
        self.applies = applied;
        checked.filter(|_| counts)
    }

    pub(crate) fn timeout(&mut self, path: &[Part], text: Option<&str>) -> Option<Duration> {
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

    /// Every entry of a list. `check` gets the position and the expanded name.
    pub(crate) fn entries<L: Long, T: PartialEq>(
        &mut self,
        path: &[Part],
        list: &[Shorthand<L>],
        mut check: impl FnMut(&mut Self, &[Part], String, Option<&L>) -> Option<T>,
    ) -> Vec<Entry<T>> {
        let mut entries = Vec::new();
        for (index, entry) in list.iter().enumerate() {
            let path: Vec<Part> = path.iter().cloned().chain([index.into()]).collect();
            let named: Vec<Part> = path.iter().cloned().chain([L::KEY.into()]).collect();
            let (name, long, options) = match entry {
                Shorthand::Short(name) => (name.as_str(), None, EntryOptions::default()),
                Shorthand::Long(long) => (long.name(), Some(long), long.options()),
            };
            let counts = self.counts(&path, options.when);
            let applied = self.applies;
            self.applies = applied && counts;
            let value = self.expanded(&named, name).and_then(|name| check(self, &named, name, long));
            self.applies = applied;
            let timeout = self.timeout(&path, options.timeout);
            if let (Some(value), true) = (value, counts) {
                // Duplicate entries become one. It is optional only if all of them are.
                if let Some(first) = entries.iter_mut().find(|entry: &&mut Entry<T>| entry.value == value) {
                    first.optional &= options.optional;
                    continue;
                }
                let (origin, optional, order) = (self.origin(&named), options.optional, Order::default());
                entries.push(Entry { value, origin, optional, timeout, order });
            }
        }
        entries
    }

    /// The spellings of an entry's names for `after` and `before`.
    pub(crate) fn spellings(&self, written: impl IntoIterator<Item = String>) -> Vec<String> {
        self.values.spellings(written)
    }

    /// The requested order of an entry with these names. No other entry has them.
    pub(crate) fn order(
        &mut self,
        path: &[Part],
        names: Vec<String>,
        (after, before): (&[String], &[String]),
    ) -> Order {
        let [after, before] = [("after", after), ("before", before)].map(|(key, others)| {
            let settings = others.iter().enumerate().filter_map(|(index, name)| {
                let at = [path, &place![key, index]].concat();
                let value = self.known_name(&at, name)?;
                if names.contains(&value) {
                    let message = format!("`{name}` names its own entry");
                    self.mistake(&at, message, format!("remove it: an entry cannot come {key} itself"));
                    return None;
                }
                Some(Setting { value, origin: self.origin(&at) })
            });
            settings.collect()
        });
        if self.stage == RunStage::PostStart && self.applies {
            let origin = self.origin(path);
            self.post_start.extend(names.iter().map(|name| (name.clone(), origin.clone())));
        }
        Order { names, stage: self.stage, after, before }
    }

    /// The name of a section or an entry, in a spelling that a profile of the chain has.
    pub(crate) fn known_name(&mut self, at: &[Part], name: &str) -> Option<String> {
        let names = self.names;
        let known = self.values.spellings([name.to_owned()]).into_iter().find(|spelling| names.contains(spelling));
        if known.is_some() {
            return known;
        }
        let near = nearest(name, names.iter().map(String::as_str));
        let hint = near.map_or_else(
            || "name a section, such as `pip`, or an entry, such as `files./etc/x`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        self.mistake(at, format!("`{name}` is no section and no entry of the profile"), hint);
        None
    }

    /// A setting from an optional string.
    pub(crate) fn setting<T>(
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
    pub(crate) fn plain<T>(&self, path: &[Part], value: Option<T>) -> Option<Setting<T>> {
        value.map(|value| Setting { value, origin: self.origin(path) })
    }

    pub(crate) fn absolute(&mut self, path: &[Part], text: &str) -> Option<PathBuf> {
        let file = PathBuf::from(text);
        let sound = file.is_absolute() && !file.components().any(|part| part == std::path::Component::ParentDir);
        if !sound || text == "/" {
            self.mistake(path, format!("`{text}` is not an absolute path"), "start it with `/` and do not use `..`");
            return None;
        }
        Some(file)
    }

    /// Whether a path, which is the key of an entry, is on a disk. `text` is the path as written.
    pub(crate) fn is_on_disk(&mut self, at: &[Part], text: &str, path: &Path) -> bool {
        let folder = KERNEL.iter().find(|folder| path.starts_with(folder));
        if let Some(folder) = folder {
            let message = format!("`{text}` is below `{folder}`, whose files the kernel makes");
            self.mistake_in_key(at, message, "name a path on a disk");
        }
        folder.is_none()
    }

    pub(crate) fn url(&mut self, path: &[Part], text: &str) -> Option<Url> {
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

/// The name of a condition's position, for [`Decisions`](super::Decisions).
pub(super) fn decision_place(document: &Document, path: &[Part]) -> String {
    format!("{} {path:?}", document.source.label)
}

pub(crate) const NO_CREDENTIALS: &str = "anyone who may read a profile could use it; write the address without, and name the user \
                              and the key of the password under `[[logins]]`";

/// Whether an address contains a login. The user name of `ssh` is not one, because its keys
/// are stored elsewhere. That of `abfss` is the container.
pub(crate) fn holds_credentials(url: &Url) -> bool {
    let is_allowed = url.scheme().ends_with("ssh") || url.scheme() == "abfss";
    url.password().is_some() || !(url.username().is_empty() || is_allowed)
}

impl Long for File {
    const KEY: &'static str = "path";

    fn name(&self) -> &str {
        self.keys().name()
    }

    fn options(&self) -> EntryOptions<'_> {
        EntryOptions { when: self.when.as_ref(), optional: self.optional, timeout: self.timeout.as_deref() }
    }
}
