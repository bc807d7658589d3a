//! Resolves packages: their versions and the order of installation. A pure function.
//!
//! As in `install.packages`, the highest version wins, and among equal versions the first repository. In addition,
//! every version requirement counts, a local archive takes precedence over all repositories, and an installed package
//! is kept if it satisfies all requirements.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use url::Url;

use super::{
    description::{Description, StanzaError},
    order::{Cycle, in_order},
    repository::Repository,
    resolve_error::{Demand, ResolveError},
    version::{Requirement, Version, version},
};
use crate::kinds::r::{GitPackage, RInstall, RInstalled};

/// The maximum number of rounds. A resolution that has not settled by then has a cycle of choices.
const MOST_ROUNDS: usize = 50;
/// The packages that are part of R.
const BASE: [&str; 15] = [
    "base",
    "compiler",
    "datasets",
    "grDevices",
    "graphics",
    "grid",
    "methods",
    "parallel",
    "splines",
    "stats",
    "stats4",
    "tcltk",
    "tools",
    "translations",
    "utils",
];

/// The location of a package's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ArchiveLocation {
    /// In a repository.
    Repository(Url),
    /// A local file.
    File {
        /// Its path.
        path: std::path::PathBuf,
        /// Its name in messages.
        shown: String,
    },
    /// In a git repository, and already packed to this path.
    Git(GitPackage, std::path::PathBuf),
    /// In the archive folder of a repository, and already downloaded to this path.
    Archived(Url, std::path::PathBuf),
}

/// A version of a package that could be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its metadata.
    pub(super) description: Description,
    /// The location of its archive.
    pub(super) location: ArchiveLocation,
}

/// A package to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvedPackage {
    /// The selected version.
    pub(super) candidate: Candidate,
    /// The packages that must be installed before it.
    pub(super) needs: BTreeSet<String>,
}

/// A version in a repository that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{version} in `{repository}` {reason}")]
struct UnusableVersion {
    version: String,
    repository: String,
    reason: String,
}

/// The inputs of a resolution.
pub(super) struct ResolverInput<'a> {
    /// The requested packages and the installed ones.
    pub(super) wanted: &'a RInstall,
    /// Versions that are preferred to newer ones, if they are offered and acceptable.
    pub(super) keep: &'a BTreeMap<String, String>,
    /// The repositories in order of preference.
    pub(super) repositories: &'a [Repository],
    /// Local archives: those that the profile names, and downloaded pinned versions.
    pub(super) archives: &'a [Candidate],
    /// Returns the requirements of an installed package.
    pub(super) needs_of_installed: &'a dyn Fn(&str, &RInstalled) -> Vec<Requirement>,
    /// Unusable archives, and the reasons.
    pub(super) rejected: &'a BTreeMap<Url, String>,
}

enum Selection {
    Kept(Vec<Requirement>),
    Install(Box<Candidate>),
}

impl Selection {
    fn needs(&self) -> Vec<&Requirement> {
        match self {
            Self::Kept(needs) => needs.iter().collect(),
            Self::Install(candidate) => candidate.description.packages().collect(),
        }
    }
}

type Demands = BTreeMap<String, Vec<Demand>>;
type Selections = BTreeMap<String, Result<Selection, ResolveError>>;

