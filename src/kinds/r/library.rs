//! Reads an R library, finds its locks, and repairs it after an interruption.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    build,
    description::{Description, StanzaError},
    version::{Version, version},
};
use crate::{
    exec::kill_orphans,
    fs::{self, FsError, Staging},
};

/// The prefix of the agent's folders in a library. R ignores names that start with a dot.
const OURS: &str = ".nodeagent-";

/// Why a package does not count as installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotInstalled {
    /// The DESCRIPTION does not exist or cannot be read.
    #[error("`{}` is missing", .0.display())]
    Missing(PathBuf),
    /// The DESCRIPTION is invalid.
    #[error("`{package}` {error}")]
    Stanza { package: String, error: StanzaError },
    /// The folder contains sources.
    #[error("`{}` has no `Built:` line: it was not installed", .0.display())]
    Source(PathBuf),
    /// Another version is installed.
    #[error("`{package}` is installed as {found}, not {expected}")]
    OtherVersion { package: String, found: String, expected: String },
    /// It was not built from the commit.
    #[error("`{package}` was not built from the commit {expected}")]
    OtherCommit { package: String, expected: String },
    /// The package cannot be used with this R, on this machine.
    #[error("`{package}` {reason}")]
    Misfit { package: String, reason: String },
}

/// The expected version of a package, and its commit if it comes from a git repository.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) version: &'a str,
    pub(super) commit: Option<&'a str>,
}

/// Reads the DESCRIPTION of an installed package.
pub(super) fn installed(library: &Path, package: &str) -> Result<Description, NotInstalled> {
    let path = library.join(package).join("DESCRIPTION");
    let Ok(bytes) = std::fs::read(&path) else { return Err(NotInstalled::Missing(path)) };
    let read = Description::parse(&String::from_utf8_lossy(&bytes));
    let read = read.map_err(|error| NotInstalled::Stanza { package: package.to_owned(), error })?;
    if read.built.is_some() { Ok(read) } else { Err(NotInstalled::Source(path)) }
}

/// Verifies that a package is installed in this version, for this version of R.
pub(super) fn verify(library: &Path, package: &str, expected: Expected<'_>, r: &Version) -> Result<(), NotInstalled> {
    let found = installed(library, package)?;
    if Some(&found.version) != version(expected.version).as_ref() {
        let (package, expected) = (package.to_owned(), expected.version.to_owned());
        return Err(NotInstalled::OtherVersion { package, found: found.version_text, expected });
    }
    if let Some(commit) = expected.commit.filter(|commit| found.commit.as_deref() != Some(commit)) {
        return Err(NotInstalled::OtherCommit { package: package.to_owned(), expected: commit.to_owned() });
    }
    match found.misfit(r) {
        Some(reason) => Err(NotInstalled::Misfit { package: package.to_owned(), reason }),
        None => Ok(()),
    }
}

/// A lock that keeps R from installing a package: of the package or of the whole library.
pub(super) fn lock(library: &Path, package: &str) -> Option<PathBuf> {
    ["00LOCK".to_owned(), format!("00LOCK-{package}")]
        .map(|name| library.join(name))
        .into_iter()
        .find(|lock| lock.exists())
}

/// Checks that a library exists or can be created, and is writable. R's own messages about this are unclear.
pub(super) fn ensure_writable(library: &Path) -> Result<(), FsError> {
    let probe = library.join(format!("{OURS}probe"));
    fs::create_dirs(&probe, 0o755)?;
    fs::remove_tree(&probe)
}

/// A folder in which a binary package is unpacked before it is moved into place.
pub(super) fn staging(library: &Path, package: &str) -> Result<Staging, FsError> {
    Staging::create_in(library, &staging_label(package))
}

fn staging_label(package: &str) -> String {
    format!("{package}-new")
}

/// Moves an unpacked package into place and replaces an older version.
pub(super) fn swap_in(staged: &Staging, package: &str) -> Result<(), FsError> {
    staged.replace_folder(package.as_ref(), old(package).as_ref())
}

