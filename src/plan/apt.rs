//! Plans apt: sources that differ, packages and debs that are not there.

use std::path::Path;

use super::{
    Action, AptInstall, AptKey, AptSources, Lane, StepId, action,
    build::{Builder, groups, terms_of},
    logins::Section,
};
use crate::{
    inventory::{apt_key_file, apt_source_file},
    lock::{LockedDeb, is_own},
    problem::Problem,
    profile::{AptPackage, AptSource, AssetRef, Entry},
};

/// What one group installs: packages by name, or files.
#[derive(Clone)]
enum Wanted {
    Package(AptPackage),
    Deb(AssetRef),
}

impl Builder<'_> {
    pub(super) fn apt(&mut self) {
        self.apt_sources();
        let apt = &self.profile.apt;
        let mut wanted: Vec<Entry<Wanted>> = Vec::new();
        let mut there: Vec<Entry<(Wanted, String)>> = Vec::new();
        for entry in &apt.packages {
            match self.installed(&entry.value) {
                Some(version) => {
                    let label = format!("{} {version}", entry.value.name);
                    there.push(entry.with((Wanted::Package(entry.value.clone()), label)));
                }
                None => wanted.push(entry.with(Wanted::Package(entry.value.clone()))),
            }
        }
        for entry in &apt.debs {
            match self.installed_deb(&entry.value) {
                Some(label) => there.push(entry.with((Wanted::Deb(entry.value.clone()), label))),
                None => wanted.push(entry.with(Wanted::Deb(entry.value.clone()))),
            }
        }
        // What is there may be so in another version than the locked one, or lack a package that came with it.
        let (differing, ready): (Vec<_>, Vec<_>) = there.into_iter().partition(|entry| {
            let of = entry.optional.then(|| name(&entry.value.0));
            self.locked_debs(of).is_some_and(|missing| missing.iter().any(|deb| is_own(&deb.only_for, of)))
        });
        wanted.extend(differing.iter().map(|entry| entry.with(entry.value.0.clone())));
        if !ready.is_empty() {
            let labels: Vec<&str> = ready.iter().map(|entry| entry.value.1.as_str()).collect();
            self.ready(format!("apt: {}", labels.join(", ")));
        }
        let sources: Vec<StepId> = self.steps_in(&Lane::Apt);
        for group in groups(wanted) {
            let mut terms = terms_of(&group, Lane::Apt);
            terms.needs.clone_from(&sources);
            terms.logins = self.logins(Section::Apt);
            let (mut packages, mut debs) = (Vec::new(), Vec::new());
            for entry in &group {
                match &entry.value {
                    Wanted::Package(package) => packages.push(package.clone()),
                    Wanted::Deb(deb) => debs.extend(self.usable(deb, &entry.origin, &mut terms.stage)),
                }
            }
            if packages.is_empty() && debs.is_empty() {
                continue; // its file is among the missing
            }
            let of = terms.optional.then(|| name(&group[0].value));
            let locked = self.locked_debs(of);
            let uncovered = locked.as_ref().and_then(|locked| self.uncovered(&group, locked));
            let id = if terms.optional { format!("apt:{}", name(&group[0].value)) } else { "apt".to_owned() };
            let debconf = apt.debconf.iter().map(|answer| answer.value.clone()).collect();
            let recommends = apt.recommends.as_ref().is_some_and(|setting| setting.value);
            let wait_for_disk = apt.wait_for_disk.as_ref().is_some_and(|setting| setting.value);
            let optional = terms.optional;
            let install = AptInstall { packages, debs, debconf, recommends, wait_for_disk, locked };
            self.step(id, Action::AptInstall(install), terms);
            match uncovered {
                Some(why) if optional => self.doom(why),
                why => self.plan.refusals.extend(why),
            }
        }
    }

    /// A package that the lock has nothing for.
    fn uncovered(&self, group: &[Entry<Wanted>], locked: &[LockedDeb]) -> Option<Problem> {
        let section = self.locked?;
        let missing = group.iter().find(|entry| {
            let Wanted::Package(package) = &entry.value else { return false };
            let is_named =
                section.apt.iter().any(|deb| deb.name == package.name || deb.only_for.contains(&package.name));
            // One that only others provide is looked for when they are there.
            let may_be_provided = !entry.optional && !locked.is_empty();
            self.installed(package).is_none() && !is_named && !may_be_provided
        })?;
        Some(self.not_locked(missing, name(&missing.value)))
    }

    fn installed(&self, package: &AptPackage) -> Option<String> {
        let dpkg = &self.inventory.dpkg;
        match (dpkg.installed_version(&package.name), &package.version) {
            (Some(installed), Some(pinned)) => (installed == pinned).then(|| installed.to_owned()),
            (Some(installed), None) => Some(installed.to_owned()),
            (None, Some(_)) => None,
            (None, None) => dpkg.provides(&package.name).then(|| "(provided)".to_owned()),
        }
    }

    /// A deb whose file name says what it is (`name_version_arch.deb`), and that is installed.
    fn installed_deb(&self, deb: &AssetRef) -> Option<String> {
        let stem = Path::new(&deb.path).file_name()?.to_str()?.strip_suffix(".deb")?;
        let mut parts = stem.splitn(3, '_');
        let (name, version) = (parts.next()?, parts.next()?.replace("%3a", ":"));
        let installed = self.inventory.dpkg.installed_version(name)?;
        // File names leave the epoch out.
        let same = installed == version || installed.split_once(':').is_some_and(|(_, rest)| rest == version);
        same.then(|| format!("{name} {installed}"))
    }

    fn apt_sources(&mut self) {
        let mut differing = Vec::new();
        let mut origins = Vec::new();
        for entry in &self.profile.apt.sources {
            let Some(bytes) = self.inventory.asset(&entry.value.key).and_then(|key| key.bytes.as_deref()) else {
                continue;
            };
            let ending = if bytes.starts_with(b"-----BEGIN") { "asc" } else { "gpg" };
            let path = apt_key_file(&entry.value.name, ending);
            let stanza = stanza(&entry.value, &path);
            let same = |path: &Path, wanted: &[u8]| {
                let file = self.inventory.file(path).ok().flatten();
                file.and_then(|found| found.bytes.as_deref()) == Some(wanted)
            };
            if same(&path, bytes) && same(&apt_source_file(&entry.value.name), stanza.as_bytes()) {
                self.plan.ready.push(format!("apt source: {}", entry.value.name));
                continue;
            }
            let key = AptKey { bytes: bytes.to_vec(), path, fingerprint: entry.value.fingerprint.clone() };
            differing.push(action::AptSource { name: entry.value.name.clone(), stanza, key: Some(key) });
            origins.push(entry.origin.clone());
        }
        if !differing.is_empty() {
            let (lane, logins) = (Some(Lane::Apt), self.logins(Section::Apt));
            let terms = super::build::Terms { logins, origins, lane, ..super::build::Terms::default() };
            self.step(
                "apt-sources",
                Action::AptSources(AptSources { sources: differing, fetch_lists: self.locked.is_none() }),
                terms,
            );
        }
    }
}

/// A deb822 source, as sources.list(5) describes it.
fn stanza(source: &AptSource, key: &Path) -> String {
    let mut lines = vec![
        "# Written by nodeagent.".to_owned(),
        "Types: deb".to_owned(),
        format!("URIs: {}", source.uris.join(" ")),
        format!("Suites: {}", source.suites.join(" ")),
    ];
    for (name, words) in [("Components", &source.components), ("Architectures", &source.architectures)] {
        if !words.is_empty() {
            lines.push(format!("{name}: {}", words.join(" ")));
        }
    }
    lines.push(format!("Signed-By: {}", key.display()));
    lines.join("\n") + "\n"
}

fn name(wanted: &Wanted) -> &str {
    match wanted {
        Wanted::Package(package) => &package.name,
        Wanted::Deb(deb) => &deb.path,
    }
}
