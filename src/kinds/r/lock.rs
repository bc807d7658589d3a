//! Locks R packages: lists the resolved packages for a lock, and prepares the installation of a lock without an
//! index.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{
    archive::{self, ArchiveError},
    description::Description,
    fetch::FetchedPackage,
    git_source,
    package_install::Packages,
    repository::user_agent,
    resolve::{ArchiveLocation, Candidate, ResolvedPackage},
    selection::{checked_version, decide},
    version::{Version, version},
};
use crate::{
    diagnostic::in_words,
    digest::Digest,
    kinds::r::{GitPackage, RInstall},
    lock::{self, LockedRPackage, bare},
    problem::Problem,
    steps::{
        Context,
        locked::{self, LockedFile},
    },
};

/// Every package that would be installed. Packages in `keep` keep their version as long as a repository offers it.
/// `asset` returns the file store path of an archive.
pub async fn lock(
    ctx: &Context,
    wanted: &RInstall,
    keep: &BTreeMap<String, String>,
    asset: impl Fn(&std::path::Path) -> Option<String>,
) -> Result<Vec<LockedRPackage>, Problem> {
    let mut all = Vec::new();
    for one in decide(ctx, wanted, keep).await? {
        let from = match &one.chosen.candidate.location {
            ArchiveLocation::Repository(url) | ArchiveLocation::Archived(url, _) => lock::ArchiveSource::Url(bare(url)),
            ArchiveLocation::File { path, shown } => {
                lock::ArchiveSource::Asset(asset(path).unwrap_or_else(|| shown.clone()))
            }
            ArchiveLocation::Git(package, path) => {
                git_source::keep(ctx, path).await;
                lock::ArchiveSource::Git(package.from.clone())
            }
        };
        let unread = |error| Problem::new(format!("`{}` could not be read", one.archive.display())).because(&error);
        all.push(LockedRPackage {
            sha256: Digest::sha256_of_file(&one.archive).map_err(unread)?,
            from,
            binary: one.description.built.is_some(),
            name: one.description.name,
            version: one.description.version_text,
            needs: one.chosen.needs,
            only_for: BTreeSet::new(),
        });
    }
    all.sort();
    Ok(all)
}

/// Downloads the archives of a lock and reads their metadata.
pub(super) async fn prepare(
    ctx: &Context,
    wanted: &RInstall,
    packages: &[(LockedRPackage, Option<PathBuf>)],
) -> Result<Packages, Problem> {
    let r = checked_version(wanted)?;
    let mut archives = Vec::new();
    for (package, file) in packages {
        archives.push(match &package.from {
            lock::ArchiveSource::Git(from) => {
                let wanted = GitPackage { name: package.name.clone(), from: from.clone() };
                git_source::locked(ctx, &wanted, &package.sha256).await?
            }
            lock::ArchiveSource::Url(_) | lock::ArchiveSource::Asset(_) => archive_path(ctx, package, file.as_ref()),
        });
    }
    let of_servers = packages.iter().zip(&archives).filter_map(|((package, _), to)| match &package.from {
        lock::ArchiveSource::Url(url) => Some(LockedFile {
            title: format!("{} {}", package.name, package.version),
            url: url.clone(),
            size: None,
            sha256: &package.sha256,
            to: to.clone(),
        }),
        lock::ArchiveSource::Asset(_) | lock::ArchiveSource::Git(_) => None,
    });
    locked::fetch(ctx, Some(&user_agent(&r)), of_servers.collect()).await?;
    let names: BTreeSet<&String> = packages.iter().map(|(package, _)| &package.name).collect();
    let mut fetched = Vec::new();
    for ((package, _), archive) in packages.iter().zip(archives) {
        let description = archive::read(archive.clone(), false).await;
        let description = description.and_then(|found| verify(found, package, &r)).map_err(|error| {
            let refused = Problem::refused(format!("R package `{}` of the lock cannot be used", package.name));
            refused.cause(format!("`{}`: {}", ctx.filestore.shown(&archive), in_words(&error)))
        })?;
        let bytes = std::fs::metadata(&archive).map_or(0, |found| found.len());
        let location = match &package.from {
            lock::ArchiveSource::Url(url) => ArchiveLocation::Repository(url.clone()),
            lock::ArchiveSource::Asset(_) => {
                ArchiveLocation::File { shown: ctx.filestore.shown(&archive), path: archive.clone() }
            }
            lock::ArchiveSource::Git(from) => {
                let package = GitPackage { name: package.name.clone(), from: from.clone() };
                ArchiveLocation::Git(package, archive.clone())
            }
        };
        // Installed packages need no waiting.
        let needs = package.needs.iter().filter(|name| names.contains(name)).cloned().collect();
        let chosen = ResolvedPackage { candidate: Candidate { description: description.clone(), location }, needs };
        fetched.push(FetchedPackage { chosen, archive, bytes, description });
    }
    Ok(Packages::of(fetched))
}

/// The path of a package's archive on this node.
fn archive_path(ctx: &Context, package: &LockedRPackage, file: Option<&PathBuf>) -> PathBuf {
    if let (lock::ArchiveSource::Asset(_), Some(file)) = (&package.from, file) {
        return file.clone();
    }
    let name = format!("{}_{}.tar.gz", package.name, package.version);
    ctx.cache.join("r").join(package.sha256.hex()).join(name)
}

/// Checks that an archive contains the locked package, for this version of R.
fn verify(found: Description, locked: &LockedRPackage, r: &Version) -> Result<Description, ArchiveError> {
    let is_of_commit = locked.commit().is_none_or(|commit| found.commit.as_deref() == Some(commit));
    if found.name != locked.name || Some(&found.version) != version(&locked.version).as_ref() || !is_of_commit {
        return Err(ArchiveError::other_package(found));
    }
    found.misfit(r).map_or(Ok(found), |reason| Err(ArchiveError::Misfit(reason)))
}
