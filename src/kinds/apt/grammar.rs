//! Implements the contract of kinds for `[apt]`: merging, printing, files and addresses.

use url::Url;

use super::written::Written;
use crate::{
    diagnostic::{Diagnostic, Origin},
    kinds::no_stages::has_no_stages,
    problem::Problem,
    profile::{
        AssetProof, AssetRef, Assets, Entry, FetchedByName, Login, NamedAsset, Page, Rules, SecretUse, Section,
        UnencryptedSource, Whole, array, asset, quoted, united,
    },
};

use super::checked::{Apt, AptPackage};

impl Section for Apt {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["apt"];
    const LOCKED: bool = true;

    has_no_stages!();

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(_: &Written) -> Vec<String> {
        Vec::new()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.apt(&written.apt)
    }

    fn merge(parent: Self, child: Self) -> Self {
        // The child decides whether a package is installed or removed.
        let is_named = |names: &[Entry<String>], name: &str| names.iter().any(|entry| entry.value == name);
        let mut inherited = parent.packages;
        inherited.retain(|entry| !is_named(&child.absent, &entry.value.name));
        let mut absent = parent.absent;
        absent.retain(|entry| child.packages.iter().all(|package| package.value.name != entry.value));
        Self {
            packages: united(inherited, child.packages, |package| package.name.clone()),
            absent: united(absent, child.absent, String::clone),
            allow_change: united(parent.allow_change, child.allow_change, String::clone),
            debs: united(parent.debs, child.debs, |deb| deb.path.clone()),
            sources: united(parent.sources, child.sources, |source| source.name.clone()),
            debconf: united(parent.debconf, child.debconf, |answer| (answer.package.clone(), answer.question.clone())),
            recommends: child.recommends.or(parent.recommends),
            wait_for_disk: child.wait_for_disk.or(parent.wait_for_disk),
        }
    }

    fn complete(&mut self, assets: &Assets<'_>, _: &mut Vec<Diagnostic>) {
        let debs = std::mem::take(&mut self.debs);
        self.debs = debs.into_iter().flat_map(|entry| with_debs_of_folder(entry, assets)).collect();
    }

    fn check_whole(&self, whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
        found.extend(contradicting_pins(&self.packages).map(|problem| whole.mistake(problem)));
    }

    fn show(&self, page: &mut Page) {
        page.section("apt");
        page.list("packages", &self.packages, |package| {
            quoted(
                &package.version.as_ref().map_or(package.name.clone(), |version| format!("{}={version}", package.name)),
            )
        });
        page.list("absent", &self.absent, |name| quoted(name));
        page.list("allow-change", &self.allow_change, |name| quoted(name));
        page.list("debs", &self.debs, asset);
        page.list("sources", &self.sources, |source| {
            let mut parts = vec![
                format!("name = {}", quoted(&source.name)),
                format!("uris = {}", array(&source.uris)),
                format!("suites = {}", array(&source.suites)),
            ];
            for (name, list) in [("components", &source.components), ("architectures", &source.architectures)] {
                if !list.is_empty() {
                    parts.push(format!("{name} = {}", array(list)));
                }
            }
            parts.push(format!("key = {}", asset(&source.key)));
            let fingerprints: Vec<String> = source.fingerprints.iter().cloned().collect();
            parts.push(match fingerprints.as_slice() {
                [only] => format!("fingerprint = {}", quoted(only)),
                several => format!("fingerprint = {}", array(several)),
            });
            format!("{{ {} }}", parts.join(", "))
        });
        page.list("debconf", &self.debconf, |answer| {
            let (package, question) = (quoted(&answer.package), quoted(&answer.question));
            let (kind, value) = (quoted(&answer.kind), quoted(&answer.value));
            format!("{{ package = {package}, question = {question}, type = {kind}, value = {value} }}")
        });
        page.setting("recommends", self.recommends.as_ref(), "false", bool::to_string);
        page.setting("wait-for-disk", self.wait_for_disk.as_ref(), "false", bool::to_string);
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        let keys = self.sources.iter().map(|source| NamedAsset {
            proof: AssetProof::Fingerprints,
            // A file on a server is fetched by a step.
            read_to_plan: source.value.key.urls.is_empty(),
            ..NamedAsset::read_to_plan(&source.value.key, &source.origin, source.optional)
        });
        self.debs.iter().map(NamedAsset::of).chain(keys).collect()
    }

    fn indexes(&self) -> Vec<(&Url, &Origin)> {
        Vec::new()
    }

    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
        // apt's repositories are signed, including the digest of each archive.
        Vec::new()
    }

    fn unencrypted_sources(&self) -> Vec<UnencryptedSource<'_>> {
        // The keys of a source authenticate its content.
        Vec::new()
    }

    fn logins(&self) -> &[Entry<Login>] {
        &[]
    }

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        Vec::new()
    }
}

/// An entry that is a folder in a bucket, as one entry for each package in it. Without a listing, it stays.
fn with_debs_of_folder(entry: Entry<AssetRef>, assets: &Assets<'_>) -> Vec<Entry<AssetRef>> {
    if !entry.value.is_bucket_folder() {
        return vec![entry];
    }
    let files = assets.below(&entry.value).into_iter().map(|(_, file)| file);
    let debs: Vec<AssetRef> = files.filter(|file| file.path.ends_with(".deb")).collect();
    if debs.is_empty() { vec![entry] } else { debs.into_iter().map(|deb| entry.with(deb)).collect() }
}

/// A mistake for each package with another version than an earlier entry of it.
fn contradicting_pins(packages: &[Entry<AptPackage>]) -> impl Iterator<Item = Problem> {
    packages.iter().enumerate().filter_map(|(index, entry)| {
        let AptPackage { name, version: Some(version) } = &entry.value else { return None };
        let is_other = |other: &&Entry<AptPackage>| {
            // Optional entries are alternatives: each has a step of its own.
            let are_alternatives = other.optional && entry.optional;
            let is_pinned = other.value.version.as_ref().is_some_and(|other| other != version);
            other.value.name == *name && is_pinned && !are_alternatives
        };
        let other = packages[..index].iter().find(is_other)?;
        let message = format!(
            "`{name}` is pinned to version {version} here, and to {} at {}",
            other.value.version.as_deref().unwrap_or_default(),
            other.origin.with_column()
        );
        Some(Problem::new(message).hint("keep one of the two pins".to_owned()).asked_at(entry.origin.clone()))
    })
}
