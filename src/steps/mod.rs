//! Shared by the acting code of all kinds: the context of a step, staged files, downloads, logins, layers.
//!
//! A step has two halves. `prepare` resolves and downloads. It changes nothing outside the agent's cache, and all steps
//! prepare concurrently. `act` changes the node and then verifies the result.

pub(crate) mod address;
pub(crate) mod blocking;
pub(crate) mod compilers;
mod fetch;
pub(crate) mod git;
mod items;
pub(crate) mod kept_files;
pub mod layer;
pub(crate) mod locked;
pub mod logins;
mod openpgp_signature;
mod partial_files;
mod probe;
pub(crate) mod run_program;
pub(crate) mod scratch;
mod stage;
pub(crate) mod system_libraries;
pub(crate) mod unpacked;
pub(crate) mod wait_budget;
mod write_file;
mod write_link;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) use address::{fetch_address, fetch_one};
pub use items::{changed_message, forget_item, note_edit, note_item, restore_item, take_back_item, without_item};
use logins::Logins;
pub(crate) use openpgp_signature::OpenPgpKeys;
pub use partial_files::remove_partial_files;
pub use probe::{ProbeFailure, ProbeTools, wait_for};
pub(crate) use run_program::{MessageHint, run_program};
pub use stage::stage;
use tokio::sync::OnceCell;
pub use write_file::write_file;
pub use write_link::write_link;

use crate::{
    cloud::Clouds,
    exec::Runner,
    fs::{self, FsError},
    http,
    profile::FileStore,
    report::event::Progress,
    store::Store,
};

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

/// The inputs and services that every step uses.
#[derive(Clone)]
pub struct Context {
    /// Starts programs.
    pub runner: Arc<dyn Runner>,
    /// Sends requests.
    pub http: Arc<http::Client>,
    /// The clouds, for files in buckets.
    pub clouds: Arc<Clouds>,
    /// The artefact store.
    pub store: Store,
    /// The root of the node's file system: `/`, or a folder in a test.
    pub root: PathBuf,
    /// The agent's cache. Its content may be deleted at any time. It is created on demand.
    pub cache: PathBuf,
    /// The file store, for the names of its files.
    pub filestore: FileStore,
    /// The folder for full logs of programs. It exists.
    pub logs: PathBuf,
    /// The number of processors to use.
    pub cores: usize,
    /// Whether a step waits until its files are on the disk.
    pub waits_for_disk: bool,
    /// The run's pool of build slots, shared with `make`. It has one slot for each core.
    pub build_slots: Option<jobserver::Client>,
    /// The available logins.
    pub logins: Logins,
    /// The messages of sources that could not be read when this run updated separate package lists. All steps share
    /// the update.
    pub package_lists: Arc<OnceCell<Vec<String>>>,
    /// Notified when the step can no longer refuse the run.
    pub decided: Decided,
    /// The receiver of progress reports.
    pub progress: Progress,
}

impl Context {
    /// Waits until the files of a step are on the disk, if the settings of the node want this. Unpacking and most
    /// installers do not call fsync.
    pub(crate) fn wait_for_disk(&self, path: &Path) -> Result<(), FsError> {
        if self.waits_for_disk { fs::sync_file_system(path) } else { Ok(()) }
    }

    /// A path on the node: `/etc/x` below the root.
    pub fn on_node(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A context for unit tests. It uses nothing of the machine; the runner gives all answers.
    #[cfg(test)]
    pub(crate) fn for_tests(runner: Arc<dyn Runner>, progress: Progress) -> Self {
        use crate::cloud::ClientEnvironment;
        let http: Arc<http::Client> = Arc::default();
        Self {
            runner,
            clouds: Arc::new(Clouds::new(Arc::clone(&http), ClientEnvironment::default())),
            http,
            store: Store::none(),
            root: "/nowhere".into(),
            cache: "/nowhere/cache".into(),
            filestore: FileStore::local("/nowhere/store"),
            logs: "/nowhere/logs".into(),
            cores: 2,
            waits_for_disk: false,
            build_slots: None,
            logins: Logins::default(),
            package_lists: Arc::default(),
            decided: Decided::default(),
            progress,
        }
    }
}
