//! Plans R: packages that are not in the library, or not as pinned, or whose own needs are not there.

use std::path::Path;

use url::Url;

use super::{
    Action, Lane, RInstall, RInstalled,
    build::{Builder, groups, terms_of},
    logins::Section,
};
use crate::{
    inventory::below,
    lock::{LockedRPackage, is_own},
    problem::Problem,
    profile::{AssetRef, DEFAULT_R_LIBRARY, DEFAULT_R_REPO, Entry, RPackage},
};

/// What one group installs: packages by name, or archives.
#[derive(Clone)]
enum Wanted {
    Package(RPackage),
    Archive(AssetRef),
}

impl Builder<'_> {
    pub(super) fn r(&mut self) {
        let r = &self.profile.r;
        let Some(first) =
            r.packages.first().map(|entry| &entry.origin).or(r.sources.first().map(|entry| &entry.origin))
        else {
            return;
        };
        let Some(facts) = &self.inventory.r else {
            let first = first.clone();
            let hint = "R comes with the runtime or its image; standard access mode has none".to_owned();
            return self.refuse(&first, "R packages are asked for, but there is no R on this node", hint);
        };
        let mut wanted: Vec<Entry<Wanted>> = Vec::new();
        let mut there: Vec<Entry<(Wanted, String)>> = Vec::new();
        for entry in &r.packages {
            match facts.loadable(&entry.value.name) {
                Some(found)
                    if entry.value.version.as_ref().is_none_or(|pinned| same_version(pinned, &found.version)) =>
                {
                    let label = format!("{} {}", entry.value.name, found.version);
                    there.push(entry.with((Wanted::Package(entry.value.clone()), label)));
                }
                _ => wanted.push(entry.with(Wanted::Package(entry.value.clone()))),
            }
        }
        for entry in &r.sources {
            let named = archive_name(&entry.value.path);
            let found = named.and_then(|(name, version)| Some((name, version, facts.loadable(name)?)));
            match found {
                Some((name, version, found)) if same_version(version, &found.version) => {
                    let label = format!("{name} {version}");
                    there.push(entry.with((Wanted::Archive(entry.value.clone()), label)));
                }
                _ => wanted.push(entry.with(Wanted::Archive(entry.value.clone()))),
            }
        }
        let is_locked_there = |locked: &LockedRPackage| {
            facts.packages.get(&locked.name).is_some_and(|found| same_version(&locked.version, &found.version))
        };
        // What is there may be so in another version than the locked one.
        let (differing, ready): (Vec<_>, Vec<_>) = there.into_iter().partition(|entry| {
            let of = entry.optional.then(|| name(&entry.value.0));
            let missing = self.locked_r(of, is_locked_there).unwrap_or_default();
            missing.iter().any(|package| is_own(&package.only_for, of))
        });
        wanted.extend(differing.iter().map(|entry| entry.with(entry.value.0.clone())));
        if !ready.is_empty() {
            let labels: Vec<&str> = ready.iter().map(|entry| entry.value.1.as_str()).collect();
            self.ready(format!("r: {}", labels.join(", ")));
        }
        let apt = self.steps_in(&Lane::Apt);
        for group in groups(wanted) {
            let mut terms = terms_of(&group, Lane::RLibrary);
            terms.needs.clone_from(&apt);
            terms.logins = self.logins(Section::R);
            let (mut packages, mut archives) = (Vec::new(), Vec::new());
            for entry in &group {
                match &entry.value {
                    Wanted::Package(package) => packages.push(package.clone()),
                    Wanted::Archive(archive) => archives.extend(self.usable(archive, &entry.origin, &mut terms.stage)),
                }
            }
            if packages.is_empty() && archives.is_empty() {
                continue; // its file is among the missing
            }
            let of = terms.optional.then(|| name(&group[0].value));
            let locked = self.locked_r(of, is_locked_there);
            let uncovered = self.uncovered_r(&group);
            let locked = locked.map(|locked| {
                let file = |package: &LockedRPackage| Self::staged(&archives, &package.sha256);
                locked.into_iter().map(|package| (package.clone(), file(&package))).collect()
            });
            let optional = terms.optional;
            let id = if terms.optional { format!("r:{}", name(&group[0].value)) } else { "r".to_owned() };
            let library = r.library.as_ref().map_or(Path::new(DEFAULT_R_LIBRARY), |library| &library.value);
            let mut repos: Vec<Url> = r.repos.iter().map(|repo| repo.value.clone()).collect();
            if self.profile.only_digests {
                // What an archive needs would come by its name alone.
                repos.clear();
            } else if repos.is_empty() {
                repos.push(Url::parse(DEFAULT_R_REPO).expect("a constant that a test parses"));
            }
            let installed = facts.packages.iter().map(|(name, found)| {
                let (version, library) = (found.version.clone(), found.library.clone());
                (name.clone(), RInstalled { version, library, base: found.base })
            });
            let action = RInstall {
                program: facts.program.clone(),
                r_version: facts.version.clone(),
                library: below(&self.inventory.root, library),
                installed: installed.collect(),
                repos,
                packages,
                archives,
                locked,
                layer: if optional { None } else { self.r_layer().and_then(Result::ok) },
            };
            self.step(id, Action::RInstall(action), terms);
            match uncovered {
                Some(why) if optional => self.doom(why),
                why => self.plan.refusals.extend(why),
            }
        }
    }
}

impl Builder<'_> {
    /// A package that the lock has nothing for.
    fn uncovered_r(&self, group: &[Entry<Wanted>]) -> Option<Problem> {
        let (section, facts) = self.locked.zip(self.inventory.r.as_ref())?;
        let missing = group.iter().find(|entry| {
            let Wanted::Package(package) = &entry.value else { return false };
            let is_named = section.r.iter().any(|locked| locked.name == package.name);
            !is_named && facts.loadable(&package.name).is_none()
        })?;
        Some(self.not_locked(missing, name(&missing.value)))
    }
}

/// R treats `-` and `.` in versions as the same.
fn same_version(left: &str, right: &str) -> bool {
    left.replace('-', ".") == right.replace('-', ".")
}

/// Name and version of an archive, from `name_version.tar.gz` or, for binaries, `name_version_R_….tar.gz`.
fn archive_name(path: &str) -> Option<(&str, &str)> {
    let stem = Path::new(path).file_name()?.to_str()?.strip_suffix(".tar.gz")?;
    let (name, rest) = stem.split_once('_')?;
    Some((name, rest.split('_').next()?))
}

fn name(wanted: &Wanted) -> &str {
    match wanted {
        Wanted::Package(package) => &package.name,
        Wanted::Archive(archive) => &archive.path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_repository_is_an_address() {
        assert!(Url::parse(DEFAULT_R_REPO).is_ok());
    }

    #[test]
    fn an_archive_is_named_by_its_file() {
        assert_eq!(archive_name("lib/R/inhouse_1.2.tar.gz"), Some(("inhouse", "1.2")));
        assert_eq!(archive_name("lib/R/x_1.2_R_x86_64-pc-linux-gnu.tar.gz"), Some(("x", "1.2")));
        assert_eq!(archive_name("lib/R/x.tar.gz"), None);
    }
}
