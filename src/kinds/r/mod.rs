//! Installs R packages: resolves versions from the indexes of repositories, downloads in parallel, builds packages
//! along the dependency graph, and unpacks binaries without R. Exit statuses are never trusted.

mod act;
mod action;
mod archive;
mod build;
mod build_log;
mod builds;
mod checked;
mod description;
mod fetch;
mod grammar;
mod hints;
mod index;
mod install;
mod library;
mod lock;
mod order;
mod plan;
mod queue;
mod repository;
mod resolve;
mod resolve_error;
mod rules;
mod slots;
mod version;
mod written;

#[cfg(test)]
mod tests;
pub use action::{RInstall, RInstalled};
pub use checked::{R, RPackage};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

pub(super) use build::check_can_bake;
use futures::future::join_all;
pub use library::clean_up_interrupted;
pub use lock::lock;
use url::Url;

use self::{
    build::BuildEnvironment,
    builds::Builds,
    fetch::FetchedPackage,
    install::{FailedPackage, PackageInstaller},
    queue::Task,
    repository::Repository,
    resolve::{ArchiveLocation, Candidate, ResolvedPackage, ResolverInput},
    resolve_error::ResolveError,
    version::{Requirement, Version, version},
};
use crate::{
    plan::{Environment, LayerPackage},
    problem::Problem,
    state::Receipt,
    steps::{
        Context,
        layer::{self, LayerError, Staged},
    },
};

/// The result of preparing a library.
#[derive(Debug)]
pub enum Prepared {
    /// A downloaded layer that is being unpacked in its staging folder.
    Layer(Staged),
    /// Packages to install.
    Packages(Packages),
}

impl Prepared {
    /// The folder of a layer that is being unpacked.
    pub(super) fn staging(&self) -> Option<PathBuf> {
        match self {
            Self::Layer(staged) => Some(staged.folder().to_owned()),
            Self::Packages(_) => None,
        }
    }

    /// The names of the packages that will be installed, in dependency order.
    pub fn package_names(&self) -> Vec<String> {
        match self {
            Self::Layer(staged) => staged.package_names(),
            Self::Packages(packages) => packages.work.iter().map(|work| work.name.clone()).collect(),
        }
    }
}

/// Resolved packages whose archives are in the agent's cache. Nothing else was changed.
#[derive(Debug)]
pub struct Packages {
    work: Vec<PackageInstall>,
}

/// One package to install.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PackageInstall {
    name: String,
    version: String,
    archive: PathBuf,
    bytes: u64,
    source: bool,
    compiled: bool,
    /// Whether its C++ code uses template headers, which compile slowly: `later` has 55 kB and takes 15 s.
    templates: bool,
    needs: BTreeSet<String>,
    /// All packages that it is built with, including installed ones.
    requires: BTreeSet<String>,
    from: String,
    /// The URL of a downloaded archive.
    url: Option<Url>,
}

impl PackageInstall {
    fn new(fetched: FetchedPackage) -> Self {
        let FetchedPackage { chosen, archive, bytes, description } = fetched;
        let from = match &chosen.candidate.location {
            ArchiveLocation::Repository(url) | ArchiveLocation::Archived(url, _) => repository::shown(url),
            ArchiveLocation::File { shown, .. } => shown.clone(),
        };
        let on_templates = |name: &str| ["Rcpp", "BH"].iter().any(|headers| name.starts_with(headers));
        let url = match chosen.candidate.location {
            ArchiveLocation::Repository(url) | ArchiveLocation::Archived(url, _) => Some(url),
            ArchiveLocation::File { .. } => None,
        };
        let requires: BTreeSet<String> = description.packages().map(|needed| needed.name.clone()).collect();
        let templates = requires.iter().any(|name| on_templates(name));
        Self {
            source: description.built.is_none(),
            compiled: description.needs_compilation.unwrap_or(true),
            templates,
            name: description.name,
            version: description.version_text,
            archive,
            bytes,
            needs: chosen.needs,
            requires,
            from,
            url,
        }
    }

    fn task(&self) -> Task {
        Task { name: self.name.clone(), needs: self.needs.clone(), cost: self.cost() }
    }

