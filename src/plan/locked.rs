//! Plans by a lock: which section is for this node, and what of it is missing.

use std::path::Path;

use super::build::Builder;
use crate::{
    digest::Digest,
    facts::NodeFacts,
    inventory::Inventory,
    lock::{Drift, LockFile, LockedDeb, LockedDistribution, LockedRPackage, Runtime, Section, bare, is_for},
    problem::Problem,
    profile::{AptPackage, AssetRef, Entry, Profile, RPackage, requirements::Requirements},
};

/// The lock that a plan was made by.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlanLock {
    /// Its file, as shown to people.
    pub file: String,
    /// Its serial.
    pub serial: u64,
    /// The section's runtime.
    pub runtime: String,
}

/// What a resolution depends on beside the profile.
pub fn runtime(facts: &NodeFacts, inventory: &Inventory) -> Runtime {
    let number = |text: &str| {
        let numbers: Vec<&str> =
            text.split(['.', '-']).take_while(|part| part.parse::<u32>().is_ok()).take(2).collect();
        (!numbers.is_empty()).then(|| numbers.join("."))
    };
    let python = inventory.python.as_ref().and_then(|python| python.as_ref().ok());
    Runtime {
        os: format!("{} {}", facts.os.id, facts.os.version).trim().to_owned(),
        arch: facts.arch.clone(),
        version: facts.runtime.as_deref().and_then(number),
        python: python.map(|env| format!("{}.{}", env.version.0, env.version.1)),
        r: inventory.r.as_ref().map(|r| r.version.clone()),
    }
}

/// What a profile asks of package tools on a node, a line each, sorted: what is the same has the same resolution.
pub fn asks(profile: &Profile, inventory: &Inventory) -> Vec<String> {
    let mut asks = Vec::new();
    let mut ask = |kind: &str, what: &str, optional: bool| {
        asks.push(format!("{kind} {what}{}", if optional { " (optional)" } else { "" }));
    };
    let apt = &profile.apt;
    for entry in &apt.packages {
        ask("apt", &apt_name(&entry.value), entry.optional);
    }
    for entry in &apt.debs {
        ask("deb", &entry.value.path, entry.optional);
    }
    for source in &apt.sources {
        let source = &source.value;
        let uris: Vec<String> = source
            .uris
            .iter()
            .map(|uri| uri.parse().map_or_else(|_| uri.clone(), |uri| bare(&uri).to_string()))
            .collect();
        let words = [&uris, &source.suites, &source.components, &source.architectures].map(|words| words.join(" "));
        ask("apt source", &format!("{} {}", words.join(" ").trim_end(), source.fingerprint), false);
    }
    if apt.recommends.as_ref().is_some_and(|setting| setting.value) {
        ask("apt", "with recommended packages", false);
    }
    let pip = &profile.pip;
    for entry in &pip.packages {
        ask("pip", &entry.value, entry.optional);
    }
    for entry in &pip.requirements {
        let lines = inventory.asset(&entry.value).map(|found| {
            let text = String::from_utf8_lossy(found.bytes.as_deref().unwrap_or_default());
            let read = Requirements::read(&found.asset.label(), &text, found.asset.folder()).unwrap_or_default();
            let lines: Vec<String> = read.lines.into_iter().map(|line| line.text).collect();
            // What it says counts, and what the files say that it names; a line may hold what nobody else may know.
            Digest::sha256(lines.join("\n").as_bytes()).hex()[..16].to_owned()
        });
        let lines = lines.unwrap_or_else(|| "missing".to_owned());
        ask("pip", &format!("{} {lines}", entry.value.path), entry.optional);
    }
    for entry in &profile.wheels {
        ask("wheel", &entry.value.path, entry.optional);
    }
    if pip.guard.as_ref().is_some_and(|guard| !guard.value) {
        ask("pip", "without a guard", false);
    }
    for entry in &pip.allow_change {
        ask("pip may change", &entry.value, false);
    }
    if let Some(index) = &pip.index_url {
        ask("pip index", bare(&index.value).as_str(), false);
    }
    if let Some(python) = &pip.python {
        ask("pip into", &python.value.display().to_string(), false);
    }
    let listed =
        |urls: &[Entry<url::Url>]| urls.iter().map(|url| bare(&url.value).to_string()).collect::<Vec<_>>().join(" ");
    if !pip.extra_index_urls.is_empty() {
        ask("pip extra index", &listed(&pip.extra_index_urls), false);
    }
    let r = &profile.r;
    for entry in &r.packages {
        ask("r", &r_name(&entry.value), entry.optional);
    }
    for entry in &r.sources {
        ask("r", &entry.value.path, entry.optional);
    }
    if !r.repos.is_empty() {
        ask("r from", &listed(&r.repos), false);
    }
    if let Some(library) = &r.library {
        ask("r into", &library.value.display().to_string(), false);
    }
    asks.sort();
    asks.dedup();
    asks
}

