//! An R library: what is in it, what blocks it, and how it is put right after an interruption.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    build,
    description::Description,
    version::{Version, version},
};
use crate::{
    exec::kill_orphans,
    fs::{self, FsError},
};

/// The prefix of every folder of ours in a library. R overlooks names that begin with a dot.
const OURS: &str = ".nodeagent-";

/// Reads what is installed under a name.
pub(super) fn installed(library: &Path, package: &str) -> Result<Description, String> {
    let path = library.join(package).join("DESCRIPTION");
    let bytes = std::fs::read(&path).map_err(|_| format!("`{}` is not there", path.display()))?;
    let read = Description::parse(&String::from_utf8_lossy(&bytes)).map_err(|why| format!("`{package}` {why}"))?;
    match &read.built {
        Some(_) => Ok(read),
        None => Err(format!("`{}` has no `Built:` line: it was not installed", path.display())),
    }
}

/// Looks again: whether a package is there, in this version, for this R.
pub(super) fn verify(library: &Path, package: &str, wanted: &str, r: &Version) -> Result<(), String> {
    let found = installed(library, package)?;
    if Some(&found.version) != version(wanted).as_ref() {
        return Err(format!("`{package}` is {} after the installation, not {wanted}", found.version_text));
    }
    found.misfit(r).map_or(Ok(()), |why| Err(format!("`{package}` {why}")))
}

/// A lock that keeps R from installing a package: of the package, or of the whole library.
pub(super) fn lock(library: &Path, package: &str) -> Option<PathBuf> {
    ["00LOCK".to_owned(), format!("00LOCK-{package}")]
        .map(|name| library.join(name))
        .into_iter()
        .find(|lock| lock.exists())
}

/// Makes sure that a library is there and that packages can be put into it: R's own words about this are poor.
pub(super) fn open(library: &Path) -> Result<(), FsError> {
    let probe = library.join(format!("{OURS}probe"));
    fs::create_dirs(&probe, 0o755)?;
    fs::remove_tree(&probe)
}

/// The folder a binary package is unpacked in before it appears.
pub(super) fn staging(library: &Path, package: &str) -> PathBuf {
    library.join(format!("{OURS}{package}-new"))
}

/// Makes an unpacked package appear in the library, in the place of an older version.
pub(super) fn swap_in(library: &Path, package: &str) -> Result<(), FsError> {
    let (staged, old) = (staging(library, package), old(library, package));
    let (new, place) = (staged.join(package), library.join(package));
    fs::remove_tree(&old)?;
    if place.symlink_metadata().is_ok() {
        fs::rename(&place, &old)?;
    }
    if let Err(error) = fs::rename(&new, &place) {
        // The older version is better than none.
        let _ = fs::rename(&old, &place);
        return Err(error);
    }
    fs::remove_tree(&staged)?;
    fs::remove_tree(&old)
}

fn old(library: &Path, package: &str) -> PathBuf {
    library.join(format!("{OURS}{package}-old"))
}

/// Puts a library right after a run was killed: builds that still go on are ended, locks and half-installed packages
/// go, an older version that was set aside comes back.
pub fn clean_up_interrupted(library: &Path, packages: &[String]) -> Result<(), FsError> {
    let library_text = library.to_string_lossy();
    kill_orphans(|args| {
        let builds = |package: &String| args.last().is_some_and(|archive| build::is_archive_of(archive, package));
        args.windows(2).any(|pair| pair[0] == "-l" && pair[1] == library_text) && packages.iter().any(builds)
    });
    put_right(library, packages)
}

fn put_right(library: &Path, packages: &[String]) -> Result<(), FsError> {
    for package in packages {
        let (place, lock) = (library.join(package), library.join(format!("00LOCK-{package}")));
        // R sets the older version aside in the lock, then works beside it (`00new`) or in its place.
        let aside = [lock.join(package), old(library, package)].into_iter().find(|aside| aside.is_dir());
        if !is_whole(library, package) {
            fs::remove_tree(&place)?;
        }
        if let Some(aside) = aside.filter(|_| !place.exists()) {
            fs::rename(&aside, &place)?;
        }
        fs::remove_tree(&lock)?;
        fs::remove_tree(&staging(library, package))?;
        fs::remove_tree(&old(library, package))?;
    }
    Ok(())
}

/// Whether an installation went to its end. R writes DESCRIPTION first, and these when the code is done: INDEX where
/// the package has one, the index of its help pages always.
fn is_whole(library: &Path, package: &str) -> bool {
    let folder = library.join(package);
    installed(library, package).is_ok() && ["INDEX", "help/AnIndex"].iter().any(|last| folder.join(last).is_file())
}

