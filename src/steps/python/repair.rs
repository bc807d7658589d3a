//! After a kill: ends installers that outlived the agent, and finds distributions that were being installed, so that
//! the look does not take them for whole.

use std::{collections::BTreeMap, path::Path, time::SystemTime};

use super::{bytecode::COMPILE, locked};
use crate::{
    exec::end_left_behind,
    facts::{PythonEnv, python::Distribution},
    fs::{self, FsError},
    plan::PythonInstall,
    state::Receipt,
};

/// The mark in the journal of an installation that ends with byte code.
pub const COMPILED: &str = "compiled";

/// Forgets distributions whose files are not all there: their metadata is removed, and the next plan installs them
/// again. What the runtime ships is left as it is: runtimes leave files out on purpose. Of what came since the start
/// of the run, that has to be there too which is made last: byte code, where it was to be `compiled`. Returns the names.
pub fn clean_up_interrupted(
    root: &Path,
    interpreter: &Path,
    run: &str,
    compiled: bool,
) -> Result<Vec<String>, FsError> {
    let name = interpreter.to_string_lossy();
    end_left_behind(|args| {
        let has = |word: &str| args.iter().any(|arg| arg == word);
        has(&name) && (has("pip") && has("install") || has("--wheel") || has("wheel") || has(COMPILE))
    });
    // Byte code in the making.
    if let Ok(env) = PythonEnv::read(interpreter) {
        fs::remove_partials_below(&env.site_packages, Path::new(""))?;
    }
    forget_torn(root, interpreter, start_of(run), compiled)
}

/// The same after an installation that failed, such as on a full disk: what is half there does not count as installed.
pub(super) fn clean_up_failed(root: &Path, wanted: &PythonInstall, since: SystemTime) -> Result<Vec<String>, FsError> {
    forget_torn(root, &wanted.interpreter, Some(since), wanted.compile)
}

fn forget_torn(
    root: &Path,
    interpreter: &Path,
    since: Option<SystemTime>,
    compiled: bool,
) -> Result<Vec<String>, FsError> {
    let receipt = Receipt::read(root);
    let came_since = |found: &Distribution| {
        let changed = found.folder.metadata().and_then(|folder| folder.modified());
        since.zip(changed.ok()).is_some_and(|(since, changed)| changed >= since)
    };
    forget(interpreter, |env, found| {
        let has = |name: &str| found.folder.join(name).is_file();
        // Installers note their own name when all files are there; we take uv's note out, and byte code is made last.
        let is_unfinished = || !has("INSTALLER") || has(locked::UV_NOTE) || compiled && !found.is_compiled(&env.tag());
        let is_torn = !found.is_whole || !found.has_all_files() || came_since(found) && is_unfinished();
        let known = receipt.python.get(&env.site_packages.display().to_string());
        let shipped = known.and_then(|known| known.shipped.get(&found.name));
        is_torn && shipped.is_none_or(|version| *version != found.version)
    })
}

/// Forgets distributions without metadata or without their list of files: no installer can replace or remove them.
pub(super) fn forget_unreadable(
    interpreter: &Path,
    shipped: &BTreeMap<String, String>,
) -> Result<Vec<String>, FsError> {
    forget(interpreter, |_, found| !found.is_whole && !shipped.contains_key(&found.name))
}

/// Whether there is such a distribution.
pub(super) fn has_unreadable(interpreter: &Path) -> bool {
    PythonEnv::read(interpreter).is_ok_and(|env| own(&env).any(|found| !found.is_whole))
}

fn forget(interpreter: &Path, is_torn: impl Fn(&PythonEnv, &Distribution) -> bool) -> Result<Vec<String>, FsError> {
    let Ok(env) = PythonEnv::read(interpreter) else { return Ok(Vec::new()) };
    let torn: Vec<_> = own(&env).filter(|found| is_torn(&env, found)).collect();
    for found in &torn {
        fs::remove_tree(&found.folder)?;
    }
    Ok(torn.iter().map(|found| found.name.clone()).collect())
}

/// When a run began, from its name.
fn start_of(run: &str) -> Option<SystemTime> {
    let (time, _) = run.rsplit_once('-')?;
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().into())
}

/// The distributions of the environment itself: what it borrows from elsewhere is not ours to touch.
fn own(env: &PythonEnv) -> impl Iterator<Item = &Distribution> {
    env.distributions.values().filter(|found| found.folder.starts_with(&env.site_packages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_run_is_in_its_name() {
        let run = crate::report::run_id(jiff::Timestamp::from_second(1_795_302_036).expect("a time"), 69);
        let start = start_of(&run).expect("a time");
        assert_eq!(start, SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_302_036));
        assert_eq!(start_of("unknown"), None);
    }
}
