//! Downloads archives in parallel, and checks each against its index entry before anything is built.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use jiff::Timestamp;
use url::Url;

use super::{
    action::GitPackage,
    archive::{self, ArchiveError},
    description::Description,
    git_source,
    repository::{shown, user_agent},
    resolve::{ArchiveLocation, Candidate, ResolvedPackage},
    version::Version,
};
use crate::{
    diagnostic::in_words,
    digest::Digest,
    fs,
    http::Download,
    problem::Problem,
    report::event::{Amount, Unit},
    steps::Context,
};

/// Progress is reported once per this number of bytes.
const TELL_EVERY: u64 = 256 << 10;

/// A package whose archive is on this node.
#[derive(Debug)]
pub(super) struct FetchedPackage {
    /// The package.
    pub(super) chosen: ResolvedPackage,
    /// The path of its archive.
    pub(super) archive: PathBuf,
    /// The size of the archive in bytes.
    pub(super) bytes: u64,
    /// The DESCRIPTION in the archive. It may differ from the index, for example if the archive is a binary.
    pub(super) description: Description,
}

/// An archive that cannot be used.
pub(super) struct UnusableArchive {
    /// The URL of the archive.
    pub(super) url: Url,
    /// The reason, as a phrase that follows the package's version.
    pub(super) why: String,
    /// The same reason as a problem.
    pub(super) error: Problem,
}

/// Downloads the archives of all packages. The second list has the unusable archives.
pub(super) async fn all(
    ctx: &Context,
    chosen: Vec<ResolvedPackage>,
    r: &Version,
) -> (Vec<FetchedPackage>, Vec<UnusableArchive>) {
    let received = AtomicU64::new(0);
    let count = chosen.len();
    let mut tasks: FuturesUnordered<_> =
        chosen.into_iter().map(|chosen| one(ctx, chosen, r, count, &received)).collect();
    let (mut fetched, mut unusable) = (Vec::new(), Vec::new());
    while let Some(result) = tasks.next().await {
        match result {
            Ok(archive) => fetched.push(archive),
            Err(why) => unusable.push(*why),
        }
    }
    (fetched, unusable)
}

async fn one(
    ctx: &Context,
    chosen: ResolvedPackage,
    r: &Version,
    count: usize,
    received: &AtomicU64,
) -> Result<FetchedPackage, Box<UnusableArchive>> {
    let wanted = &chosen.candidate.description;
    let (archive, description) = match &chosen.candidate.location {
        ArchiveLocation::File { path, .. } | ArchiveLocation::Archived(_, path) | ArchiveLocation::Git(_, path) => {
            (path.clone(), wanted.clone())
        }
        ArchiveLocation::Repository(url) => {
            let on_bytes = |bytes| {
                let before = received.fetch_add(bytes, Ordering::Relaxed);
                if before == 0 || before / TELL_EVERY != (before + bytes) / TELL_EVERY {
                    let amount = Amount { done: before + bytes, total: 0, unit: Unit::Bytes };
                    ctx.progress.now(format!("downloading {count} R packages"), Some(amount));
                }
            };
            let path = download(ctx, url, wanted.digest.clone(), r, on_bytes).await.map_err(|error| {
                let why = error.causes.first().unwrap_or(&error.message);
                Box::new(UnusableArchive { url: url.clone(), why: format!("could not be fetched: {why}"), error })
            })?;
            let read = archive::read(path.clone(), wanted.digest.is_none()).await;
            let description = read.and_then(|read| verify(read, wanted, r)).map_err(|error| {
                let why = in_words(&error);
                // An unusable archive must not stay in the cache.
                let _ = fs::remove(&path);
                let error = Problem::new(format!("R package `{}` cannot be used", wanted.name));
                let error = error.cause(format!("`{}`: {why}", shown(url)));
                Box::new(UnusableArchive { url: url.clone(), why: format!("cannot be used: {why}"), error })
            })?;
            (path, description)
        }
    };
    let bytes = std::fs::metadata(&archive).map_or(0, |found| found.len());
    Ok(FetchedPackage { chosen, archive, bytes, description })
}

