//! Partial files of a killed run, next to files that steps replace atomically.

use std::path::Path;

use crate::fs::{FsError, remove_partial_files_of};

/// Removes the partial files next to files that steps replace atomically. A partial file may contain a secret.
pub fn remove_partial_files(paths: &[String]) -> Result<Vec<String>, FsError> {
    paths.iter().try_for_each(|path| remove_partial_files_of(Path::new(path))).map(|()| Vec::new())
}