/// A package with its pin, as people write it.
fn apt_name(package: &AptPackage) -> String {
    package.version.as_ref().map_or_else(|| package.name.clone(), |version| format!("{}={version}", package.name))
}

fn r_name(package: &RPackage) -> String {
    package.version.as_ref().map_or_else(|| package.name.clone(), |version| format!("{}@{version}", package.name))
}

/// A lock that does not fit, as a refusal.
pub(super) fn refusal(drift: &Drift) -> Problem {
    Problem { causes: drift.reasons.clone(), ..Problem::new(drift.to_string()).hint(drift.hint()) }
}

impl<'a> Builder<'a> {
    /// The section of a lock that is for this node. Files that were read to plan are compared; others are when they are
    /// brought to the cache.
    pub(super) fn fitting(&self, file: &'a LockFile) -> Result<&'a Section, Drift> {
        let runtime = runtime(self.facts, self.inventory);
        let section = file.fitting(&self.profile.files, &runtime, &asks(self.profile, self.inventory))?;
        let mut reasons = Vec::new();
        for named in self.profile.assets() {
            let Some(found) = self.inventory.asset(named.file) else { continue };
            let path = &named.file.path;
            match (section.asset(path), &found.bytes) {
                (None, _) => reasons.push(format!("the file `{path}` is not in it")),
                (Some(locked), Some(bytes)) if Digest::sha256(bytes) != locked.sha256 => {
                    reasons.push(format!("the file `{path}` was changed since"));
                }
                _ => {}
            }
        }
        if reasons.is_empty() { Ok(section) } else { Err(file.drift(reasons)) }
    }

    /// Goes by a section from here on.
    pub(super) fn lock_to(&mut self, file: &LockFile, section: &'a Section) {
        self.locked = Some(section);
        let (file, serial) = (file.label.clone(), file.lock.serial);
        self.plan.lock = Some(PlanLock { file, serial, runtime: section.runtime.to_string() });
    }

    /// The digest that the lock has for a file.
    pub(super) fn locked_asset(&self, wanted: &AssetRef) -> Option<&'a Digest> {
        Some(&self.locked?.asset(&wanted.path)?.sha256)
    }

    /// The Debian packages of a group that are not there as they were locked; `None` without a lock.
    pub(super) fn locked_debs(&self, group: Option<&str>) -> Option<Vec<LockedDeb>> {
        let there = |deb: &LockedDeb| {
            let name = if deb.arch == "all" { deb.name.clone() } else { format!("{}:{}", deb.name, deb.arch) };
            self.inventory.dpkg.installed_version(&name) == Some(deb.version.as_str())
        };
        let debs = self.locked?.apt.iter().filter(|deb| is_for(&deb.only_for, group) && !there(deb));
        Some(debs.cloned().collect())
    }

    /// The Python distributions of a group that are not there as they were locked; `None` without a lock.
    pub(super) fn locked_distributions(
        &self,
        group: Option<&str>,
        there: impl Fn(&LockedDistribution) -> bool,
    ) -> Option<Vec<LockedDistribution>> {
        let all = self.locked?.python.iter().filter(|locked| is_for(&locked.only_for, group) && !there(locked));
        Some(all.cloned().collect())
    }

    /// The R packages of a group that are not there as they were locked; `None` without a lock.
    pub(super) fn locked_r(
        &self,
        group: Option<&str>,
        there: impl Fn(&LockedRPackage) -> bool,
    ) -> Option<Vec<LockedRPackage>> {
        let all = self.locked?.r.iter().filter(|locked| is_for(&locked.only_for, group) && !there(locked));
        Some(all.cloned().collect())
    }

    /// What is asked for is neither on the node nor in the lock: the runtime it was made on shipped it, or nothing could
    /// be found for an entry that may be missing.
    pub(super) fn not_locked<T>(&self, entry: &Entry<T>, name: &str) -> Problem {
        let file = self.plan.lock.as_ref().map(|lock| lock.file.clone()).unwrap_or_default();
        let message = format!("`{name}` is not on this node, and the lock `{file}` has nothing for it");
        let hint = format!(
            "this node ships less than the one the lock was made on, or it could not be had then; run `nodeagent lock \
             --profile {}` here",
            self.profile.name
        );
        Problem::new(message).hint(hint).asked_at(entry.origin.clone())
    }

    /// The file of the cache that a locked archive of the file store is staged to.
    pub(super) fn staged(archives: &[std::path::PathBuf], sha256: &Digest) -> Option<std::path::PathBuf> {
        let is_it = |path: &&std::path::PathBuf| {
            path.parent().and_then(Path::file_name).is_some_and(|folder| folder == sha256.hex())
        };
        archives.iter().find(is_it).cloned()
    }
}
