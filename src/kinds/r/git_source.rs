//! Packs packages of git repositories as source archives. The DESCRIPTION in an archive has the repository and the
//! commit in the fields that `remotes` and `pak` write, so that the installed package proves its commit.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{
    action::GitPackage,
    archive,
    description::{Description, StanzaError},
};
use crate::{
    diagnostic::in_words,
    digest::Digest,
    fs::{self, Attributes},
    lock::GitCommit,
    problem::Problem,
    steps::{
        Context,
        blocking::run_blocking,
        git::{self, GitSource, Revision},
    },
    task::TaskError,
};

/// The beginning of the fields that name the origin of a package.
const REMOTE: &str = "Remote";
/// The modification time of all packed files: `make` must not see an order in which git wrote them.
const SECONDS: u64 = 1;

/// Why a repository has no usable package, as a phrase with "it" as the subject.
#[derive(Debug, thiserror::Error)]
enum PackError {
    #[error("it has no `DESCRIPTION` in {0}")]
    NoDescription(String),
    #[error("its package {0}")]
    Stanza(StanzaError),
    #[error("its `DESCRIPTION` is of the package `{0}`")]
    OtherPackage(String),
    #[error(transparent)]
    Files(#[from] fs::FsError),
    #[error("the packing thread failed")]
    Thread(#[from] TaskError),
}

/// Fetches a package at its commit, and packs it. Returns the archive.
///
/// # Errors
/// If the commit cannot be fetched, or has no such package.
pub(super) async fn archive(ctx: &Context, package: &GitPackage) -> Result<PathBuf, Problem> {
    let folder = ctx.cache.join("r/git").join(&package.name);
    let clone = folder.join("clone");
    fs::remove_tree(&folder)?;
    fs::create_dirs(&clone, 0o755)?;
    ctx.progress.now(format!("fetching {}", package.label()), None);
    let revision = Revision::Commit(package.from.commit.clone());
    let source = GitSource { url: &package.from.url, revision: &revision, depth: 1, submodules: false };
    git::fetch(ctx, &source, &clone).await.map_err(Problem::refusing)?;
    let (wanted, into) = (package.clone(), folder.clone());
    let packed = run_blocking(move || pack(&wanted, &clone, &into)).await;
    fs::remove_tree(&folder.join("clone"))?;
    packed.map_err(|error| {
        let problem = Problem::refused(format!("`{}` has no usable R package `{}`", package.from.url, package.name));
        problem.cause(in_words(&error)).hint("check `name`, `commit` and `subdir`".to_owned())
    })
}

/// The archive of a locked package: from the store, or packed again.
///
/// # Errors
/// See [`archive`].
pub(super) async fn locked(ctx: &Context, package: &GitPackage, digest: &Digest) -> Result<PathBuf, Problem> {
    let stored = ctx.cache.join("r").join(digest.hex()).join(format!("{}.tar", package.name));
    if ctx.store.object(digest, None, &stored, |_| ()).await && is_of(&stored, package).await {
        return Ok(stored);
    }
    let archive = archive(ctx, package).await?;
    keep(ctx, &archive).await;
    Ok(archive)
}

/// Keeps an archive in the store.
pub(super) async fn keep(ctx: &Context, archive: &Path) {
    if let Ok(digest) = Digest::sha256_of_file(archive) {
        // git may have used credentials of the node, so the archive is not for all users of a shared store.
        ctx.store.keep_local(&digest, archive).await;
    }
}

/// Whether an archive has the package at its commit.
async fn is_of(path: &Path, package: &GitPackage) -> bool {
    let found = archive::read(path.to_owned(), false).await;
    found.is_ok_and(|found| found.name == package.name && found.commit.as_ref() == Some(&package.from.commit))
}

/// Packs the package in a clone. Equal commits have equal archives.
fn pack(package: &GitPackage, clone: &Path, folder: &Path) -> Result<PathBuf, PackError> {
    let subdir = package.from.subdir.as_deref();
    let place = || subdir.map_or_else(|| "its top folder".to_owned(), |subdir| format!("`{subdir}`"));
    let found = clone.join(subdir.unwrap_or_default());
    // A link in the repository must not lead to other files of the node.
    let is_inside = std::fs::canonicalize(&found)
        .and_then(|found| Ok(found.starts_with(std::fs::canonicalize(clone)?)))
        .unwrap_or(false);
    let description = found.join("DESCRIPTION");
    let is_file = is_inside && description.symlink_metadata().is_ok_and(|found| found.is_file());
    let text = if is_file { std::fs::read(&description).ok() } else { None };
    let text = text.ok_or_else(|| PackError::NoDescription(place()))?;
    let text = with_commit(&String::from_utf8_lossy(&text), &package.from);
    let read = Description::parse(&text).map_err(PackError::Stanza)?;
    if read.name != package.name {
        return Err(PackError::OtherPackage(read.name));
    }
    fs::remove_tree(&clone.join(".git"))?;
    fs::replace(&description, text.as_bytes(), Attributes::mode(0o644))?;
    // An archive has a folder with the name of the package.
    let named = folder.join(&package.name);
    fs::rename(&found, &named)?;
    let to = folder.join(format!("{}_{}.tar", read.name, read.version_text));
    fs::pack(&named, SECONDS, fs::PartialFile::create(&to, Attributes::mode(0o644))?)?.commit()?;
    fs::remove_tree(&named)?;
    Ok(to)
}

/// A DESCRIPTION with the fields of its commit. Fields of another origin are replaced.
fn with_commit(description: &str, from: &GitCommit) -> String {
    let mut text = String::with_capacity(description.len() + 256);
    let mut is_kept = true;
    for line in description.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if !line.starts_with([' ', '\t']) {
            // `Remotes` lists packages, and is no field of the origin.
            is_kept = !line.starts_with(REMOTE) || line.starts_with("Remotes:");
        }
        if is_kept {
            let _ = writeln!(text, "{line}");
        }
    }
    let fields = [("Type", Some("git")), ("Url", Some(from.url.as_str())), ("Sha", Some(from.commit.as_str()))];
    for (name, value) in fields.into_iter().chain([("Subdir", from.subdir.as_deref())]) {
        if let Some(value) = value {
            let _ = writeln!(text, "{REMOTE}{name}: {value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c";

    fn package(subdir: Option<&str>) -> GitPackage {
        let url = "https://git.firm.example/models.git".parse().expect("an address");
        let from = GitCommit { url, commit: COMMIT.to_owned(), subdir: subdir.map(str::to_owned) };
        GitPackage { name: "models".to_owned(), from }
    }

    /// A clone with these files, packed.
    fn packed(files: &[(&str, &str)], subdir: Option<&str>) -> Result<(Vec<u8>, Description), String> {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let clone = temp.path().join("clone");
        for (path, text) in files {
            fs::put(&clone.join(path), text);
        }
        let outside = temp.path().join("outside");
        fs::put(&outside.join("DESCRIPTION"), "Package: models\nVersion: 1.0\n");
        if subdir == Some("link") {
            fs::create_dirs(&clone, 0o755).expect("made");
            std::os::unix::fs::symlink(&outside, clone.join("link")).expect("made");
        }
        let archive = pack(&package(subdir), &clone, temp.path()).map_err(|error| error.to_string())?;
        let description = archive::description(&archive, true).expect("a package");
        Ok((std::fs::read(&archive).expect("packed"), description))
    }

    #[test]
    fn a_packed_package_has_its_commit_and_equal_commits_have_equal_archives() {
        let text = "Package: models\nVersion: 1.2\nRemoteSha: 0000\nRemoteRef:\n  main\nRemotes: firm/x\nImports: R6\n";
        let files = [("DESCRIPTION", text), ("R/a.R", "a <- 1\n"), (".git/config", "x")];
        let (bytes, description) = packed(&files, None).expect("packed");
        assert_eq!((description.version_text.as_str(), description.commit.as_deref()), ("1.2", Some(COMMIT)));
        assert_eq!(description.packages().map(|needed| needed.name.as_str()).collect::<Vec<_>>(), ["R6"]);
        assert_eq!(packed(&files, None).expect("packed").0, bytes);
        let is_there = |text: &str| memchr::memmem::find(&bytes, text.as_bytes()).is_some();
        assert!(is_there("\nRemoteType: git\nRemoteUrl: https://git.firm.example/models.git\n"));
        let mut archive = tar::Archive::new(&*bytes);
        let entries = archive.entries().expect("an archive").map(|entry| entry.expect("an entry"));
        let types: Vec<u8> = entries.map(|entry| entry.header().as_bytes()[156]).collect();
        assert_eq!(types, b"5050", "R unpacks no other types");
        assert!(is_there("\nRemotes: firm/x\n") && !is_there("RemoteRef") && !is_there(".git/config"));
        let below = [("r/models/DESCRIPTION", text), ("DESCRIPTION", "Package: other\nVersion: 1.0\n")];
        assert_eq!(packed(&below, Some("r/models")).expect("packed").1.version_text, "1.2");
    }

    #[test]
    fn a_repository_without_the_package_is_refused() {
        let other = [("DESCRIPTION", "Package: other\nVersion: 1.0\n")];
        assert_eq!(packed(&other, None).expect_err("another"), "its `DESCRIPTION` is of the package `other`");
        assert_eq!(packed(&other, Some("r")).expect_err("no folder"), "it has no `DESCRIPTION` in `r`");
        assert_eq!(packed(&[], None).expect_err("no file"), "it has no `DESCRIPTION` in its top folder");
        assert_eq!(packed(&[], Some("link")).expect_err("outside"), "it has no `DESCRIPTION` in `link`");
        let wrong = [("DESCRIPTION", "Package: models\nVersion: soon\n")];
        assert!(packed(&wrong, None).expect_err("no version").starts_with("its package has the invalid version"));
    }
}
