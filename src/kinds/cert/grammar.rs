//! Implements the contract of kinds for `[cert]`: merging, printing, files and secrets.

use super::{
    checked::{Cert, Store},
    written::Written,
};
use crate::{
    diagnostic::Diagnostic,
    kinds::{no_packages::names_no_packages, no_stages::has_no_stages},
    profile::{
        AssetRef, Assets, Entry, NamedAsset, Page, Rules, SecretRef, SecretUse, Section, Setting, Whole, array, asset,
        quoted, united,
    },
};

/// The endings of certificates in a folder. Signatures and notes may be beside them.
const ENDINGS: [&str; 4] = ["pem", "crt", "cer", "der"];

impl Section for Cert {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["cert"];
    const LOCKED: bool = true;

    has_no_stages!();

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(_: &Written) -> Vec<String> {
        Vec::new()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.cert(&written.cert)
    }

    fn merge(parent: Self, child: Self) -> Self {
        Self {
            files: united(parent.files, child.files, |file| file.path.clone()),
            to: child.to.or(parent.to),
            java_password: child.java_password.or(parent.java_password),
            variables: child.variables.or(parent.variables),
            interpreter: child.interpreter,
        }
    }

    fn complete(&mut self, assets: &Assets<'_>, _: &mut Vec<Diagnostic>) {
        let entries = std::mem::take(&mut self.files);
        self.files = entries.into_iter().flat_map(|entry| expanded(entry, assets)).collect();
    }

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        page.section("cert");
        page.list("files", &self.files, asset);
        if self.files.is_empty() {
            return;
        }
        let words = |to: &Vec<Store>| array(&to.iter().map(|store| store.word().to_owned()).collect::<Vec<_>>());
        page.setting("to", self.to.as_ref(), "", words);
        let shown = |secret: &SecretRef| format!("{{ secret = {} }}", quoted(&secret.key));
        page.setting("java-password", self.java_password.as_ref(), "", shown);
        let default = if self.goes_to(Store::Os) { "true" } else { "false" };
        page.setting("variables", self.variables.as_ref(), default, ToString::to_string);
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        let named = |entry| {
            let Entry { value, origin, optional, .. }: &Entry<AssetRef> = entry;
            // A file on a server is fetched later.
            NamedAsset { read_to_plan: value.urls.is_empty(), ..NamedAsset::read_to_plan(value, origin, *optional) }
        };
        self.files.iter().map(named).collect()
    }

    names_no_packages!();

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        let passwords = self.java_password.iter_mut();
        let used = passwords.map(|Setting { value, origin }| SecretUse { secret: value, origin, optional: false });
        used.collect()
    }
}

/// An entry that is a glob or a folder, as one entry for each file. An entry without a match stays, as a missing file.
fn expanded(entry: Entry<AssetRef>, assets: &Assets<'_>) -> Vec<Entry<AssetRef>> {
    let asset = &entry.value;
    let certificates = |files: Vec<AssetRef>| -> Vec<AssetRef> {
        files.into_iter().filter(|file| ENDINGS.iter().any(|ending| has_ending(&file.path, ending))).collect()
    };
    let files = if asset.is_folder() {
        certificates(assets.matches(&AssetRef { path: format!("{}*", asset.path), ..asset.clone() }))
    } else if asset.is_bucket_folder() {
        let here = assets.below(asset).into_iter().filter(|(name, _)| name.components().count() == 1);
        certificates(here.map(|(_, file)| file).collect())
    } else if asset.is_glob() {
        assets.matches(asset)
    } else {
        Vec::new()
    };
    if files.is_empty() {
        return vec![entry];
    }
    files.into_iter().map(|asset| entry.with(asset)).collect()
}

fn has_ending(path: &str, ending: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(ending))
}
