//! Plans R: packages that are not in the library, or not as pinned, or that lack a package they depend on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use url::Url;

use super::{
    action::{GitPackage, RInstall, RInstalled},
    checked::{DEFAULT_R_LIBRARY, DEFAULT_R_REPO, R, RPackage},
};
use crate::{
    digest::Digest,
    facts::{InstalledPackage, RFacts},
    inventory::{Inventory, below},
    kinds::contract::{Asks, LookAt, Planning},
    lock::{GitCommit, LockedRPackage, Runtime, bare, is_for, is_own},
    plan::{
        Address, Asked, Common, EarlierWork, Environment, Group, Lane, Layer, LayerPackage, Phase, Planner, StepOptions,
    },
    problem::Problem,
    profile::{AssetRef, Entry, Section as _},
    state::Receipt,
};

/// One entry: a package by name, or an archive.
#[derive(Debug, Clone)]
enum PackageRequest {
    Package(RPackage),
    Archive(AssetRef),
}

impl R {
    fn library(&self) -> &Path {
        self.library.as_ref().map_or(Path::new(DEFAULT_R_LIBRARY), |library| &library.value)
    }

    /// Packages that are installed as requested, and archives whose file name matches an installed package.
    fn asked(&self, common: &Common<'_>, facts: &RFacts) -> Vec<Asked<PackageRequest>> {
        let packages = self.packages.iter().map(|entry| {
            let found = facts.loadable(&entry.value.name).filter(|found| is_requested(&entry.value, found));
            let label = found.map(|found| {
                let commit = entry.value.git.as_ref().map(|git| format!(" ({})", git.short())).unwrap_or_default();
                format!("{} {}{commit}", entry.value.name, found.version)
            });
            (entry.with(PackageRequest::Package(entry.value.clone())), label)
        });
        let archives = self.sources.iter().map(|entry| {
            let found = archive_name(&entry.value.path).filter(|(name, version)| {
                facts.loadable(name).is_some_and(|found| same_version(version, &found.version))
            });
            let label = found.map(|(name, version)| format!("{name} {version}"));
            (entry.with(PackageRequest::Archive(entry.value.clone())), label)
        });
        let asked = packages.chain(archives).map(|(entry, label)| {
            let name = name(&entry.value).to_owned();
            // The installed version may differ from the locked one.
            let of = entry.optional.then_some(name.as_str());
            let missing = locked_and_missing(common, facts, of).unwrap_or_default();
            let differs = missing.iter().any(|package| is_own(&package.only_for, of));
            Asked { ready: label.filter(|_| !differs), entry, name }
        });
        asked.collect()
    }

    fn repositories(&self, common: &Common<'_>) -> Vec<Url> {
        if common.only_digests {
            // Dependencies of an archive would be fetched by name, without a digest.
            return Vec::new();
        }
        if self.repos.is_empty() {
            return vec![Url::parse(DEFAULT_R_REPO).expect("a constant that a test parses")];
        }
        self.repos.iter().map(|repo| repo.value.clone()).collect()
    }

    fn plan_group(&self, facts: &RFacts, group: Group<PackageRequest>, planner: &mut Planner<'_, RInstall>) {
        let Group { entries, optional, id, mut options } = group;
        let common = planner.common;
        options.logins = planner.logins();
        let (mut packages, mut git, mut archives) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &entries {
            match &entry.value {
                PackageRequest::Package(package) => match &package.git {
                    Some(from) => git.push(GitPackage { name: package.name.clone(), from: from.clone() }),
                    None => packages.push(package.clone()),
                },
                PackageRequest::Archive(archive) => {
                    archives.extend(common.usable(archive, &entry.origin, &mut options.stage));
                }
            }
        }
        if packages.is_empty() && git.is_empty() && archives.is_empty() {
            return; // its file is among the missing
        }
        let locked = locked_and_missing(common, facts, optional.as_deref()).map(|locked| {
            let staged = |package: LockedRPackage| {
                let file = staged(&archives, &package.sha256);
                (package, file)
            };
            locked.into_iter().map(staged).collect()
        });
        let installed = facts.packages.iter().map(|(name, found)| {
            let (version, library) = (found.version.clone(), found.library.clone());
            (name.clone(), RInstalled { version, library, base: found.base, commit: found.commit.clone() })
        });
        let may_log_in = !options.logins.is_empty();
        let install = RInstall {
            program: facts.program.clone(),
            r_version: facts.version.clone(),
            library: below(&common.inventory.root, self.library()),
            installed: installed.collect(),
            repos: self.repositories(common),
            packages,
            git,
            archives,
            locked,
            layer: if optional.is_some() {
                None
            } else {
                self.make_layer(facts, common, may_log_in).and_then(Result::ok)
            },
        };
        // Without git, the packages can be fetched only after the step that installs it.
        options.prepares_late = install.uses_git() && planner.earlier.installs("git");
        let uncovered = uncovered(common, facts, &entries);
        planner.step_of_group(id, install, options, uncovered);
    }

