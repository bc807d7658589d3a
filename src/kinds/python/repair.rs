//! Cleans up after killed and failed installations: ends installers that are still running, and removes the metadata
//! of incomplete distributions, so that they do not count as installed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{bytecode::COMPILE, locked};
use crate::{
    exec::kill_orphans,
    facts::{PythonEnv, python::Distribution},
    fs::{self, FsError},
    kinds::{contract::Interruption, python::PythonInstall},
    state::Receipt,
};

/// The journal's mark for an installation that compiles byte code at its end.
pub const COMPILED: &str = "compiled";

/// Removes the metadata of incomplete distributions, so that the next plan installs them again. Shipped distributions
/// are not touched, because runtimes leave files out on purpose. Distributions installed since the start of the run
/// must also have byte code if `compiled` is set, because it is made last. After a new start of the system, all of them
/// are removed, because their files may be torn. Returns the names.
pub fn clean_up_interrupted(
    root: &Path,
    interpreter: &Path,
    how: Interruption<'_>,
    compiled: bool,
) -> Result<Vec<String>, FsError> {
    let name = interpreter.to_string_lossy();
    kill_orphans(|args| args.iter().any(|arg| **arg == *name) && is_command_of_installer(args));
    if let Ok(env) = PythonEnv::read(interpreter) {
        // Partial byte code files.
        fs::remove_partial_files_below(&env.site_packages, Path::new(""))?;
        if how.is_rebooted {
            remove_new_byte_code(&env.site_packages, start_of(how.run))?;
        }
    }
    remove_incomplete(root, interpreter, how, compiled)
}

/// Whether a command line is that of a program that installs, builds or compiles.
pub(super) fn is_command_of_installer(args: &[String]) -> bool {
    let has = |word: &str| args.iter().any(|arg| arg == word);
    has("pip") && has("install") || has("--wheel") || has("wheel") || has("venv") || has("ensurepip") || has(COMPILE)
}

/// Does the same after a failed installation, for example on a full disk. Distributions that existed before are not
/// checked.
pub(super) fn clean_up_failed(root: &Path, wanted: &PythonInstall, since: SystemTime) -> Result<Vec<String>, FsError> {
    let receipt = Receipt::read(root);
    remove_metadata(&wanted.interpreter, |env, found| {
        // In a locked run, uv's note is removed only after everything is installed.
        let has_note = wanted.locked.is_some() && found.folder.join(locked::UV_NOTE).is_file();
        let is_incomplete = is_incomplete(found) || is_unfinished(env, found, wanted.compile) || has_note;
        installed_since(found, Some(since)) && is_incomplete && !is_shipped(&receipt, env, found)
    })
}

fn remove_incomplete(
    root: &Path,
    interpreter: &Path,
    how: Interruption<'_>,
    compiled: bool,
) -> Result<Vec<String>, FsError> {
    let (receipt, since) = (Receipt::read(root), start_of(how.run));
    remove_metadata(interpreter, |env, found| {
        let is_unsure = || how.is_rebooted || is_unfinished(env, found, compiled);
        let is_incomplete = is_incomplete(found) || installed_since(found, since) && is_unsure();
        is_incomplete && !is_shipped(&receipt, env, found)
    })
}

/// Removes byte code that was made since a time. Compilers keep torn byte code if its header is intact.
fn remove_new_byte_code(folder: &Path, since: Option<SystemTime>) -> Result<(), FsError> {
    let is_byte_code = |path: &Path| path.extension().is_some_and(|ending| ending == "pyc");
    let byte_code = fs::walk(folder).flatten().map(fs::DirEntry::into_path).filter(|path| is_byte_code(path));
    let is_new = |path: &PathBuf| {
        let changed = path.symlink_metadata().and_then(|file| file.modified());
        since.zip(changed.ok()).is_some_and(|(since, changed)| changed >= since)
    };
    byte_code.filter(is_new).try_for_each(|path| fs::remove(&path))
}

fn is_incomplete(found: &Distribution) -> bool {
    !found.is_complete || !found.has_all_files()
}

/// Whether the parts that installers write last are missing: the INSTALLER file or byte code.
fn is_unfinished(env: &PythonEnv, found: &Distribution, compiled: bool) -> bool {
    let has_note =
        found.folder.extension().is_none_or(|ending| ending != "dist-info") || found.folder.join("INSTALLER").is_file();
    !has_note || compiled && !found.is_compiled(&env.tag())
}

fn installed_since(found: &Distribution, since: Option<SystemTime>) -> bool {
    let changed = found.folder.metadata().and_then(|folder| folder.modified());
    since.zip(changed.ok()).is_some_and(|(since, changed)| changed >= since)
}

fn is_shipped(receipt: &Receipt, env: &PythonEnv, found: &Distribution) -> bool {
    let known = receipt.python.get(&env.site_packages.display().to_string());
    known.and_then(|known| known.shipped.get(&found.name)).is_some_and(|version| *version == found.version)
}

/// Removes the metadata of distributions without METADATA or RECORD, because no installer can replace or remove them.
pub(super) fn remove_unreadable(
    interpreter: &Path,
    shipped: &BTreeMap<String, String>,
) -> Result<Vec<String>, FsError> {
    remove_metadata(interpreter, |_, found| !found.is_complete && !shipped.contains_key(&found.name))
}

