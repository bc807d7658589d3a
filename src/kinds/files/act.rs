//! Implements the contract of kinds for `[files]`.

use super::checked::Files;
use crate::kinds::writes_files::WritesFiles;

impl WritesFiles for Files {
    const WORD: &'static str = "files";
}
