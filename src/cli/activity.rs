//! The present activity of a command, which the thread that watches its deadline reads.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// The present activity of a command. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity(Arc<Mutex<Present>>);

/// An activity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Present {
    /// The command starts.
    #[default]
    Starting,
    /// It reads the profile and its files from this file store.
    Reading(String),
    /// It carries out the run, which keeps its deadline itself.
    Running,
}

impl Activity {
    /// Records that the command reads a file store.
    pub(super) fn reads(&self, store: &Path) {
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *present == Present::Starting {
            *present = Present::Reading(store.display().to_string());
        }
    }

    /// Records that the run has begun.
    pub(super) fn runs(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Present::Running;
    }

    /// The present activity.
    pub(super) fn present(&self) -> Present {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
