//! The parts of a service's state on the node.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// The program that manages services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitSystem {
    /// systemd is process 1.
    Systemd,
    /// Scripts in `/etc/init.d`.
    #[default]
    Scripts,
}

impl InitSystem {
    /// The init system of a node: systemd creates this folder when it is process 1 (`sd_booted(3)`).
    pub(super) fn of(root: &Path) -> Self {
        if root.join("run/systemd/system").is_dir() { Self::Systemd } else { Self::Scripts }
    }
}

/// Whether a service starts when the node starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Enabled {
    /// All links exist.
    Yes,
    /// Some links exist.
    Partly,
    /// No link exists.
    #[default]
    No,
    /// The unit has no links: another unit starts it.
    Static,
}

impl Enabled {
    /// The state for a number of links that exist.
    pub(super) fn of_links(existing: usize, all: usize) -> Self {
        match existing {
            _ if all == 0 => Self::Static,
            0 => Self::No,
            some if some == all => Self::Yes,
            _ => Self::Partly,
        }
    }

    /// Whether the state is as wanted.
    pub(super) fn matches(self, wanted: bool) -> bool {
        match self {
            Self::Static => true,
            Self::Yes => wanted,
            Self::No => !wanted,
            Self::Partly => false,
        }
    }
}

/// A running service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    /// The invocation of systemd, or the process id. Another start has another one.
    pub id: String,
    /// The time of the start.
    pub since: SystemTime,
}

/// The unit or script of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Definition {
    /// The file of a unit or script that nodeagent did not write. `None` if there is none.
    pub foreign: Option<PathBuf>,
    /// The unit or script of a package, also if another file takes precedence.
    pub of_package: Option<PathBuf>,
    /// Whether the init system knows the service, from whichever file.
    pub exists: bool,
    /// Whether it starts when the node starts.
    pub enabled: Enabled,
    /// Whether it is masked.
    pub masked: bool,
    /// The run in progress.
    pub running: Option<Running>,
}

impl Definition {
    /// The file of others that defines the service, so that nodeagent must not write its definition. `has_record`:
    /// whether an earlier run of the profile defined or changed the service.
    pub(super) fn defined_by_others(&self, has_record: bool) -> Option<&PathBuf> {
        self.of_package.as_ref().or(self.foreign.as_ref().filter(|_| !has_record))
    }
}

/// The time of the last change of a file's content, name or attributes.
pub(super) fn changed(found: &std::fs::Metadata) -> SystemTime {
    let seconds = Duration::from_secs(u64::try_from(found.ctime()).unwrap_or_default());
    let nanoseconds = Duration::from_nanos(u64::try_from(found.ctime_nsec()).unwrap_or_default());
    SystemTime::UNIX_EPOCH + seconds + nanoseconds
}
