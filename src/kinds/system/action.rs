//! The actions of `[system]`.

use std::path::PathBuf;

use super::{
    alternatives::SelectProgram, hostname::SetName, ldconfig::UpdateCache, mounts::MakeMount, swap::MakeSwap,
    sysctl::SetValues, take_back::TakeBack, timezone::SetZone,
};
use crate::plan::WriteFile;

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes a text file.
    File(WriteFile),
    /// Sets values of the kernel.
    Values(SetValues),
    /// Selects a time zone.
    Zone(SetZone),
    /// Sets the host name in the kernel.
    Name(SetName),
    /// Makes and activates a swap file.
    Swap(MakeSwap),
    /// Mounts something.
    Mount(MakeMount),
    /// Selects a program.
    Program(SelectProgram),
    /// Updates the cache of the linker.
    Cache(UpdateCache),
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
    Values: SetValues,
    Zone: SetZone,
    Name: SetName,
    Swap: MakeSwap,
    Mount: MakeMount,
    Program: SelectProgram,
    Cache: UpdateCache,
    TakeBack: TakeBack,
}

impl Action {
    /// The files beside which a killed run may leave a partial file.
    pub(super) fn written(&self) -> Vec<PathBuf> {
        match self {
            Self::File(file) => vec![file.path.clone()],
            Self::Zone(zone) => vec![zone.path().to_owned()],
            Self::Swap(swap) => vec![swap.path().to_owned(), swap.fstab().to_owned()],
            Self::Mount(mount) => vec![mount.fstab().to_owned()],
            Self::Cache(cache) => vec![cache.path().to_owned()],
            Self::TakeBack(taken) => vec![taken.fstab().to_owned()],
            Self::Values(_) | Self::Name(_) | Self::Program(_) => Vec::new(),
        }
    }
}
