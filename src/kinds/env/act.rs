//! Implements the contract of kinds for `[env]`: acting.

use super::checked::Env;
use crate::kinds::writes_files::WritesFiles;

impl WritesFiles for Env {
    const WORD: &'static str = "env";
}
