//! Partial files of a killed run, beside files that are written whole.

use std::path::Path;

use crate::fs::{FsError, remove_partial_files_of};

/// Removes the partial files beside files that are written whole. A partial file may hold a secret.
pub fn remove_partial_files(paths: &[String]) -> Result<Vec<String>, FsError> {
    paths.iter().try_for_each(|path| remove_partial_files_of(Path::new(path))).map(|()| Vec::new())
}
