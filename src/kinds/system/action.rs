//! The actions of `[system]`.

use std::path::PathBuf;

use super::{
    alternatives::SelectAlternative, hostname::SetHostname, ldconfig::UpdateLinkerCache, mounts::MountFolder,
    swap::CreateSwapFile, sysctl::SetSysctl, take_back::TakeBack, timezone::SetTimezone,
};
use crate::plan::WriteFile;

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes a text file.
    File(WriteFile),
    /// Sets kernel parameters.
    Sysctl(SetSysctl),
    /// Selects a time zone.
    Timezone(SetTimezone),
    /// Sets the host name in the kernel.
    Hostname(SetHostname),
    /// Makes and activates a swap file.
    Swap(CreateSwapFile),
    /// Mounts something.
    Mount(MountFolder),
    /// Selects a program.
    Alternative(SelectAlternative),
    /// Updates the linker cache.
    LinkerCache(UpdateLinkerCache),
    /// Takes back a setting.
    TakeBack(TakeBack),
}

macro_rules! from {
    ($($Variant:ident: $Inner:ident),+ $(,)?) => {
        $(impl From<$Inner> for Action {
            fn from(action: $Inner) -> Self {
                Self::$Variant(action)
            }
        })+

        impl Action {
            /// The work in one line.
            pub(super) fn title(&self) -> String {
                match self { $(Self::$Variant(action) => action.title()),+ }
            }

            /// The commands and differences, one line each.
            pub(super) fn describe(&self) -> Vec<String> {
                match self { $(Self::$Variant(action) => action.describe()),+ }
            }
        }
    };
}

from! {
    File: WriteFile,
    Sysctl: SetSysctl,
    Timezone: SetTimezone,
    Hostname: SetHostname,
    Swap: CreateSwapFile,
    Mount: MountFolder,
    Alternative: SelectAlternative,
    LinkerCache: UpdateLinkerCache,
    TakeBack: TakeBack,
}

impl Action {
    /// The files beside which a killed run may leave a partial file.
    pub(super) fn written(&self) -> Vec<PathBuf> {
        match self {
            Self::File(file) => vec![file.path.clone()],
            Self::Timezone(zone) => vec![zone.path().to_owned()],
            Self::Swap(swap) => vec![swap.path().to_owned(), swap.fstab().to_owned()],
            Self::Mount(mount) => vec![mount.fstab().to_owned()],
            Self::LinkerCache(cache) => vec![cache.path().to_owned()],
            Self::TakeBack(taken) => vec![taken.fstab().to_owned()],
            Self::Sysctl(_) | Self::Hostname(_) | Self::Alternative(_) => Vec::new(),
        }
    }
}