/// Checks that an archive contains the package of its index entry, for this version of R.
fn verify(found: Description, expected: &Description, r: &Version) -> Result<Description, ArchiveError> {
    if (&found.name, &found.version) != (&expected.name, &expected.version) {
        return Err(ArchiveError::other_package(found));
    }
    found.misfit(r).map_or(Ok(found), |reason| Err(ArchiveError::Misfit(reason)))
}

/// Downloads an archive into the agent's cache.
async fn download(
    ctx: &Context,
    url: &Url,
    digest: Option<Digest>,
    r: &Version,
    on_bytes: impl Fn(u64),
) -> Result<PathBuf, Problem> {
    let started = Timestamp::now();
    let file = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or("package").to_owned();
    let to = ctx.cache.join("r").join(key(url, digest.as_ref())).join(&file);
    let wanted = Download { url: url.clone(), to: to.clone(), size: None, limit: None, digest };
    let fetched = ctx.fetch_as(Some(&user_agent(r)), &wanted, on_bytes).await;
    let package = file.split('_').next().unwrap_or(&file);
    ctx.progress.task_finished(format!("download {package}"), started, fetched.is_ok());
    match fetched {
        Ok(()) => Ok(to),
        Err(error) => Err(Problem::from(error)),
    }
}

/// The folder of an archive in the cache. Equal bytes share a folder, whatever their URL.
fn key(url: &Url, digest: Option<&Digest>) -> String {
    let of_address = || Digest::sha256(url.as_str().as_bytes()).hex()[..16].to_owned();
    digest.map_or_else(of_address, |digest| digest.hex().to_owned())
}

/// Reads the archives that the profile names.
pub(super) async fn local(ctx: &Context, paths: &[PathBuf], r: &Version) -> Result<Vec<Candidate>, Problem> {
    let mut read = Vec::new();
    for path in paths {
        let shown = ctx.filestore.shown(path);
        let refused = |why: String| Problem::refused(format!("R archive `{shown}` cannot be used")).cause(why);
        let checked = archive::read(path.clone(), true).await;
        let description = checked.map_err(|error| refused(in_words(&error)))?;
        if let Some(why) = description.misfit(r) {
            return Err(refused(format!("{} {} {why}", description.name, description.version_text)));
        }
        read.push(Candidate { description, location: ArchiveLocation::File { path: path.clone(), shown } });
    }
    Ok(read)
}

/// Fetches the packages of git repositories.
pub(super) async fn from_git(ctx: &Context, packages: &[GitPackage], r: &Version) -> Result<Vec<Candidate>, Problem> {
    let mut read = Vec::new();
    for package in packages {
        let path = git_source::archive(ctx, package).await?;
        let refused = |why: String| Problem::refused(format!("R package `{}` cannot be used", package.name)).cause(why);
        let description = archive::read(path.clone(), false).await.map_err(|error| refused(in_words(&error)))?;
        if let Some(why) = description.misfit(r) {
            return Err(refused(format!("{} {} {why}", description.name, description.version_text)));
        }
        read.push(Candidate { description, location: ArchiveLocation::Git(package.clone(), path) });
    }
    Ok(read)
}

/// Downloads a version that is no longer in the index from the repository's archive folder. `None` if the repository
/// never had it.
pub(super) async fn archived(ctx: &Context, url: &Url, name: &str, r: &Version) -> Result<Option<Candidate>, Problem> {
    let started = Timestamp::now();
    let to = ctx.cache.join("r").join(key(url, None)).join(format!("{name}.tar.gz"));
    let wanted = Download { url: url.clone(), to: to.clone(), size: None, limit: None, digest: None };
    match ctx.fetch_as(Some(&user_agent(r)), &wanted, |_| ()).await {
        Err(error) if error.is_absent() => return Ok(None),
        fetched => {
            ctx.progress.task_finished(format!("download {name}"), started, fetched.is_ok());
            fetched?;
        }
    }
    let unusable =
        |error: ArchiveError| Problem::new(format!("`{}` cannot be used", shown(url))).cause(in_words(&error));
    let description = archive::read(to.clone(), true).await.map_err(unusable)?;
    match description.misfit(r) {
        Some(reason) => Err(unusable(ArchiveError::Misfit(reason))),
        None => Ok(Some(Candidate { description, location: ArchiveLocation::Archived(url.clone(), to) })),
    }
}
