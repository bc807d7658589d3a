//! Removes the temporary files of killed runs.

use std::{ffi::OsStr, path::Path};

use super::{
    error::{FsError, file_name},
    operations::remove,
    path_entry::remove_path,
    walk::{walk, walk_except},
};

/// Removes the temporary files and folders that killed runs left for one path.
pub fn remove_partial_files_of(path: &Path) -> Result<(), FsError> {
    let (Some(folder), Ok(name)) = (path.parent(), file_name(path)) else { return Ok(()) };
    let prefix = format!(".{}.", name.to_string_lossy());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if is_partial(&name) && name.to_string_lossy().starts_with(&prefix) {
            remove_path(&entry.path(), true)?;
        }
    }
    Ok(())
}

/// Removes the temporary files that killed runs left in a folder of the agent and in the folders below, except in
/// `except`. Links are not followed.
pub fn remove_partial_files_below(folder: &Path, except: &Path) -> Result<(), FsError> {
    let entries = walk_except(folder, except).flatten();
    let mut partial = entries.filter(|entry| entry.file_type().is_file() && is_partial(entry.file_name()));
    partial.try_for_each(|entry| remove(entry.path()))
}

/// Removes the temporary files of processes that have ended, in a folder of the agent and in the folders below. The
/// files of a process that still runs this program stay: it will rename them. Links are not followed.
pub fn remove_abandoned_partial_files_below(folder: &Path) -> Result<(), FsError> {
    let partial = walk(folder).flatten().filter(|entry| entry.file_type().is_file() && is_partial(entry.file_name()));
    partial.filter(|entry| !has_writer(entry.file_name())).try_for_each(|entry| remove(entry.path()))
}

/// Whether the process that created a temporary file may still run. Another program that has got its process id does
/// not count.
fn has_writer(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let writer = name.rsplit('.').nth(1).and_then(|unique| unique.split('-').next()).unwrap_or_default();
    let program = |process: &str| std::fs::read(Path::new("/proc").join(process).join("comm"));
    match program("self") {
        Ok(own) => program(writer).is_ok_and(|other| other == own),
        // Without /proc nothing is known about other processes.
        Err(_) => true,
    }
}

fn is_partial(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.ends_with(".nodeagent")
}
