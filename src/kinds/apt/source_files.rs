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

/// The possible key files of a source.
pub(super) fn key_files(name: &str) -> [PathBuf; 2] {
    ["asc", "gpg"].map(|ending| Path::new(KEYS).join(format!("{name}.{ending}")))
}

/// The key file of a source. apt expects that armoured keys end in `asc`, and others in `gpg`.
pub(super) fn key_file(name: &str, content: &[u8]) -> PathBuf {
    let [armoured, binary] = key_files(name);
    // The first byte of an OpenPGP packet has its highest bit set. The first byte of a text does not.
    if content.first().is_some_and(|byte| byte & 0x80 != 0) { binary } else { armoured }
}
