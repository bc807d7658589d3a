//! The environment variables and the home folder, which configure the official clients.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crate::fs::read_bounded;

/// The input of the official clients when they look for credentials.
#[derive(Clone, Default)]
pub struct ClientEnvironment {
    /// The environment variables. They may contain secrets and must not be printed.
    pub variables: BTreeMap<String, String>,
    /// The home folder of the user, with the configuration files.
    pub home: Option<PathBuf>,
}

impl ClientEnvironment {
    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Expands `~/` in a configured path. `None` if the path starts with `~/` and the user has no home folder.
    pub(crate) fn path(&self, text: &str) -> Option<PathBuf> {
        match text.strip_prefix("~/") {
            Some(rest) => Some(self.home.as_ref()?.join(rest)),
            None => Some(text.into()),
        }
    }
}

/// Reads a file that contains an identity token.
///
/// # Errors
/// If the file cannot be read, or is larger than any such token.
pub(super) fn read_token(path: &Path) -> io::Result<Vec<u8>> {
    const MAX_BYTES: u64 = 1 << 20;
    read_bounded(path, MAX_BYTES)
}
