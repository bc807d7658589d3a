//! Rules of `[pip]` and `[wheel]`.

use pep508_rs::{Requirement, VersionOrUrl};

use super::{
    checked::Pip,
    package::{Package, WheelFile, requirement_name},
    written,
};
use crate::{
    diagnostic::Diagnostic,
    facts::python::{is_parsable, normalised},
    grammar::{document::Part, names},
    profile::{
        AssetRef, Entry, EntryOptions, Long, NO_CREDENTIALS, Rules, Setting, holds_credentials, long, place, within,
    },
};

const REQUIREMENTS_FILE: &str = "list requirements files under `requirements`";

impl Rules<'_> {
    pub(super) fn pip(&mut self, raw: &written::Pip) -> Pip {
        let packages = self.entries(&place!["pip", "packages"], &raw.packages, |rules, path, text, long| {
            Some(Package {
                text: rules.requirement(path, text)?,
                deps: long.and_then(|long| long.deps).unwrap_or(true),
            })
        });
        self.with_and_without_deps(&packages, |package| (&package.text, package.deps));
        self.index_and_no_index(raw);
        Pip {
            absent: self.absent_distributions(raw, &packages),
            packages,
            requirements: self.assets(&place!["pip", "requirements"], &raw.requirements, |_, _, _| true),
            guard: self.plain(&place!["pip", "guard"], raw.guard.map(|guard| guard == written::Guard::Runtime)),
            allow_change: self
                .words("allow-change", &raw.allow_change, |rules, path, name| rules.name_of_distribution(path, &name)),
            index_url: self.setting(&place!["pip", "index-url"], raw.index_url.as_ref(), |rules, text| {
                rules.url(&place!["pip", "index-url"], &text)
            }),
            extra_index_urls: self
                .words("extra-index-urls", &raw.extra_index_urls, |rules, path, text| rules.url(path, &text)),
            find_links: self.words("find-links", &raw.find_links, |rules, path, text| {
                let is_sound = if text.contains("://") {
                    rules.url(path, &text).is_some()
                } else {
                    rules.absolute(path, &text).is_some()
                };
                is_sound.then_some(text)
            }),
            no_index: self.plain(&place!["pip", "no-index"], raw.no_index),
            prereleases: self.plain(&place!["pip", "prereleases"], raw.prereleases),
            smoke: self.words("smoke", &raw.smoke, |rules, path, name| {
                let sound = names::is_module(&name);
                if !sound {
                    rules.mistake(path, format!("`{name}` is not a module name"), "name it as in `import NAME`");
                }
                sound.then_some(name)
            }),
            python: self.setting(&place!["pip", "python"], raw.python.as_ref(), |rules, text| {
                rules.absolute(&place!["pip", "python"], &text)
            }),
            only_pip: self.plain(
                &place!["pip", "installer"],
                raw.installer.map(|installer| installer == written::Installer::Pip),
            ),
            uv: self.uv(raw),
            compile: self.plain(&place!["pip", "compile"], raw.compile),
            venvs: self.venvs(&raw.venvs),
            beside_apt: self.plain(&place!["pip", "beside-apt"], raw.beside_apt),
        }
    }

    pub(super) fn wheels(&mut self, raw: &written::Wheel) -> Vec<Entry<WheelFile>> {
        let wheels = self.entries(&place!["wheel", "files"], &raw.files, |rules, path, text, long| {
            let wheel = match long {
                None => rules.asset_of_text(path, text)?,
                Some(keys) => rules.asset_of_keys(&path[..path.len() - 1], keys.keys())?,
            };
            let file = wheel.file_name();
            let is_wheel = file.strip_suffix(".whl").is_some_and(|stem| matches!(stem.split('-').count(), 5 | 6));
            if !is_wheel {
                let hint = "a wheel is called `name-version-python-abi-platform.whl`; keep the name it was built with";
                rules.mistake(path, format!("`{file}` is not a wheel's file name"), hint);
            }
            let deps = long.and_then(|long| long.deps).unwrap_or(true);
            is_wheel.then_some(WheelFile { file: wheel, deps })
        });
        self.with_and_without_deps(&wheels, |wheel| (&wheel.file.path, wheel.deps));
        wheels
    }

    /// Reports an entry that is listed both with and without its dependencies.
    pub(super) fn with_and_without_deps<T>(&mut self, entries: &[Entry<T>], key: impl Fn(&T) -> (&String, bool)) {
        for (index, entry) in entries.iter().enumerate() {
            let (name, deps) = key(&entry.value);
            let other = entries[..index].iter().find(|other| key(&other.value) == (name, !deps));
            if let Some(other) = other {
                let message = format!(
                    "`{name}` is listed with and without its dependencies; the other entry is at {}",
                    other.origin
                );
                if let Some(span) = self.document.span_at(&entry.origin) {
                    let mistake = Diagnostic::at(&self.document.source, span, message);
                    self.found.push(mistake.hint("keep one of the two entries"));
                }
            }
        }
    }

    /// A distribution's name without a version, normalised.
    fn name_of_distribution(&mut self, path: &[Part], name: &str) -> Option<String> {
        let is_plain = requirement_name(name) == normalised(name) && !name.is_empty();
        if !is_plain {
            self.mistake(path, format!("`{name}` is not a distribution name"), "name it without a version");
        }
        is_plain.then(|| normalised(name))
    }

    fn absent_distributions(&mut self, raw: &written::Pip, packages: &[Entry<Package>]) -> Vec<Entry<String>> {
        self.entries(&place!["pip", "absent"], &raw.absent, |rules, path, name, _| {
            let name = rules.name_of_distribution(path, &name)?;
            if let Some(other) = packages.iter().find(|package| package.value.name() == name) {
                let message =
                    format!("`{name}` is both installed and removed; `packages` names it at {}", other.origin);
                rules.mistake(path, message, "remove it from one of the two lists");
                return None;
            }
            Some(name)
        })
    }

    fn index_and_no_index(&mut self, raw: &written::Pip) {
        if raw.no_index == Some(true) && (raw.index_url.is_some() || !raw.extra_index_urls.is_empty()) {
            let hint = "remove `no-index`, or the addresses of indexes";
            self.mistake(&place!["pip", "no-index"], "`no-index` forbids the package indexes of this section", hint);
        }
    }

    pub(super) fn requirement(&mut self, path: &[Part], text: String) -> Option<String> {
        let parsed = is_parsable(&text).then(|| text.parse::<Requirement>());
        let mut reason = match parsed {
            Some(Ok(requirement)) => return self.sound_requirement(path, text, &requirement),
            Some(Err(error)) => error.message.to_string().lines().next().map(lower_case),
            None => Some("its name ends with `.`, `-` or `_`, or it has too many parentheses".to_owned()),
        };
        let hint = match text.as_str() {
            _ if text.starts_with('-') => {
                reason = None;
                "pip options are not allowed here; list requirements only, a file of them under `requirements`"
                    .to_owned()
            }
            _ if text.ends_with(".whl") => {
                reason = None;
                "list wheel files under `files` in `[wheel]`".to_owned()
            }
            _ if text.ends_with(".txt") => {
                reason = None;
                REQUIREMENTS_FILE.to_owned()
            }
            _ if has_single_equals(&text) => "pin a distribution with `==`".to_owned(),
            _ => "write it as pip does: `name`, `name>=1.2`, `name[extra]==1.2`, `name @ https://…`".to_owned(),
        };
        self.mistake_because(path, format!("`{text}` is not a requirement"), reason, hint);
        None
    }

    /// A requirement that pip would read, unless it means something else here.
    fn sound_requirement(&mut self, path: &[Part], text: String, requirement: &Requirement) -> Option<String> {
        match &requirement.version_or_url {
            None if text.ends_with(".txt") => {
                self.mistake(path, format!("`{text}` is a file, not a requirement"), REQUIREMENTS_FILE);
                None
            }
            Some(VersionOrUrl::Url(url)) if holds_credentials(&url.to_url()) => {
                self.mistake(path, "the address holds a user name or password", NO_CREDENTIALS);
                None
            }
            _ => Some(text),
        }
    }

    fn words<T>(
        &mut self,
        key: &str,
        list: &[String],
        mut check: impl FnMut(&mut Self, &[Part], String) -> Option<T>,
    ) -> Vec<Entry<T>> {
        let mut entries = Vec::new();
        for (index, text) in list.iter().enumerate() {
            let path = place!["pip", key, index];
            if let Some(value) = self.expanded(&path, text).and_then(|text| check(self, &path, text)) {
                entries.push(Entry::plain(value, self.origin(&path)));
            }
        }
        entries
    }

    fn uv(&mut self, raw: &written::Pip) -> Option<Setting<AssetRef>> {
        let at = place!["pip", "uv"];
        let value = self.asset_of(&at, raw.uv.as_ref()?)?;
        let at = within(&at, "path");
        if value.sha256.is_none() {
            let hint =
                "write `uv = { path = \"…\", sha256 = \"…\" }`: a program from a shared folder is not run unchecked";
            self.mistake(&at, "uv has no digest", hint);
            return None;
        }
        Some(Setting { value, origin: self.origin(&at) })
    }
}

/// A message of the parser in the project's style: lower case, no final period.
fn lower_case(message: &str) -> String {
    let mut letters = message.trim_end_matches('.').chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn has_single_equals(text: &str) -> bool {
    text.contains('=') && !["==", ">=", "<=", "~=", "!="].iter().any(|sign| text.contains(sign))
}

long!(written::Requirement, name);
long!(written::AbsentDistribution, name);

impl Long for written::WheelFile {
    const KEY: &'static str = "path";

    fn name(&self) -> &str {
        self.keys().name()
    }

    fn options(&self) -> EntryOptions<'_> {
        EntryOptions { when: self.when.as_ref(), optional: self.optional, timeout: self.timeout.as_deref() }
    }
}
