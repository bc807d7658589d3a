//! Rules of `[pip.venvs]`.

use std::{collections::BTreeMap, path::PathBuf};

use super::{base::BasePython, checked::Venv};
use crate::{
    grammar::document::Part,
    kinds::python::{package::Package, written},
    profile::{AssetRef, Cases, Entry, EntryOptions, Long, Rules, Setting, place, within},
};

impl Rules<'_> {
    pub(in crate::kinds::python) fn venvs(
        &mut self,
        written: &BTreeMap<String, Cases<written::Venv>>,
    ) -> BTreeMap<PathBuf, Entry<Venv>> {
        written.iter().filter_map(|(folder, cases)| self.venv_entry(folder, cases)).collect()
    }

    fn venv_entry(&mut self, name: &str, cases: &Cases<written::Venv>) -> Option<(PathBuf, Entry<Venv>)> {
        let at = place!["pip", "venvs", name];
        let text = self.expanded(&at, name)?;
        let folder: PathBuf = self.absolute(&at, &text)?.components().collect();
        if !self.is_on_disk(&at, &text, &folder) {
            return None;
        }
        let entry = self.cases(&at, cases, |rules, at, raw| {
            let before = rules.found.len();
            let value = rules.venv(at, raw);
            let timeout = rules.timeout(at, raw.timeout.as_deref());
            let mut names = rules.spellings([format!("pip.venvs.{name}")]);
            let resolved = format!("pip.venvs.{}", folder.display());
            if !names.contains(&resolved) {
                names.push(resolved);
            }
            let order = rules.order(at, names, (&raw.after, &raw.before));
            let entry = Entry { value, origin: rules.origin(at), optional: raw.optional, timeout, order };
            (rules.found.len() == before).then_some(entry)
        })?;
        Some((folder, entry))
    }

    fn venv(&mut self, at: &[Part], raw: &written::Venv) -> Venv {
        let packages = self.entries(&within(at, "packages"), &raw.packages, |rules, path, text, long| {
            Some(Package {
                text: rules.requirement(path, text)?,
                deps: long.and_then(|long| long.deps).unwrap_or(true),
            })
        });
        self.with_and_without_deps(&packages, |package| (&package.text, package.deps));
        let requirements =
            self.entries(&within(at, "requirements"), &raw.requirements, |rules, path, text, long| match long {
                None => rules.asset_of_text(path, text),
                Some(file) => rules.asset_of_keys(&path[..path.len() - 1], file.keys()),
            });
        let requirements: Vec<Entry<AssetRef>> = requirements;
        Venv { packages, requirements, python: self.base_python(&within(at, "python"), raw.python.as_ref()) }
    }

    /// The interpreter: a path or a version.
    fn base_python(&mut self, at: &[Part], text: Option<&String>) -> Option<Setting<BasePython>> {
        self.setting(at, text, |rules, text| {
            if text.starts_with('/') {
                return rules.absolute(at, &text).map(BasePython::Path);
            }
            let minor = text.strip_prefix("3.").filter(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()));
            let version = minor.and_then(|minor| minor.parse().ok()).map(BasePython::Version);
            if version.is_none() {
                let hint = "write an absolute path, or a version such as `3.12`";
                rules.mistake(at, format!("`{text}` is not an interpreter of Python 3"), hint);
            }
            version
        })
    }
}

impl Long for written::VenvRequirement {
    const KEY: &'static str = "name";

    fn name(&self) -> &str {
        &self.name
    }

    fn options(&self) -> EntryOptions<'_> {
        EntryOptions { when: self.when.as_ref(), ..EntryOptions::default() }
    }
}

impl Long for written::VenvFile {
    const KEY: &'static str = "path";

    fn name(&self) -> &str {
        self.keys().name()
    }

    fn options(&self) -> EntryOptions<'_> {
        EntryOptions { when: self.when.as_ref(), ..EntryOptions::default() }
    }
}
