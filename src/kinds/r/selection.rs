//! Selects the versions of the packages of a step and downloads their archives.

use std::collections::BTreeMap;

use futures::future::join_all;
use url::Url;

use super::{
    action::{RInstall, RInstalled},
    fetch::{self, FetchedPackage},
    library,
    repository::{self, Repository},
    resolve::{Candidate, ResolvedPackage, ResolverInput},
    resolve_error::ResolveError,
    version::{Requirement, Version, version},
};
use crate::{problem::Problem, steps::Context};

/// The version of R that packages are installed for.
pub(super) fn checked_version(wanted: &RInstall) -> Result<Version, Problem> {
    version(&wanted.r_version).ok_or_else(|| Problem::refused(format!("`{}` is not a version of R", wanted.r_version)))
}

/// Resolves versions, preferring those in `keep`, and downloads archives.
pub(super) async fn decide(
    ctx: &Context,
    wanted: &RInstall,
    keep: &BTreeMap<String, String>,
) -> Result<Vec<FetchedPackage>, Problem> {
    let r = checked_version(wanted)?;
    check_pins(wanted)?;
    let mut archives = fetch::local(ctx, &wanted.archives, &r).await?;
    archives.extend(fetch::from_git(ctx, &wanted.git, &r).await?);
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
