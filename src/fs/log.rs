//! Files to which complete lines are appended: the event log and the journal.

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;

use super::{FsError, create_dirs};

/// A file to which lines are appended.
#[derive(Debug)]
pub struct LineLog {
    path: PathBuf,
    file: File,
    /// Whether the last write failed and may have left a partial line. The next line must start on a new line.
    torn: bool,
}

impl LineLog {
    /// Opens a file for appending. Creates it (0644) and the folders above it if necessary.
    pub fn open(path: &Path) -> Result<Self, FsError> {
        Self::open_with(path, 0o644, OFlag::empty())
    }

    /// Opens a file for appending that only its owner can read. Creates it (0600) and the folders above it if
    /// necessary. Does not follow a link.
    pub fn open_private(path: &Path) -> Result<Self, FsError> {
        Self::open_with(path, 0o600, OFlag::O_NOFOLLOW)
    }

    fn open_with(path: &Path, mode: u32, flags: OFlag) -> Result<Self, FsError> {
        if let Some(parent) = path.parent() {
            create_dirs(parent, 0o755)?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true).mode(mode).custom_flags(flags.bits());
        let file = options.open(path).map_err(FsError::new(path, "written"))?;
        Ok(Self { path: path.to_owned(), file, torn: false })
    }

    /// Appends a line in one write.
    pub fn line(&mut self, text: &str) -> Result<(), FsError> {
        let end_of_torn = if self.torn { "\n" } else { "" };
        let written = self.file.write_all(format!("{end_of_torn}{text}\n").as_bytes());
        self.torn = written.is_err();
        written.map_err(FsError::new(&self.path, "written"))
    }

    /// Flushes the file to disk.
    pub fn sync(&self) -> Result<(), FsError> {
        self.file.sync_data().map_err(FsError::new(&self.path, "written"))
    }
}