    /// The estimated installation time in milliseconds. Compiled code takes by far the longest.
    fn cost(&self) -> u64 {
        let kilobytes = self.bytes / 1024;
        match (self.source, self.compiled) {
            (false, _) => 20 + kilobytes / 20,
            (true, false) => 2_000 + kilobytes,
            (true, true) if self.templates => 12_000 + kilobytes * 200,
            (true, true) => 4_000 + kilobytes * 10,
        }
    }
}

/// Uses a layer if one exists. Otherwise resolves versions and downloads archives. Does not change the library.
pub async fn prepare(ctx: &Context, wanted: &RInstall) -> Result<Prepared, Problem> {
    if let Some(layer) = &wanted.layer
        && let Some(staged) = layer::stage(ctx, layer).await
    {
        return Ok(Prepared::Layer(staged));
    }
    Box::pin(prepare_packages(ctx, wanted)).await.map(Prepared::Packages)
}

async fn prepare_packages(ctx: &Context, wanted: &RInstall) -> Result<Packages, Problem> {
    match &wanted.locked {
        Some(packages) => lock::prepare(ctx, wanted, packages).await,
        None => Ok(Packages::of(decide(ctx, wanted, &BTreeMap::new()).await?)),
    }
}

/// The version of R that packages are installed for.
fn checked_version(wanted: &RInstall) -> Result<Version, Problem> {
    version(&wanted.r_version).ok_or_else(|| Problem::refused(format!("`{}` is not a version of R", wanted.r_version)))
}

/// Resolves versions, preferring those in `keep`, and downloads archives.
async fn decide(
    ctx: &Context,
    wanted: &RInstall,
    keep: &BTreeMap<String, String>,
) -> Result<Vec<FetchedPackage>, Problem> {
    let r = checked_version(wanted)?;
    check_pins(wanted)?;
    let mut archives = fetch::local(ctx, &wanted.archives, &r).await?;
    let (repositories, down, rejected) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut resolver = Resolver { wanted, keep, repositories, down, rejected };
    // Repositories are contacted only if installed packages and local archives are not sufficient.
    if let Ok(chosen) = resolver.resolve(&archives) {
        ctx.decided.send();
        let (fetched, _) = fetch::all(ctx, chosen, &r).await;
        return Ok(fetched);
    }
    ctx.progress.now("reading R package indexes", None);
    (resolver.repositories, resolver.down) = repository::indexes(ctx, &wanted.repos, &r).await;
    archives.extend(resolver.archived_versions(ctx, &archives, &r).await?);
    let mut first_failure = None;
    loop {
        let chosen = resolver.resolve(&archives).map_err(|why| resolver.explain(why, first_failure.take()))?;
        ctx.decided.send();
        let (fetched, unusable) = fetch::all(ctx, chosen, &r).await;
        if unusable.is_empty() {
            for error in &resolver.down {
                let cause = error.causes.last().map(|cause| format!(": {cause}")).unwrap_or_default();
                ctx.progress.warn(format!("{}{cause}; the other repositories have all packages", error.message));
            }
            return Ok(fetched);
        }
        for fetch::UnusableArchive { url, why, error } in unusable {
            ctx.progress.warn(format!("`{}` {why}", repository::shown(&url)));
            resolver.rejected.insert(url, why);
            first_failure.get_or_insert(error);
        }
    }
}

impl Packages {
    fn of(fetched: Vec<FetchedPackage>) -> Self {
        // Downloads finish in any order, so the packages are sorted by the graph.
        let needs = fetched.iter().map(|one| (one.description.name.clone(), one.chosen.needs.clone())).collect();
        let order = order::in_order(&needs).unwrap_or_default();
        let mut work: Vec<PackageInstall> = fetched.into_iter().map(PackageInstall::new).collect();
        work.sort_by_key(|work| order.iter().position(|name| *name == work.name));
        Self { work }
    }
}

fn check_pins(wanted: &RInstall) -> Result<(), Problem> {
    for package in &wanted.packages {
        if let Some(pin) = package.version.as_deref().filter(|pin| version(pin).is_none()) {
            let error = Problem::refused(format!("`{}@{pin}` pins an invalid version", package.name));
            return Err(error.hint("versions of R packages are numbers, such as `1.2.1` or `7.3-60`".to_owned()));
        }
    }
    Ok(())
}

