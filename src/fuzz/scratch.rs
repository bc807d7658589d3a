//! A file and a folder for parsers that read paths.

use std::{
    io::{Seek as _, Write as _},
    path::Path,
};

use tempfile::{Builder, NamedTempFile, TempDir};

/// A file system in memory: fuzzers write millions of files.
const MEMORY: &str = "/dev/shm";

/// A temporary file with an extension, which is written again for each input.
pub(super) struct ScratchFile(NamedTempFile);

impl ScratchFile {
    pub(super) fn new(extension: &str) -> Self {
        let mut builder = Builder::new();
        builder.prefix("nodeagent-fuzz-").suffix(extension);
        let file = builder.tempfile_in(MEMORY).or_else(|_| builder.tempfile());
        Self(file.expect("a temporary file can be made"))
    }

    /// A temporary file with this name, in a folder.
    pub(super) fn named(name: &str, folder: &Path) -> Self {
        let file = Builder::new().prefix(name).rand_bytes(0).tempfile_in(folder);
        Self(file.expect("a temporary file can be made"))
    }

    /// Replaces the content, and returns the path.
    pub(super) fn with(&mut self, bytes: &[u8]) -> &Path {
        let file = self.0.as_file_mut();
        let written = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| file.write_all(bytes));
        written.expect("the temporary file can be written");
        self.0.path()
    }
}

/// A new temporary folder.
pub(super) fn folder() -> TempDir {
    let builder = || Builder::new().prefix("nodeagent-fuzz-").to_owned();
    let folder = builder().tempdir_in(MEMORY).or_else(|_| builder().tempdir());
    folder.expect("a temporary folder can be made")
}
