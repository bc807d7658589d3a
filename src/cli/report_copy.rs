//! Copies the report of a run to another folder, which may be on a file system that hangs.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{report::RunFolder, run::RemoteFolder, task::Detached};

/// The time for a copy.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The time in which the file system must answer before.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Copies the folder of a run. The error is a warning for the user.
pub(super) fn copy_report(folder: &RunFolder, root: &Path, target: PathBuf, node: String) -> Result<(), String> {
    let shown = target.display().to_string();
    if let Some(Err(error)) = RemoteFolder::of(root, &target).map(|remote| remote.check(ANSWER_TIMEOUT)) {
        return Err(format!("the report was not copied: {error}"));
    }
    let folder = folder.clone();
    match Detached::start(move || folder.copy_to(&target, &node)).wait(TIMEOUT) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("the report was not copied to `{shown}`: {error}")),
        Err(_) => Err(format!(
            "the report was not copied to `{shown}`, which did not answer within {}",
            humantime::format_duration(TIMEOUT)
        )),
    }
}
