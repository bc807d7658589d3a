//! Implements the contract of kinds for `[shell]`.

use super::checked::Shell;
use crate::kinds::writes_files::WritesFiles;

impl WritesFiles for Shell {
    const WORD: &'static str = "shell";
}
