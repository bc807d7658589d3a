//! The artefact store: objects, named by their SHA-256, and entries, which map a key to objects.
//!
//! A store has a local tier on the node and may have a shared tier. Bytes are hashed before they are used. A file
//! appears in a tier only when it is complete. An error of the store never fails a run: artefacts that the store cannot
//! deliver are fetched from their origin.

mod backend;
mod backend_error;
mod background;
mod bucket;
mod entries;
mod entry;
mod error;
mod folder;
mod key;
mod layout;
mod lease;
mod local;
mod maintenance;
mod objects;
mod receiver;
mod shared;
mod single_flight;
mod stall;
mod store_url;
mod stored_file;
mod usage;
mod visibility;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use backend::Backend;
use bucket::BucketBackend;
pub use entry::{Entry, Member};
pub use error::StoreError;
use folder::FolderBackend;
pub use key::{Key, Kind};
pub use lease::{Lease, LeaseGuard};
use local::LocalStore;
pub use maintenance::{MaintenanceReport, StoreStats, Tier, VerifyReport};
use shared::Shared;
pub use single_flight::{FetchPermit, SingleFlight};
use stall::StallLimits;
pub use store_url::{StoreUrl, StoreUrlError};
use tokio::{sync::Semaphore, task::JoinSet};
pub use visibility::Visibility;

use crate::{cloud::Clouds, digest::Digest, fs::Tree, report::event::StoreUse, task};

/// The folder of the local store, below the agent's cache.
const LOCAL: &str = "store";
/// The default limit of the local store: 10 GiB.
pub const DEFAULT_LIMIT: u64 = 10 << 30;

/// Receives warnings.
pub type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// Bytes in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// The SHA-256 of the bytes, which is also the name.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}

/// The locations of a node's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLocations {
    /// The folder of the local store.
    pub local: PathBuf,
    /// The limit of the local store, in bytes.
    pub limit: u64,
    /// The shared store.
    pub shared: Option<StoreUrl>,
}

impl StoreLocations {
    /// The default: a local store below the agent's cache and no shared store.
    pub fn below(cache: &Path) -> Self {
        Self { local: cache.join(LOCAL), limit: DEFAULT_LIMIT, shared: None }
    }
}

/// The store of a node. Cheap to clone. Files and connections are opened at the first use.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    local: Option<LocalStore>,
    limit: u64,
    shared: Option<Arc<Shared>>,
    /// Limits the requests that are under way at the same time.
    slots: Arc<Semaphore>,
    count: usage::Counters,
    warn: Warn,
    /// Whether the warning about a local store that cannot be written was sent.
    warned: AtomicBool,
    /// Whether something was added, so that the local store may exceed its limit.
    grown: AtomicBool,
    /// Uploads to the shared store.
    background: Mutex<JoinSet<()>>,
}

impl Store {
    /// The store of a node. Opens nothing yet.
    pub fn open(locations: &StoreLocations, clouds: &Arc<Clouds>, warn: Warn) -> Self {
        let shared = locations.shared.as_ref().map(|place| {
            let backend = match place {
                StoreUrl::Folder(path) => Backend::Folder(FolderBackend { tree: Tree::shared(path.clone()) }),
                StoreUrl::Bucket(url) => Backend::Bucket(BucketBackend::new(url.clone(), Arc::clone(clouds))),
            };
            Shared::new(place.to_string(), backend, StallLimits::default(), Arc::clone(&warn))
        });
        Self::of(Some(LocalStore::new(locations.local.clone())), locations.limit, shared, warn)
    }

    /// A store that has nothing and keeps nothing.
    pub fn none() -> Self {
        Self::of(None, 0, None, Arc::new(drop))
    }

    fn of(local: Option<LocalStore>, limit: u64, shared: Option<Shared>, warn: Warn) -> Self {
        Self(Arc::new(Inner {
            local,
            limit,
            shared: shared.map(Arc::new),
            slots: Arc::new(Semaphore::new(single_flight::AT_ONCE)),
            count: usage::Counters::default(),
            warn,
            warned: AtomicBool::new(false),
            grown: AtomicBool::new(false),
            background: Mutex::default(),
        }))
    }

    /// Whether this store keeps anything.
    pub fn keeps(&self) -> bool {
        self.0.local.is_some()
    }

    /// Whether a shared store is configured. [`Store::is_shared`] tells whether it is in use.
    pub fn has_shared(&self) -> bool {
        self.0.shared.is_some()
    }

    /// Counts bytes that came from an origin instead of the store.
    pub fn came_from_origin(&self, bytes: u64) {
        self.0.count.origin.add(bytes);
    }

    /// The bytes that came from each source so far.
    pub fn used(&self) -> StoreUse {
        self.0.count.now()
    }

    fn shared(&self) -> Option<&Arc<Shared>> {
        self.0.shared.as_ref().filter(|shared| shared.is_in_use())
    }
}

/// Runs work on files in a blocking thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    task::blocking(work).await.unwrap_or_else(|error| error.resume())
}

#[cfg(test)]
mod tests;