    /// The packages that the lock adds to the library. `None` if it adds none. The error lists the reasons why no layer
    /// is possible.
    fn make_layer(&self, facts: &RFacts, common: &Common<'_>, may_log_in: bool) -> Option<Result<Layer, String>> {
        let section = common.locked()?;
        let required = section.r.iter().filter(|package| is_for(&package.only_for, None));
        let packages: BTreeMap<String, LayerPackage> = required
            .map(|package| {
                let (version, sha256) = (package.version.clone(), package.sha256.hex().to_owned());
                (package.name.clone(), LayerPackage { version, sha256 })
            })
            .collect();
        let library = self.library();
        let library = below(&common.inventory.root, library);
        let known = common.inventory.receipt.r.get(&library.display().to_string());
        if let Some(name) = known.and_then(|known| packages.keys().find(|name| known.contains_key(*name))) {
            return Some(Err(format!("the lock changes `{name}`, which the runtime ships")));
        }
        let differs = |(name, package): &(&String, &LayerPackage)| {
            let found = facts.packages.get(*name).filter(|found| found.library == library);
            found.is_some_and(|found| found.version != package.version)
        };
        if let Some((name, _)) = packages.iter().find(differs) {
            return Some(Err(format!("`{name}` is there in another version")));
        }
        let of_other_commit = |package: &&LockedRPackage| {
            let found = facts.packages.get(&package.name).filter(|found| found.library == library);
            package.commit().is_some() && found.is_some_and(|found| found.commit.as_deref() != package.commit())
        };
        if let Some(package) = section.r.iter().find(of_other_commit) {
            return Some(Err(format!("`{}` is installed, but not from the locked commit", package.name)));
        }
        let is_shipped = |name: &String, found: &Path| {
            let was_there = known.is_none_or(|known| known.contains_key(name)) || found != library;
            was_there && !packages.contains_key(name)
        };
        let shipped = facts.packages.iter().filter(|(name, found)| is_shipped(name, &found.library));
        let shipped = shipped.map(|(name, found)| (name.clone(), found.library.join(name))).collect();
        let layer = Layer {
            of: Environment::R,
            runtime: section.runtime.to_string(),
            version: facts.version.clone(),
            program: facts.program.clone(),
            base: library.clone(),
            folder: library,
            shipped,
            compile: false,
            smoke: Vec::new(),
            private: may_log_in,
            packages,
        };
        (!layer.packages.is_empty()).then_some(Ok(layer))
    }
}

impl Planning for R {
    type Look = Option<RFacts>;
    type Action = RInstall;

    fn look(&self, at: &LookAt<'_>) -> Option<RFacts> {
        self.first()?;
        RFacts::read(at.root, &below(at.root, self.library()))
    }

    fn as_shipped(look: &mut Option<RFacts>, receipt: &Receipt) {
        let Some(r) = look else { return };
        for (library, shipped) in &receipt.r {
            r.packages
                .retain(|name, found| found.library != Path::new(library) || shipped.get(name) == Some(&found.version));
        }
    }

    fn runtime(look: &Option<RFacts>, runtime: &mut Runtime) {
        runtime.r = look.as_ref().map(|r| r.version.clone());
    }

    fn lacks(&self, look: &Option<RFacts>, _: &Inventory) -> Option<String> {
        (self.first().is_some() && look.is_none())
            .then(|| "the profile asks for R packages, and R is not here".to_owned())
    }

