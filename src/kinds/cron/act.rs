//! Implements the contract of kinds for `[cron]`.

use super::checked::Cron;
use crate::kinds::writes_files::WritesFiles;

impl WritesFiles for Cron {
    const WORD: &'static str = "cron";
}
