//! Repositories and their indexes. An unreachable repository is a warning as long as the others have all packages.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use futures::future::join_all;
use url::Url;

use super::{description::Description, index::Index, version::Version};
use crate::{
    digest::Digest,
    http::{Download, HttpError},
    problem::Problem,
    steps::Context,
    task,
};

/// A repository whose index was read.
#[derive(Debug)]
pub(super) struct Repository {
    /// Its URL.
    pub(super) url: Url,
    /// Its index.
    pub(super) index: Index,
}

impl Repository {
    /// Its URL without credentials.
    pub(super) fn shown(&self) -> String {
        shown(&self.url)
    }

    /// The URL of the archive of a package in the index.
    pub(super) fn archive(&self, package: &Description) -> Url {
        let usual = format!("{}_{}.tar.gz", package.name, package.version_text);
        let folder = package.folder.iter().flat_map(|folder| folder.split('/'));
        below(&self.url, CONTRIB.into_iter().chain(folder).chain([package.file.as_deref().unwrap_or(&usual)]))
    }

    /// The URL of the archive of a version that is no longer in the index.
    pub(super) fn archived(&self, name: &str, version: &str) -> Url {
        below(&self.url, CONTRIB.into_iter().chain(["Archive", name, &format!("{name}_{version}.tar.gz")]))
    }
}

const CONTRIB: [&str; 2] = ["src", "contrib"];

/// A URL below another one. Parts that lead upwards are ignored.
fn below<'a>(url: &Url, parts: impl Iterator<Item = &'a str>) -> Url {
    let mut url = url.clone();
    // A URL without a path, such as `mailto:`, is refused by the download.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts.filter(|part| !matches!(*part, "" | "." | "..")));
    }
    url
}

/// A URL without user name and password.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // URLs that cannot carry credentials have none to hide.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.to_string()
}

/// R's own user agent. Repositories with Linux binaries select them by it and send sources to other clients.
pub(super) fn user_agent(r: &Version) -> String {
    let arch = std::env::consts::ARCH;
    let vendor = if arch == "x86_64" { "pc" } else { "unknown" };
    format!("R/{r} R ({r} {arch}-{vendor}-linux-gnu {arch} linux-gnu)")
}

/// The usable repositories in order of preference, and the problems of the others.
pub(super) async fn indexes(ctx: &Context, urls: &[Url], r: &Version) -> (Vec<Repository>, Vec<Problem>) {
    let read = join_all(urls.iter().map(|url| index(ctx, url, r))).await;
    let (mut repositories, mut failures) = (Vec::new(), Vec::new());
    for (url, read) in urls.iter().zip(read) {
        match read {
            Ok(index) => {
                if let Some(first) = index.skipped.first() {
                    let count = index.skipped.len();
                    let place = shown(url);
                    ctx.progress
                        .warn(format!("{count} entries of the R index at {place} are invalid, the first is `{first}`"));
                }
                repositories.push(Repository { url: url.clone(), index });
            }
            Err(error) => failures.push(error),
        }
    }
    (repositories, failures)
}

/// Downloads an index into the cache and reads it from there, to limit the memory use.
async fn index(ctx: &Context, repository: &Url, r: &Version) -> Result<Index, Problem> {
    let unusable = || Problem::new(format!("R repository `{}` cannot be used", shown(repository)));
    let folder = ctx.cache.join("r").join(&Digest::sha256(repository.as_str().as_bytes()).hex()[..16]);
    let mut last = None;
    for name in ["PACKAGES.gz", "PACKAGES"] {
        let url = below(repository, CONTRIB.into_iter().chain([name]));
        let to = folder.join(name);
        let wanted = Download { url, to: to.clone(), size: None, limit: None, digest: None };
        match ctx.http.download_as(Some(&user_agent(r)), &wanted, |_| ()).await {
            Ok(()) => match read(&to).await {
                Ok(index) => return Ok(index),
                Err(why) => last = Some(unusable().cause(format!("`{name}` is not an index: {why}"))),
            },
            Err(error) if error.is_absent() => last = Some(absent(unusable(), &error)),
            Err(error) => return Err(unusable().because(&error).hint(error.hint())),
        }
    }
    Err(last.unwrap_or_else(unusable))
}

fn absent(error: Problem, why: &HttpError) -> Problem {
    let hint =
        "the index of a repository is `src/contrib/PACKAGES.gz`; give the URL of the folder above `src`".to_owned();
    error.because(why).hint(hint)
}

async fn read(path: &Path) -> io::Result<Index> {
    let path = path.to_owned();
    let work = move || -> io::Result<Index> {
        let mut file = BufReader::new(File::open(path)?);
        // Some servers decompress a `.gz` file during the transfer.
        let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let index = Index::read(BufReader::with_capacity(64 << 10, reader))?;
        if index.names().next().is_none() && !index.skipped.is_empty() {
            return Err(io::Error::other(format!("it begins with `{}`", index.skipped[0])));
        }
        Ok(index)
    };
    task::blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(url: &str) -> Repository {
        Repository { url: url.parse().expect("an address"), index: Index::default() }
    }

    #[test]
    fn archives_are_beside_the_index_or_in_the_given_folder() {
        let plain = Description::parse("Package: a\nVersion: 1.0-2\n").expect("good");
        let moved =
            Description::parse("Package: a\nVersion: 1.0\nPath: 4.2.2/Recommended\nFile: b.tar.gz\n").expect("good");
        for base in ["https://r.example/cran", "https://r.example/cran/"] {
            let r = repository(base);
            assert_eq!(r.archive(&plain).as_str(), "https://r.example/cran/src/contrib/a_1.0-2.tar.gz");
            assert_eq!(r.archive(&moved).as_str(), "https://r.example/cran/src/contrib/4.2.2/Recommended/b.tar.gz");
            assert_eq!(r.archived("a", "0.9").as_str(), "https://r.example/cran/src/contrib/Archive/a/a_0.9.tar.gz");
        }
    }

    #[test]
    fn an_index_cannot_point_outside_its_repository() {
        let evil = Description::parse("Package: a\nVersion: 1.0\nPath: ../../..\nFile: ../etc/passwd\n").expect("read");
        assert!(
            repository("https://r.example/cran")
                .archive(&evil)
                .as_str()
                .starts_with("https://r.example/cran/src/contrib/")
        );
    }
}
