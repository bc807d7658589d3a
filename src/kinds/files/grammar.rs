//! Implements the contract of kinds for `[files]`: merging, printing, files and addresses.

use url::Url;

use super::{checked::Files, rules::names, written::Written};
use crate::{
    diagnostic::{Diagnostic, Origin},
    profile::{Assets, Entry, FetchedByName, Login, NamedAsset, Page, Rules, SecretUse, Section, Whole, key, quoted},
};

impl Section for Files {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["files"];
    const LOCKED: bool = false;

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        written.files.keys().flat_map(|path| names(path)).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.whole_files(written)
    }

    fn merge(parent: Self, child: Self) -> Self {
        let mut files = parent.0;
        for (path, mut entry) in child.0 {
            if let Some(replaced) = files.remove(&path) {
                entry.order.inherit_names(&replaced.order);
            }
            files.insert(path, entry);
        }
        Self(files)
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        page.section("files");
        for (path, entry) in &self.0 {
            let mode = entry.value.mode.map(|mode| format!(", mode = \"{mode:04o}\"")).unwrap_or_default();
            let value = format!("{{ text = {}{mode} }}", quoted(&entry.value.text));
            page.value(&key(&path.display().to_string()), &value, &entry.origin);
        }
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        Vec::new()
    }

    fn indexes(&self) -> Vec<(&Url, &Origin)> {
        Vec::new()
    }

    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
        Vec::new()
    }

    fn logins(&self) -> &[Entry<Login>] {
        &[]
    }

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        Vec::new()
    }
}
