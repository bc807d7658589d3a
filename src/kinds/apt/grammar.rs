//! `[apt]` as checked: Debian packages, package files, sources, answers to debconf.

use url::Url;

use super::written::Written;
use crate::{
    diagnostic::{Diagnostic, Origin},
    profile::{
        AssetRef, Assets, Entry, FetchedByName, Login, NamedAsset, Page, Rules, Section, Setting, Whole, array, asset,
        quoted, united,
    },
};

/// Debian packages and where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Apt {
    /// By name.
    pub packages: Vec<Entry<AptPackage>>,
    /// Files.
    pub debs: Vec<Entry<AssetRef>>,
    /// Further sources.
    pub sources: Vec<Entry<AptSource>>,
    /// Answers to questions.
    pub debconf: Vec<Entry<DebconfAnswer>>,
    /// Whether recommended packages come along.
    pub recommends: Option<Setting<bool>>,
    /// Whether dpkg waits for the disk after each file.
    pub wait_for_disk: Option<Setting<bool>>,
}

/// A Debian package by name, and its exact version when pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AptPackage {
    /// The name, checked: it cannot be taken for an option.
    pub name: String,
    /// The exact version.
    pub version: Option<String>,
}

/// A package source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Its name, checked.
    pub name: String,
    /// Addresses.
    pub uris: Vec<String>,
    /// Suites.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// Architectures.
    pub architectures: Vec<String>,
    /// Key file.
    pub key: AssetRef,
    /// Its fingerprint: upper case, no spaces.
    pub fingerprint: String,
}

/// An answer to a question a package would ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebconfAnswer {
    /// The package that asks.
    pub package: String,
    /// The question, such as `msodbcsql18/accept-eula`.
    pub question: String,
    /// Its type: `boolean`, `string`, `select`, …
    pub kind: String,
    /// The answer.
    pub value: String,
}

impl Section for Apt {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["apt"];
    const LOCKED: bool = true;

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(_: &Written) -> Vec<String> {
        Vec::new()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.apt(&written.apt)
    }

    fn merge(parent: Self, child: Self) -> Self {
        Self {
            packages: united(parent.packages, child.packages, |package| package.name.clone()),
            debs: united(parent.debs, child.debs, |deb| deb.path.clone()),
            sources: united(parent.sources, child.sources, |source| source.name.clone()),
            debconf: united(parent.debconf, child.debconf, |answer| (answer.package.clone(), answer.question.clone())),
            recommends: child.recommends.or(parent.recommends),
            wait_for_disk: child.wait_for_disk.or(parent.wait_for_disk),
        }
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        page.section("apt");
        page.list("packages", &self.packages, |package| {
            quoted(
                &package.version.as_ref().map_or(package.name.clone(), |version| format!("{}={version}", package.name)),
            )
        });
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
            parts.push(format!("key = {}", quoted(&source.key.path)));
            parts.push(format!("fingerprint = {}", quoted(&source.fingerprint)));
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
            has_fingerprint: true,
            ..NamedAsset::read_to_plan(&source.value.key, &source.origin, source.optional)
        });
        self.debs.iter().map(NamedAsset::of).chain(keys).collect()
    }

    fn indexes(&self) -> Vec<(&Url, &Origin)> {
        Vec::new()
    }

    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
        // apt's repositories are signed down to the digest of each archive.
        Vec::new()
    }

    fn logins(&self) -> &[Entry<Login>] {
        &[]
    }
}
