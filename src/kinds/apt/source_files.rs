//! The files of a package source on the node.

use std::path::{Path, PathBuf};

/// The folder of sources.
pub(super) const FOLDER: &str = "/etc/apt/sources.list.d";
/// The folder of keys.
const KEYS: &str = "/etc/apt/keyrings";

/// The file of a source.
pub(super) fn source_file(name: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.sources"))
}

/// The key file of a source. apt expects that the name of a file with binary keys ends in `gpg`.
pub(super) fn key_file(name: &str) -> PathBuf {
    Path::new(KEYS).join(format!("{name}.gpg"))
}