/// Cleans up after packages whose installation is dropped half-way: the run was ended, or its time was up.
pub(super) struct InstallGuard<'a> {
    library: &'a Path,
    package: Option<String>,
}

impl<'a> InstallGuard<'a> {
    pub(super) fn new(library: &'a Path, package: &str) -> Self {
        Self { library, package: Some(package.to_owned()) }
    }

    /// The installation ended by itself, well or badly.
    pub(super) fn ended(mut self) {
        self.package = None;
    }
}

impl Drop for InstallGuard<'_> {
    fn drop(&mut self) {
        let Some(package) = self.package.take() else { return };
        // Children that were killed a moment ago may still end a write.
        for _ in 0..10 {
            let done = put_right(self.library, std::slice::from_ref(&package)).is_ok();
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
            fs::replace(&temp.path().join(path), text.as_bytes(), fs::Attributes::default()).expect("written");
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
    fn the_second_look_wants_the_right_version_built_for_this_r() {
        let library = library(&[("a/DESCRIPTION", description("1.0"))]);
        let look = |wanted, r| verify(library.path(), "a", wanted, &version(r).expect("a version"));
        assert_eq!(look("1.0", "4.2.2"), Ok(()));
        assert!(look("1.1", "4.2.2").is_err_and(|why| why.contains("is 1.0 after")));
        assert!(look("1.0", "4.1.0").is_err_and(|why| why.contains("binary for R 4.2.2")));
        assert!(verify(library.path(), "b", "1.0", &version("4.2.2").expect("a version")).is_err());
    }

    #[test]
    fn a_source_folder_does_not_count_as_installed() {
        let library = library(&[("a/DESCRIPTION", "Package: a\nVersion: 1.0\n".into())]);
        assert!(installed(library.path(), "a").is_err_and(|why| why.contains("Built")));
    }

    #[test]
    fn an_interrupted_upgrade_gives_the_older_version_back() {
        let library = library(&[
            ("a/DESCRIPTION", description("2.0")),
            ("00LOCK-a/a/DESCRIPTION", description("1.0")),
            ("00LOCK-a/a/INDEX", String::new()),
            ("00LOCK-a/00new/a/DESCRIPTION", description("2.0")),
        ]);
        clean_up_interrupted(library.path(), &["a".into()]).expect("cleaned");
        assert_eq!((version_of(&library).as_deref(), entries(&library)), (Some("1.0"), 1));
    }

    #[test]
    fn an_interrupted_first_installation_leaves_nothing() {
        let library = library(&[
            ("a/DESCRIPTION", description("2.0")),
            ("00LOCK-a/x", String::new()),
            (".nodeagent-a-new/a/DESCRIPTION", description("2.0")),
        ]);
        clean_up_interrupted(library.path(), &["a".into(), "never-begun".into()]).expect("cleaned");
        assert_eq!(entries(&library), 0);
    }

    #[test]
    fn a_package_that_was_whole_already_stays() {
        let library = library(&[
            ("a/DESCRIPTION", description("2.0")),
            ("a/INDEX", String::new()),
            ("00LOCK-a/x", String::new()),
        ]);
        clean_up_interrupted(library.path(), &["a".into()]).expect("cleaned");
        assert_eq!((version_of(&library).as_deref(), entries(&library)), (Some("2.0"), 1));
    }

    #[test]
    fn a_whole_package_need_not_have_an_index_of_its_own() {
        // R copies INDEX only where the source or its help pages give one.
        let library = library(&[("a/DESCRIPTION", description("2.0")), ("a/help/AnIndex", String::new())]);
        clean_up_interrupted(library.path(), &["a".into()]).expect("cleaned");
        assert_eq!(version_of(&library).as_deref(), Some("2.0"));
    }

    #[test]
    fn an_older_version_is_swapped_out_as_a_whole() {
        let library = library(&[
            ("a/DESCRIPTION", description("1.0")),
            ("a/R/only-in-the-old-one", String::new()),
            (".nodeagent-a-new/a/DESCRIPTION", description("2.0")),
        ]);
        swap_in(library.path(), "a").expect("swapped");
        assert_eq!((version_of(&library).as_deref(), entries(&library)), (Some("2.0"), 1));
        assert!(!library.path().join("a/R").exists());
    }

    #[test]
    fn locks_of_the_package_and_of_the_library_block() {
        let library = library(&[("00LOCK-a/x", String::new())]);
        assert_eq!(lock(library.path(), "b"), None);
        assert_eq!(lock(library.path(), "a"), Some(library.path().join("00LOCK-a")));
        fs::create_dirs(&library.path().join("00LOCK"), 0o755).expect("created");
        assert_eq!(lock(library.path(), "b"), Some(library.path().join("00LOCK")));
    }
}