/// The name of an older version that is being replaced.
fn old(package: &str) -> String {
    format!("{OURS}{package}-old")
}

/// Repairs a library after a killed run: ends builds that still run, removes locks and incomplete packages, and
/// restores older versions that were set aside. After a new start of the system, all packages are removed, because
/// their files may be torn.
pub fn clean_up_interrupted(library: &Path, packages: &[String], is_rebooted: bool) -> Result<(), FsError> {
    let library_text = library.to_string_lossy();
    kill_orphans(|args| {
        let builds = |package: &String| args.last().is_some_and(|archive| build::is_archive_of(archive, package));
        args.windows(2).any(|pair| pair[0] == "-l" && pair[1] == library_text) && packages.iter().any(builds)
    });
    repair(library, packages, is_rebooted)
}

fn repair(library: &Path, packages: &[String], is_rebooted: bool) -> Result<(), FsError> {
    for package in packages {
        let (place, lock) = (library.join(package), library.join(format!("00LOCK-{package}")));
        // R moves the older version into the lock folder, then works beside it (`00new`) or in place.
        let aside = [lock.join(package), library.join(old(package))].into_iter().find(|aside| aside.is_dir());
        if is_rebooted || !is_whole(library, package) {
            fs::remove_tree(&place)?;
        }
        if let Some(aside) = aside.filter(|_| !place.exists()) {
            fs::rename(&aside, &place)?;
        }
        fs::remove_tree(&lock)?;
        fs::remove_partial_files_of(&library.join(staging_label(package)))?;
        fs::remove_tree(&library.join(old(package)))?;
    }
    Ok(())
}

/// Whether an installation completed. R writes DESCRIPTION first, and INDEX and the index of the help pages last.
/// Every package has the latter, but not every package has INDEX.
fn is_whole(library: &Path, package: &str) -> bool {
    let folder = library.join(package);
    installed(library, package).is_ok() && ["INDEX", "help/AnIndex"].iter().any(|last| folder.join(last).is_file())
}

/// Repairs the library when an installation is dropped before its end, because the run was cancelled or timed out.
pub(super) struct InstallGuard<'a> {
    library: &'a Path,
    package: Option<String>,
}

impl<'a> InstallGuard<'a> {
    pub(super) fn new(library: &'a Path, package: &str) -> Self {
        Self { library, package: Some(package.to_owned()) }
    }

    /// Marks the installation as ended, with or without success.
    pub(super) fn ended(mut self) {
        self.package = None;
    }
}

