//! The store of a node.

use std::sync::{Arc, Mutex, atomic::AtomicBool};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    backend::Backend, bucket::BucketBackend, folder::FolderBackend, local::LocalStore, locations::StoreLocations,
    shared::Shared, stall::StallLimits, store_url::StoreUrl, usage, warn::Warn,
};
use crate::{cloud::Clouds, fs::Tree, report::event::StoreUse};

/// Operations on the store and downloads that run at the same time. A wait does not count.
const CONCURRENCY: usize = 12;

/// The store of a node. Cheap to clone. Files and connections are opened at the first use.
#[derive(Clone)]
pub struct Store(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) local: Option<LocalStore>,
    pub(super) limit: u64,
    pub(super) shared: Option<Arc<Shared>>,
    /// Limits the requests that are under way at the same time.
    pub(super) slots: Arc<Semaphore>,
    pub(super) count: usage::Counters,
    pub(super) warn: Warn,
    /// Whether the warning about a local store that cannot be written was sent.
    pub(super) warned: AtomicBool,
    /// Whether something was added, so that the local store may exceed its limit.
    pub(super) grown: AtomicBool,
    /// Uploads to the shared store.
    pub(super) background: Mutex<JoinSet<()>>,
}

impl Store {
    /// The store of a node. Opens nothing yet.
    pub fn open(locations: &StoreLocations, clouds: &Arc<Clouds>, warn: Warn) -> Self {
        let shared = locations.shared.as_ref().map(|url| {
            let backend = match url {
                StoreUrl::Folder(path) => Backend::Folder(FolderBackend { tree: Tree::shared(path.clone()) }),
                StoreUrl::Bucket(url) => Backend::Bucket(BucketBackend::new(url.clone(), Arc::clone(clouds))),
            };
            Shared::new(url.to_string(), backend, StallLimits::default(), Arc::clone(&warn))
        });
        Self::of(Some(LocalStore::new(locations.local.clone())), locations.limit, shared, warn)
    }

    /// A store that has nothing and keeps nothing.
    pub fn none() -> Self {
        Self::of(None, 0, None, Arc::new(drop))
    }

    pub(super) fn of(local: Option<LocalStore>, limit: u64, shared: Option<Shared>, warn: Warn) -> Self {
        Self(Arc::new(Inner {
            local,
            limit,
            shared: shared.map(Arc::new),
            slots: Arc::new(Semaphore::new(CONCURRENCY)),
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

    pub(super) fn shared(&self) -> Option<&Arc<Shared>> {
        self.0.shared.as_ref().filter(|shared| shared.is_in_use())
    }
}
