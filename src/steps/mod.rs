//! Shared by the acting code of all kinds: the context of a step, staged files, downloads, logins, layers.
//!
//! A step has two halves. `prepare` resolves and downloads: it changes nothing on the node outside the agent's cache,
//! and all steps prepare at the same time. `act` changes the node and ends with a second look.

pub(crate) mod blocking;
pub(crate) mod compilers;
mod fetch;
pub mod layer;
pub(crate) mod locked;
pub mod logins;
mod partial_files;
pub(crate) mod scratch;
mod stage;
pub(crate) mod system_libraries;
pub(crate) mod wait_budget;
mod write_file;

use std::{path::PathBuf, sync::Arc};

use logins::Logins;
pub use partial_files::remove_partial_files;
pub use stage::stage;
pub use write_file::write_file;

use crate::{exec::Runner, http, profile::FileStore, report::event::Progress, store::Store};

/// The message of a step that it can no longer refuse the run: its resolution succeeded, and downloads follow.
#[derive(Clone, Default)]
pub struct Decided(Option<Arc<dyn Fn() + Send + Sync>>);

impl Decided {
    /// A message that is passed on to a function.
    pub fn to(listener: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Sends the message. The second and later ones are ignored.
    pub fn send(&self) {
        if let Some(listener) = &self.0 {
            listener();
        }
    }
}

/// What every step works with.
#[derive(Clone)]
pub struct Context {
    /// Starts programs.
    pub runner: Arc<dyn Runner>,
    /// Fetches things.
    pub http: Arc<http::Client>,
    /// What was fetched and built before, here or by other nodes.
    pub store: Store,
    /// The root of the node's file system: `/`, or a folder in a test.
    pub root: PathBuf,
    /// The agent's cache: what is in it may be lost at any time. Created on demand.
    pub cache: PathBuf,
    /// Where the profile's files are from, for their names.
    pub filestore: FileStore,
    /// The folder for full logs of programs, one file each. It exists.
    pub logs: PathBuf,
    /// Processors to use.
    pub cores: usize,
    /// The run's pool of build slots, shared with `make`; one slot a core.
    pub build_slots: Option<jobserver::Client>,
    /// The logins that may be used.
    pub logins: Logins,
    /// Called when a step can no longer refuse the run.
    pub decided: Decided,
    /// How to say what is going on.
    pub progress: Progress,
}

impl Context {
    /// A path on the node: `/etc/x` below the root.
    pub fn on_node(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A context for unit tests: nothing of the machine is used but what the runner answers.
    #[cfg(test)]
    pub(crate) fn for_tests(runner: Arc<dyn Runner>, progress: Progress) -> Self {
        Self {
            runner,
            http: Arc::default(),
            store: Store::none(),
            root: "/nowhere".into(),
            cache: "/nowhere/cache".into(),
            filestore: FileStore::local("/nowhere/store"),
            logs: "/nowhere/logs".into(),
            cores: 2,
            build_slots: None,
            logins: Logins::default(),
            decided: Decided::default(),
            progress,
        }
    }
}