impl ResolverInput<'_> {
    /// The packages to install, in dependency order.
    pub(super) fn resolve(&self) -> Result<Vec<ResolvedPackage>, ResolveError> {
        let mut before = self.roots();
        for _ in 0..MOST_ROUNDS {
            let (picks, demands) = self.round(&before);
            if demands == before {
                let picks = picks.into_iter().map(|(name, pick)| Ok((name, pick?))).collect::<Result<_, _>>()?;
                return arrange(picks);
            }
            before = demands;
        }
        Err(ResolveError::Unsettled)
    }

    /// The requirements of the profile itself.
    fn roots(&self) -> Demands {
        let by_name = self.wanted.packages.iter().map(|package| match package.version.as_deref().and_then(version) {
            Some(version) => Requirement::exactly(&package.name, version),
            None => Requirement::any(&package.name),
        });
        let mut demands = Demands::new();
        for needed in by_name.chain(self.archives.iter().map(|archive| Requirement::any(&archive.description.name))) {
            demands.entry(needed.name.clone()).or_default().push(Demand { needed, by: None });
        }
        demands
    }

    /// Selects a version of every required package, based on the requirements of the previous round.
    fn round(&self, before: &Demands) -> (Selections, Demands) {
        let (mut picks, mut demands) = (Selections::new(), self.roots());
        let mut open: Vec<String> = demands.keys().rev().cloned().collect();
        while let Some(name) = open.pop() {
            let Entry::Vacant(place) = picks.entry(name.clone()) else { continue };
            let known = before.get(&name).or_else(|| demands.get(&name)).map_or(&[][..], Vec::as_slice);
            let pick = place.insert(self.pick(&name, known, before));
            for needed in pick.as_ref().map(Selection::needs).unwrap_or_default() {
                let demand = Demand { needed: needed.clone(), by: Some(name.clone()) };
                let others = demands.entry(needed.name.clone()).or_default();
                if !others.contains(&demand) {
                    others.push(demand);
                }
                open.push(needed.name.clone());
            }
        }
        (picks, demands)
    }

    fn pick(&self, name: &str, demands: &[Demand], all: &Demands) -> Result<Selection, ResolveError> {
        let accepted = |version: &Version| demands.iter().all(|demand| demand.needed.accepts(version));
        let installed = self.wanted.installed.get(name);
        let installed_version = installed.and_then(|found| version(&found.version));
        if BASE.contains(&name) || installed.is_some_and(|found| found.base) {
            let of_r = version(&self.wanted.r_version);
            return match installed_version.or(of_r).filter(|version| !accepted(version)) {
                Some(version) => Err(ResolveError::Base { name: name.to_owned(), version, demands: demands.to_vec() }),
                None => Ok(Selection::Kept(Vec::new())),
            };
        }
        let archive = self.archives.iter().find(|archive| archive.description.name == name);
        if let (Some(found), Some(version)) = (installed, &installed_version)
            && accepted(version)
            && archive.is_none_or(|archive| is_same(&archive.description, found, version))
        {
            return Ok(Selection::Kept((self.needs_of_installed)(name, found)));
        }
        if let Some(archive) = archive {
            if accepted(&archive.description.version) {
                return Ok(Selection::Install(Box::new(archive.clone())));
            }
            let offers = vec![format!("the local archive has {}", archive.description.version_text)];
            return Err(ResolveError::NoVersion { name: name.to_owned(), demands: demands.to_vec(), offers });
        }
        let (offered, mut unusable) = self.offers(name);
        let best = offered.iter().filter(|offer| accepted(&offer.description.version)).fold(
            None::<&Candidate>,
            |best, offer| match best {
                Some(best) if offer.description.version <= best.description.version => Some(best),
                _ => Some(offer),
            },
        );
        let kept = self.keep.get(name).and_then(|kept| version(kept)).filter(accepted);
        let kept = kept.and_then(|kept| offered.iter().find(|offer| offer.description.version == kept));
        if let Some(best) = kept.or(best) {
            return Ok(Selection::Install(Box::new(best.clone())));
        }
        if offered.is_empty() && unusable.is_empty() && installed.is_none() {
            return Err(self.unknown(name, all));
        }
        unusable
            .extend(installed.map(|found| format!("{} is installed in `{}`", found.version, found.library.display())));
        let offers = offered.iter().map(|offer| format!("{} has {}", offer.from(), offer.description.version_text));
        let offers = offers.chain(unusable).collect();
        Err(ResolveError::NoVersion { name: name.to_owned(), demands: demands.to_vec(), offers })
    }

    /// The usable versions, of the preferred repository first, and the versions that are not usable.
    fn offers(&self, name: &str) -> (Vec<Candidate>, Vec<String>) {
        let r = version(&self.wanted.r_version).unwrap_or_else(|| Version { components: Vec::new() });
        let (mut offers, mut unusable) = (Vec::new(), Vec::new());
        for repository in self.repositories {
            for read in repository.index.versions(name) {
                match self.candidate(repository, read, &r) {
                    Ok(candidate) => offers.push(candidate),
                    Err(version) => unusable.push(version.to_string()),
                }
            }
        }
        (offers, unusable)
    }

    /// A version of a repository as a candidate, if this R can use it.
    fn candidate(
        &self,
        repository: &Repository,
        read: Result<Description, StanzaError>,
        r: &Version,
    ) -> Result<Candidate, UnusableVersion> {
        let unusable =
            |version: String, reason: String| UnusableVersion { version, repository: repository.shown(), reason };
        let description = read.map_err(|error| unusable("a version".to_owned(), error.to_string()))?;
        let url = repository.archive(&description);
        match self.rejected.get(&url).cloned().or_else(|| description.misfit(r)) {
            Some(reason) => Err(unusable(description.version_text, reason)),
            None => Ok(Candidate { description, location: ArchiveLocation::Repository(url) }),
        }
    }

    fn unknown(&self, name: &str, demands: &Demands) -> ResolveError {
        let mut chain = vec![name.to_owned()];
        // Follows the requirements from the package up to the profile.
        while let Some(by) = demands.get(&chain[0]).and_then(|demands| demands[0].by.clone()) {
            if chain.contains(&by) {
                break;
            }
            chain.insert(0, by);
        }
        let names = self.repositories.iter().flat_map(|repository| repository.index.names());
        let nearest = crate::diagnostic::nearest(name, names).map(str::to_owned);
        ResolveError::Unknown { chain, nearest }
    }
}