    fn asks(&self, _: &Inventory, asks: &mut Asks) {
        for entry in &self.packages {
            let pinned = entry.value.pinned();
            let what = entry.value.git.as_ref().map_or(pinned.clone(), |GitCommit { url, commit, subdir }| {
                let subdir = subdir.as_ref().map(|subdir| format!(" {subdir}")).unwrap_or_default();
                format!("{pinned} git {} {commit}{subdir}", bare(url))
            });
            asks.add("r", &what, entry.optional);
        }
        for entry in &self.sources {
            asks.add("r", &entry.value.path, entry.optional);
        }
        if !self.repos.is_empty() {
            let repos: Vec<String> = self.repos.iter().map(|url| bare(&url.value).to_string()).collect();
            asks.add("r from", &repos.join(" "), false);
        }
        if let Some(library) = &self.library {
            asks.add("r into", &library.value.display().to_string(), false);
        }
    }

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        let plain = self.repos.iter().map(|repo| Address::plain(Self::KEYS[0], repo.value.clone()));
        let git = self.packages.iter().filter_map(|entry| entry.value.git.as_ref());
        let git = git.map(|git| Address { kind: Self::KEYS[0], is_git: true, url: git.url.clone() });
        plain.chain(git).collect()
    }

    fn outline(&self) -> Vec<StepOptions> {
        let packages = self.packages.iter().map(|entry| &entry.origin);
        let origins: Vec<_> = packages.chain(self.sources.iter().map(|entry| &entry.origin)).cloned().collect();
        let options = |origins| StepOptions::for_origins(origins, "r".to_owned(), Phase::Environments);
        (!origins.is_empty()).then(|| options(origins)).into_iter().collect()
    }

    fn plan(&self, look: &Option<RFacts>, planner: &mut Planner<'_, RInstall>) {
        let Some(first) = self.first() else { return };
        let Some(facts) = look else {
            let hint = "R comes with the runtime or its image; standard access mode has none".to_owned();
            return planner.refuse(first, "R packages are requested, but there is no R on this node", hint);
        };
        let asked = self.asked(planner.common, facts);
        for group in planner.groups("r", Phase::Environments, &Lane::RLibrary, asked) {
            self.plan_group(facts, group, planner);
        }
    }

    fn layer(&self, look: &Option<RFacts>, common: &Common<'_>) -> Option<Result<Layer, String>> {
        let earlier = EarlierWork::default();
        let planner = Planner::<RInstall>::new(common, Self::KEYS[0], &earlier);
        self.make_layer(look.as_ref()?, common, !planner.logins().is_empty())
    }
}

/// The locked packages of a group that are not installed as locked. `None` without a lock.
fn locked_and_missing(common: &Common<'_>, facts: &RFacts, group: Option<&str>) -> Option<Vec<LockedRPackage>> {
    let is_installed = |locked: &LockedRPackage| {
        facts.packages.get(&locked.name).is_some_and(|found| {
            let is_of_commit = locked.commit().is_none_or(|commit| found.commit.as_deref() == Some(commit));
            same_version(&locked.version, &found.version) && is_of_commit
        })
    };
    common.locked_and_missing(|section| &section.r, |package| &package.only_for, group, is_installed)
}

/// The problem of a package that is missing in the lock.
fn uncovered(common: &Common<'_>, facts: &RFacts, entries: &[Entry<PackageRequest>]) -> Option<Problem> {
    let section = common.locked()?;
    let missing = entries.iter().find(|entry| {
        let PackageRequest::Package(package) = &entry.value else { return false };
        let is_named = section.r.iter().any(|locked| locked.name == package.name);
        !is_named && facts.loadable(&package.name).is_none()
    })?;
    Some(common.not_locked(missing, name(&missing.value)))
}

/// Whether an installed package has the requested version and commit.
fn is_requested(wanted: &RPackage, found: &InstalledPackage) -> bool {
    let is_pinned = wanted.version.as_ref().is_none_or(|pinned| same_version(pinned, &found.version));
    is_pinned && wanted.git.as_ref().is_none_or(|git| found.commit.as_ref() == Some(&git.commit))
}

/// The path in the cache to which a locked archive of the file store is staged.
fn staged(archives: &[PathBuf], sha256: &Digest) -> Option<PathBuf> {
    let is_it = |path: &&PathBuf| path.parent().and_then(Path::file_name).is_some_and(|folder| folder == sha256.hex());
    archives.iter().find(is_it).cloned()
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

fn name(wanted: &PackageRequest) -> &str {
    match wanted {
        PackageRequest::Package(package) => &package.name,
        PackageRequest::Archive(archive) => &archive.path,
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