/// Whether the environment has a distribution without METADATA or RECORD.
pub(super) fn has_unreadable(interpreter: &Path) -> bool {
    PythonEnv::read(interpreter).is_ok_and(|env| own_distributions(&env).any(|found| !found.is_complete))
}

fn remove_metadata(
    interpreter: &Path,
    is_incomplete: impl Fn(&PythonEnv, &Distribution) -> bool,
) -> Result<Vec<String>, FsError> {
    let Ok(env) = PythonEnv::read(interpreter) else { return Ok(Vec::new()) };
    let incomplete: Vec<_> = own_distributions(&env).filter(|found| is_incomplete(&env, found)).collect();
    for found in &incomplete {
        fs::remove_tree(&found.folder)?;
    }
    Ok(incomplete.iter().map(|found| found.name.clone()).collect())
}

/// The start time of a run, from its identifier.
fn start_of(run: &str) -> Option<SystemTime> {
    let (time, _) = run.rsplit_once('-')?;
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().into())
}

/// The distributions in the environment's own site-packages. Others are never changed.
fn own_distributions(env: &PythonEnv) -> impl Iterator<Item = &Distribution> {
    env.distributions.values().filter(|found| found.folder.starts_with(&env.site_packages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_run_is_read_from_its_identifier() {
        let run = crate::report::run_id(jiff::Timestamp::from_second(1_795_302_036).expect("a time"), 69);
        let start = start_of(&run).expect("a time");
        assert_eq!(start, SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_302_036));
        assert_eq!(start_of("unknown"), None);
    }

    /// An environment with distributions, each with a name and the files beside METADATA and RECORD.
    fn environment(distributions: &[(&str, &[&str])]) -> (tempfile::TempDir, PythonInstall) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let site = temp.path().join("lib/python3.11/site-packages");
        let write = |path: &str, text: &str| {
            fs::replace(&site.join(path), text.as_bytes(), fs::Attributes::mode(0o644)).expect("written");
        };
        write("../../../bin/python3.11", "");
        for (name, files) in distributions {
            write(&format!("{name}-1.dist-info/METADATA"), &format!("Name: {name}\nVersion: 1\n\n"));
            write(&format!("{name}-1.dist-info/RECORD"), &format!("{name}.py,,\n"));
            for file in *files {
                write(&file.replace('%', name), "");
            }
        }
        let mut wanted = super::super::guard::tests::wanted();
        wanted.interpreter = temp.path().join("bin/python3.11");
        (temp, wanted)
    }

    const WHOLE: [&str; 3] = ["%.py", "%-1.dist-info/INSTALLER", "__pycache__/%.cpython-311.pyc"];

    #[test]
    fn only_incomplete_distributions_are_removed_after_a_failure() {
        let all = [
            ("whole", &WHOLE[..]),
            ("incomplete", &WHOLE[1..]),
            ("unsaid", &[WHOLE[0], WHOLE[2]]),
            ("uncompiled", &WHOLE[..2]),
            ("noted", &[WHOLE[0], WHOLE[1], WHOLE[2], "%-1.dist-info/uv_cache.json"]),
        ];
        let (temp, mut wanted) = environment(&all);
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        let forgotten =
            |wanted: &PythonInstall, since| clean_up_failed(temp.path(), wanted, since).expect("cleaned up");
        assert_eq!(forgotten(&wanted, later), [""; 0], "earlier distributions are not checked");
        let start = SystemTime::UNIX_EPOCH;
        assert_eq!(forgotten(&wanted, start), ["incomplete", "uncompiled", "unsaid"]);
        wanted.locked = Some(Vec::new());
        assert_eq!(forgotten(&wanted, start), ["noted"]);
        assert_eq!(forgotten(&wanted, start), [""; 0], "the rest stays");
    }

    #[test]
    fn after_a_kill_all_incomplete_distributions_are_removed() {
        let (temp, wanted) =
            environment(&[("whole", &WHOLE), ("incomplete", &WHOLE[1..]), ("uncompiled", &WHOLE[..2])]);
        let cleaned = |run: &str, is_rebooted, compiled| {
            let how = Interruption { run, is_rebooted };
            clean_up_interrupted(temp.path(), &wanted.interpreter, how, compiled).expect("cleaned up")
        };
        assert_eq!(cleaned("unknown", false, true), ["incomplete"]);
        let run = crate::report::run_id(jiff::Timestamp::UNIX_EPOCH, 1);
        assert_eq!(cleaned(&run, false, false), [""; 0]);
        assert_eq!(cleaned(&run, false, true), ["uncompiled"]);
        let later = crate::report::run_id(jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60), 1);
        let code = temp.path().join("lib/python3.11/site-packages").join(WHOLE[2].replace('%', "whole"));
        assert_eq!(cleaned(&later, true, true), [""; 0], "it was there before the run");
        assert!(code.exists());
        assert_eq!(cleaned(&run, true, true), ["whole"], "its files may be torn");
        assert!(!code.exists());
    }
}