impl Candidate {
    /// The origin of the archive, for messages.
    fn from(&self) -> String {
        match &self.location {
            ArchiveLocation::Repository(url) => format!("`{}`", super::repository::shown(url)),
            ArchiveLocation::File { shown, .. } => format!("`{shown}`"),
            ArchiveLocation::Git(package, _) => format!("`{}`", package.from.url),
            ArchiveLocation::Archived(_, path) => format!("`{}`", path.display()),
        }
    }
}

/// Whether an installed package is that of an archive: the same version, and the same commit if it has one.
fn is_same(archive: &Description, found: &RInstalled, version: &Version) -> bool {
    archive.version == *version && (archive.commit.is_none() || archive.commit == found.commit)
}

/// Sorts the packages to install. A kept package passes its requirements on to its dependents.
fn arrange(picks: BTreeMap<String, Selection>) -> Result<Vec<ResolvedPackage>, ResolveError> {
    let direct: BTreeMap<&str, Vec<&str>> = picks
        .iter()
        .map(|(name, pick)| (name.as_str(), pick.needs().into_iter().map(|needed| needed.name.as_str()).collect()))
        .collect();
    let installs = |name: &str| matches!(picks.get(name), Some(Selection::Install(_)));
    let needs_of = |name: &str| {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open: Vec<&str> = direct.get(name).cloned().unwrap_or_default();
        while let Some(needed) = open.pop() {
            if !seen.insert(needed) {
                continue;
            }
            if installs(needed) {
                found.insert(needed.to_owned());
            } else {
                open.extend(direct.get(needed).into_iter().flatten());
            }
        }
        found
    };
    let needs: BTreeMap<String, BTreeSet<String>> =
        picks.keys().filter(|name| installs(name)).map(|name| (name.clone(), needs_of(name))).collect();
    let order = in_order(&needs).map_err(|Cycle(names)| ResolveError::Cycle(names))?;
    let mut picks = picks;
    let mut needs = needs;
    Ok(order
        .into_iter()
        .filter_map(|name| match picks.remove(&name)? {
            Selection::Install(candidate) => {
                Some(ResolvedPackage { candidate: *candidate, needs: needs.remove(&name).unwrap_or_default() })
            }
            Selection::Kept(_) => None,
        })
        .collect())
}

#[cfg(test)]
mod tests;
