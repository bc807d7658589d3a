//! Rules of `[apt]`.

use super::{
    checked::{Apt, AptPackage, AptSource, DebconfAnswer},
    written,
};
use crate::{
    grammar::{document::Part, names},
    profile::{Entry, Rules, long, place},
};

impl Rules<'_> {
    pub(super) fn apt(&mut self, raw: &written::Apt) -> Apt {
        let packages = self
            .entries(&place!["apt", "packages"], &raw.packages, |rules, path, name, _| rules.apt_package(path, &name));
        let absent = self.entries(&place!["apt", "absent"], &raw.absent, |rules, path, name, _| {
            let name = rules.name_of_package(path, &name)?;
            if let Some(other) = packages.iter().find(|package| package.value.name == name) {
                let message =
                    format!("`{name}` is both installed and removed; `packages` names it at {}", other.origin);
                rules.mistake(path, message, "remove it from one of the two lists");
                return None;
            }
            Some(name)
        });
        Apt {
            packages,
            absent,
            allow_change: self.changeable_packages(&raw.allow_change),
            debs: self.assets_and_folders(&place!["apt", "debs"], &raw.debs, |rules, path, deb| {
                let is_deb = deb.path.ends_with(".deb") || deb.is_bucket_folder();
                if !is_deb {
                    let hint = "its name ends in `.deb`; list package names under `packages`";
                    rules.mistake(path, format!("`{}` is not a Debian package file", deb.path), hint);
                }
                is_deb
            }),
            sources: raw
                .sources
                .iter()
                .enumerate()
                .filter_map(|(index, source)| self.apt_source(index, source))
                .collect(),
            debconf: self.debconf(raw),
            recommends: self.plain(&place!["apt", "recommends"], raw.recommends),
            wait_for_disk: self.plain(&place!["apt", "wait-for-disk"], raw.wait_for_disk),
        }
    }

    /// A package's name without a version.
    fn name_of_package(&mut self, path: &[Part], text: &str) -> Option<String> {
        if text.contains('=') {
            self.mistake(path, format!("`{text}` names a version"), "name the package only: every version is meant");
            return None;
        }
        self.apt_package(path, text).map(|package| package.name)
    }

    fn changeable_packages(&mut self, raw: &[String]) -> Vec<Entry<String>> {
        let mut entries = Vec::new();
        for (index, name) in raw.iter().enumerate() {
            let at = place!["apt", "allow-change", index];
            let name = self.expanded(&at, name).and_then(|name| self.name_of_package(&at, &name));
            entries.extend(name.map(|name| Entry::plain(name, self.origin(&at))));
        }
        entries
    }

    fn apt_package(&mut self, path: &[Part], text: &str) -> Option<AptPackage> {
        let (name, version) = text.split_once('=').map_or((text, None), |(name, version)| (name, Some(version)));
        if !names::is_apt(name) {
            let hint = match name {
                _ if name.ends_with(".deb") => "package files are in `debs`".to_owned(),
                _ if name.starts_with('-') => "apt options are not allowed here; list package names only".to_owned(),
                _ if name.contains(char::is_whitespace) => "one package a string: `[\"a\", \"b\"]`".to_owned(),
                _ if text.contains("==") => "pin an apt package with one `=`".to_owned(),
                _ if names::is_apt(&name.to_lowercase()) => format!("did you mean `{}`?", name.to_lowercase()),
                _ if name.chars().count() == 1 => "a package's name has at least two characters".to_owned(),
                _ => "lower-case letters, digits and `+-.`; `name=version` pins a version".to_owned(),
            };
            self.mistake(path, format!("`{name}` is not an apt package name"), hint);
            return None;
        }
        if let Some(version) = version.filter(|version| !names::is_apt_version(version)) {
            if version.is_empty() {
                let hint = "name a version after `=`, or leave `=` out";
                self.mistake(path, format!("`{text}` names no version"), hint);
                return None;
            }
            let hint = match version {
                _ if version.starts_with('=') => "pin an apt package with one `=`",
                _ => "`apt-cache madison NAME` lists versions; a pin names one exactly",
            };
            self.mistake(path, format!("`{version}` is not an apt version"), hint);
            return None;
        }
        Some(AptPackage { name: name.to_owned(), version: version.map(str::to_owned) })
    }

    fn apt_source(&mut self, index: usize, raw: &written::AptSource) -> Option<Entry<AptSource>> {
        let at = |key: &str| place!["apt", "sources", index, key];
        let before = self.found.len();
        if !names::is_file_name(&raw.name) {
            self.mistake(
                &at("name"),
                format!("`{}` is not a source name", raw.name),
                "it becomes a file name: letters, digits and `_.-`",
            );
        }
        let uris: Vec<String> = raw.uris.0.iter().filter_map(|uri| self.expanded(&at("uris"), uri)).collect();
        for uri in &uris {
            match uri.strip_prefix("ppa:") {
                Some(archive) => {
                    let archive = if archive.contains('/') { archive } else { "OWNER/NAME" };
                    let hint = format!(
                        "write the address of its archive, `https://ppa.launchpadcontent.net/{archive}/ubuntu`; the \
                         source also needs the `key` of the archive and its `fingerprint`"
                    );
                    self.mistake(&at("uris"), format!("`{uri}` is not an address"), hint);
                }
                None => drop(self.url(&at("uris"), uri)),
            }
        }
        let suites: Vec<String> = raw.suites.0.iter().filter_map(|suite| self.expanded(&at("suites"), suite)).collect();
        let words = suites.iter().map(|suite| ("suites", suite));
        let words = words.chain(raw.components.iter().map(|component| ("components", component)));
        for (key, word) in words.chain(raw.architectures.iter().map(|arch| ("architectures", arch))) {
            if word.is_empty() || word.contains(|c: char| c.is_whitespace() || c.is_control()) {
                self.mistake(&at(key), format!("`{word}` is not one word"), "one word a string");
            }
        }
        let flat = suites.iter().all(|suite| suite.ends_with('/'));
        if flat != raw.components.is_empty() {
            let hint = "a flat repository has a suite that ends in `/` and no components; any other has both";
            self.mistake(&at("components"), "suites and components do not fit together", hint);
        }
        let fingerprints = self.fingerprints(&at("fingerprint"), &raw.fingerprint.0);
        let key = self.asset_of(&at("key"), &raw.key);
        let counts = self.counts(&place!["apt", "sources", index], raw.when.as_ref());
        if self.found.len() > before || !counts {
            return None;
        }
        let (name, components, architectures) = (raw.name.clone(), raw.components.clone(), raw.architectures.clone());
        let value = AptSource { name, uris, suites, components, architectures, key: key?, fingerprints };
        Some(Entry::plain(value, self.origin(&at("name"))))
    }

    fn debconf(&mut self, raw: &written::Apt) -> Vec<Entry<DebconfAnswer>> {
        let mut answers = Vec::new();
        for (index, answer) in raw.debconf.iter().enumerate() {
            let at = |key: &str| place!["apt", "debconf", index, key];
            let before = self.found.len();
            if !names::is_apt(&answer.package) {
                self.mistake(
                    &at("package"),
                    format!("`{}` is not an apt package name", answer.package),
                    "name the package that asks",
                );
            }
            for (key, word) in [("question", &answer.question), ("type", &answer.r#type)] {
                if word.is_empty() || word.contains(char::is_whitespace) {
                    self.mistake(
                        &at(key),
                        format!("`{word}` is not one word"),
                        "`debconf-show PACKAGE` lists questions; types are `boolean`, `string`, `select`, …",
                    );
                }
            }
            let value = self.expanded(&at("value"), &answer.value.to_string());
            if value.as_deref().is_some_and(|value| value.contains(char::is_control)) {
                self.mistake(
                    &at("value"),
                    "the answer is not one line of text",
                    "an answer is one line without control characters",
                );
            }
            let counts = self.counts(&place!["apt", "debconf", index], answer.when.as_ref());
            if let (Some(value), true, true) = (value, counts, self.found.len() == before) {
                let (package, question, kind) =
                    (answer.package.clone(), answer.question.clone(), answer.r#type.clone());
                let value = DebconfAnswer { package, question, kind, value };
                answers.push(Entry::plain(value, self.origin(&at("question"))));
            }
        }
        answers
    }
}

long!(written::AptPackage, name);
long!(written::AbsentPackage, name);