/// Resolves the packages of a step.
struct Resolver<'a> {
    wanted: &'a RInstall,
    /// Versions that are preferred to newer ones.
    keep: &'a BTreeMap<String, String>,
    repositories: Vec<Repository>,
    /// The problems of unusable repositories.
    down: Vec<Problem>,
    /// Unusable archives, and the reasons.
    rejected: BTreeMap<Url, String>,
}

impl Resolver<'_> {
    fn resolve(&self, archives: &[Candidate]) -> Result<Vec<ResolvedPackage>, ResolveError> {
        ResolverInput {
            wanted: self.wanted,
            keep: self.keep,
            repositories: &self.repositories,
            archives,
            needs_of_installed: &needs_of_installed,
            rejected: &self.rejected,
        }
        .resolve()
    }

    /// Finds pinned versions that no index has any more in the archive folders of the repositories.
    async fn archived_versions(
        &self,
        ctx: &Context,
        archives: &[Candidate],
        r: &Version,
    ) -> Result<Vec<Candidate>, Problem> {
        let missing = self.wanted.packages.iter().filter_map(|package| {
            let pin = package.version.as_deref()?;
            let number = version(pin);
            let local = archives.iter().any(|archive| archive.description.name == package.name);
            let installed = self.wanted.installed.get(&package.name).and_then(|found| version(&found.version));
            let indexed = || {
                let read = |repository: &Repository| {
                    repository
                        .index
                        .versions(&package.name)
                        .flatten()
                        .any(|found| Some(&found.version) == number.as_ref())
                };
                self.repositories.iter().any(read)
            };
            (!local && installed != number && !indexed()).then_some((package.name.as_str(), pin))
        });
        let found = join_all(missing.map(|(name, pin)| self.archived_version(ctx, name, pin, r))).await;
        found.into_iter().collect()
    }

    async fn archived_version(&self, ctx: &Context, name: &str, pin: &str, r: &Version) -> Result<Candidate, Problem> {
        let mut error = Problem::new(format!("R package `{name}` {pin} is in none of the repositories"));
        for repository in &self.repositories {
            let url = repository.archived(name, pin);
            match fetch::archived(ctx, &url, name, r).await {
                Ok(Some(candidate)) if candidate.description.name == name => return Ok(candidate),
                Ok(_) => {
                    error = error.cause(format!("it is neither in the index nor at `{}`", repository::shown(&url)));
                }
                Err(failed) => {
                    error.causes.push(failed.message);
                    error.causes.extend(failed.causes);
                    error = error.hint(failed.hint);
                }
            }
        }
        let has = |repository: &Repository| {
            repository.index.versions(name).flatten().map(|found| found.version_text).collect::<Vec<_>>()
        };
        let versions: Vec<String> = self.repositories.iter().flat_map(has).collect();
        let hint = (!versions.is_empty()).then(|| format!("the repositories have {name} {}", versions.join(", ")));
        Err(self.with_unreachable(error).hint(hint))
    }

    /// The problem of a failed resolution. An unusable archive takes precedence, because it is the cause.
    fn explain(&self, why: ResolveError, failure: Option<Problem>) -> Problem {
        let looked_in: Vec<String> = self.repositories.iter().map(Repository::shown).collect();
        let problem = match failure {
            Some(failure) => failure,
            // With every repository at hand, another try gives the same answer.
            None if self.down.is_empty() => why.into_error(&looked_in).refusing(),
            None => why.into_error(&looked_in),
        };
        self.with_unreachable(problem)
    }

    fn with_unreachable(&self, mut error: Problem) -> Problem {
        for down in &self.down {
            error.causes.push(down.message.clone());
            error.causes.extend(down.causes.iter().cloned());
        }
        // Either the name is wrong or only the unreachable repository has the package, so both hints are shown.
        let hints = error.hint.take().into_iter().chain(self.down.iter().find_map(|down| down.hint.clone()));
        let hint = hints.collect::<Vec<_>>().join("; ");
        error.hint((!hint.is_empty()).then_some(hint))
    }
}

