//! The exit statuses.

use std::process::ExitCode;

/// The documented exit statuses. Their numbers never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command succeeded. Optional steps may have failed.
    Done = 0,
    /// A required step failed, or the run was interrupted.
    Failed = 1,
    /// Refused before any change: invalid arguments or profile, a missing grant, secret or asset.
    Refused = 2,
    /// An optional step failed, under `--strict`.
    Degraded = 3,
    /// The deadline passed.
    DeadlinePassed = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