impl Drop for InstallGuard<'_> {
    fn drop(&mut self) {
        let Some(package) = self.package.take() else { return };
        // Children that were just killed may still finish a write.
        for _ in 0..10 {
            let done = repair(self.library, std::slice::from_ref(&package), false).is_ok();
            std::thread::sleep(Duration::from_millis(10));
            if done && !self.library.join(format!("00LOCK-{package}")).exists() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &str = "Built: R 4.2.2; ; 2023-01-21 11:51:38 UTC; unix\n";

    fn library(files: &[(&str, String)]) -> tempfile::TempDir {
        let temp = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in files {
            fs::put(&temp.path().join(path), text);
        }
        temp
    }

    fn description(version: &str) -> String {
        format!("Package: a\nVersion: {version}\n{BUILT}")
    }

    fn version_of(library: &tempfile::TempDir) -> Option<String> {
        installed(library.path(), "a").ok().map(|found| found.version_text)
    }

    fn entries(library: &tempfile::TempDir) -> usize {
        std::fs::read_dir(library.path()).expect("readable").count()
    }

    #[test]
    fn verification_needs_the_right_version_built_for_this_r() {
        let library = library(&[("a/DESCRIPTION", description("1.0"))]);
        let look = |wanted, r| {
            verify(library.path(), "a", Expected { version: wanted, commit: None }, &version(r).expect("a version"))
        };
        assert_eq!(look("1.0", "4.2.2"), Ok(()));
        assert!(look("1.1", "4.2.2").is_err_and(|why| why.to_string().contains("is installed as 1.0, not 1.1")));
        assert!(look("1.0", "4.1.0").is_err_and(|why| why.to_string().contains("binary for R 4.2.2")));
        let expected = |commit| Expected { version: "1.0", commit };
        let r = version("4.2.2").expect("a version");
        assert!(verify(library.path(), "b", expected(None), &r).is_err());
        let other = verify(library.path(), "a", expected(Some("12ab")), &r);
        assert!(other.is_err_and(|why| why.to_string().contains("was not built from the commit 12ab")));
    }

    #[test]
    fn a_source_folder_is_not_installed() {
        let library = library(&[("a/DESCRIPTION", "Package: a\nVersion: 1.0\n".into())]);
        assert!(installed(library.path(), "a").is_err_and(|why| why.to_string().contains("Built")));
    }

    #[test]
    fn an_interrupted_upgrade_restores_the_older_version() {
        let library = library(&[
            ("a/DESCRIPTION", description("2.0")),
            ("00LOCK-a/a/DESCRIPTION", description("1.0")),
            ("00LOCK-a/a/INDEX", String::new()),
            ("00LOCK-a/00new/a/DESCRIPTION", description("2.0")),
        ]);
        clean_up_interrupted(library.path(), &["a".into()], false).expect("cleaned");
        assert_eq!((version_of(&library).as_deref(), entries(&library)), (Some("1.0"), 1));
    }

    #[test]
    fn an_interrupted_first_installation_leaves_no_files() {
        let library = library(&[
            ("a/DESCRIPTION", description("2.0")),
            ("00LOCK-a/x", String::new()),
            (".a-new.7-0-0.nodeagent/a/DESCRIPTION", description("2.0")),
        ]);
        clean_up_interrupted(library.path(), &["a".into(), "never-begun".into()], false).expect("cleaned");
        assert_eq!(entries(&library), 0);
    }

    #[test]
    fn a_complete_package_is_kept() {
        let library = library(&[
            ("a/DESCRIPTION", description("2.0")),
            ("a/INDEX", String::new()),
            ("00LOCK-a/x", String::new()),
        ]);
        clean_up_interrupted(library.path(), &["a".into()], false).expect("cleaned");
        assert_eq!((version_of(&library).as_deref(), entries(&library)), (Some("2.0"), 1));
    }

    #[test]
    fn a_complete_package_may_have_no_index_file() {
        // R writes INDEX only if the source or its help pages provide one.
        let library = library(&[("a/DESCRIPTION", description("2.0")), ("a/help/AnIndex", String::new())]);
        clean_up_interrupted(library.path(), &["a".into()], false).expect("cleaned");
        assert_eq!(version_of(&library).as_deref(), Some("2.0"));
    }

    #[test]
    fn an_older_version_is_replaced_completely() {
        let library = library(&[("a/DESCRIPTION", description("1.0")), ("a/R/only-in-the-old-one", String::new())]);
        let staged = staging(library.path(), "a").expect("made");
        fs::put(&staged.path().join("a/DESCRIPTION"), &description("2.0"));
        swap_in(&staged, "a").expect("swapped");
        drop(staged);
        assert_eq!((version_of(&library).as_deref(), entries(&library)), (Some("2.0"), 1));
        assert!(!library.path().join("a/R").exists());
    }

    #[test]
    fn locks_of_the_package_and_of_the_library_are_found() {
        let library = library(&[("00LOCK-a/x", String::new())]);
        assert_eq!(lock(library.path(), "b"), None);
        assert_eq!(lock(library.path(), "a"), Some(library.path().join("00LOCK-a")));
        fs::create_dirs(&library.path().join("00LOCK"), 0o755).expect("created");
        assert_eq!(lock(library.path(), "b"), Some(library.path().join("00LOCK")));
    }
}