/// The requirements of an installed package. Empty if its metadata cannot be read.
fn needs_of_installed(name: &str, installed: &RInstalled) -> Vec<Requirement> {
    let read = library::installed(&installed.library, name);
    read.map(|description| description.packages().cloned().collect()).unwrap_or_default()
}

/// Installs the prepared packages and verifies the library.
pub async fn act(ctx: &Context, wanted: &RInstall, prepared: Prepared) -> Result<(), Problem> {
    if matches!(&prepared, Prepared::Packages(packages) if packages.work.is_empty()) {
        return Ok(());
    }
    remember_shipped(ctx, wanted)?;
    library::ensure_writable(&wanted.library)?;
    let r = version(&wanted.r_version).unwrap_or_else(|| Version { components: Vec::new() });
    let packages = match prepared {
        Prepared::Packages(packages) => packages,
        Prepared::Layer(staged) => match restore(ctx, wanted, staged, &r).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                Staged::warn_not_put(ctx, Environment::R, &error);
                Box::pin(prepare_packages(ctx, wanted)).await?
            }
        },
    };
    let environment = BuildEnvironment::new(ctx, wanted)?;
    let work = if wanted.locked.is_some() { remaining(packages.work, &wanted.library, &r) } else { packages.work };
    let builds = Builds::new(ctx, wanted, &environment, &work, &r).await;
    let site = PackageInstaller { ctx, environment: &environment, builds, library: wanted.library.clone(), r };
    let failed = site.install(&work).await;
    if failed.is_empty() { Ok(()) } else { Err(combined_problem(failed)) }
}

/// Moves a layer into place and verifies it. On an error the packages must be installed instead.
async fn restore(ctx: &Context, wanted: &RInstall, staged: Staged, r: &Version) -> Result<(), LayerError> {
    staged.put(ctx).await?;
    let packages = wanted.layer.iter().flat_map(|layer| &layer.packages);
    let look = |(name, package): (&String, &LayerPackage)| library::verify(&wanted.library, name, &package.version, r);
    let faults: Vec<String> = packages.filter_map(|package| Some(look(package).err()?.to_string())).collect();
    if faults.is_empty() { Ok(()) } else { Err(LayerError::Incomplete(faults)) }
}

/// Removes packages that another step has installed in the meantime.
fn remaining(mut work: Vec<PackageInstall>, library: &Path, r: &Version) -> Vec<PackageInstall> {
    work.retain(|one| library::verify(library, &one.name, &one.version, r).is_err());
    let names: BTreeSet<String> = work.iter().map(|one| one.name.clone()).collect();
    for one in &mut work {
        one.needs.retain(|name| names.contains(name));
    }
    work
}

/// Records the shipped packages in the receipt, before the first change makes them indistinguishable.
fn remember_shipped(ctx: &Context, wanted: &RInstall) -> Result<(), Problem> {
    let library = wanted.library.display().to_string();
    let here = wanted.installed.iter().filter(|(_, found)| found.library == wanted.library);
    let shipped = here.map(|(name, found)| (name.clone(), found.version.clone())).collect();
    Ok(Receipt::update(&ctx.root, |receipt| {
        receipt.r.entry(library).or_insert(shipped);
    })?)
}

/// Combines all failures into one problem.
fn combined_problem(failed: Vec<FailedPackage>) -> Problem {
    let verb = if failed.iter().any(|failure| failure.built) { "built" } else { "unpacked" };
    let names: Vec<String> = failed.iter().map(|failure| format!("`{}`", failure.package)).collect();
    let mut error = match &names[..] {
        [one] => Problem::new(format!("R package {one} could not be {verb}")),
        many => Problem::new(format!("R packages {} could not be {verb}", many.join(", "))),
    };
    let several = failed.len() > 1;
    for failure in &failed {
        let prefix = if several { format!("{}: ", failure.package) } else { String::new() };
        error.causes.extend(failure.lines.iter().map(|line| format!("{prefix}{line}")));
        if !failure.blocked.is_empty() {
            error = error.cause(format!("{prefix}not installed because of it: {}", failure.blocked.join(", ")));
        }
        if let Some(log) = &failure.log {
            error = error.cause(format!("{prefix}the full output is in `{}`", log.display()));
        }
    }
    error.hint(hints::combined(failed.into_iter().filter_map(|failure| failure.remedy)))
}
