//! The artefact store: objects, named by their SHA-256, and entries, which map a key to objects.
//!
//! A store has a local tier on the node and may have a shared tier. Bytes are hashed before they are used. A file
//! appears in
//! a tier only when it is complete. An error of the store never fails a run: artefacts that the store cannot deliver
//! are
//! fetched from their origin.

mod backend;
mod backend_error;
mod bucket;
mod entry;
mod error;
mod folder;
mod key;
mod layout;
mod lease;
mod local;
mod maintenance;
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
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
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
use serde_json::{Map, Value};
use shared::{Existing, Shared, Urgency};
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

    /// Places an object at a path, where it appears only complete and verified. Returns whether it did. A file that is
    /// already there with the right digest is kept. `on_bytes` receives the number of bytes copied.
    pub async fn object(&self, digest: &Digest, size: Option<u64>, to: &Path, on_bytes: impl Fn(u64)) -> bool {
        if !layout::is_name(digest) {
            return false;
        }
        if is_there(digest, to).await {
            return true;
        }
        if let Some(found) = self.out_of_local(digest, to).await {
            on_bytes(found);
            self.0.count.local.add(found);
            return true;
        }
        let Some(shared) = self.shared() else { return false };
        let Some(found) = shared.fetch(digest, size, to, on_bytes).await else { return false };
        self.0.count.shared.add(found);
        self.take_in(digest, to).await;
        true
    }

    /// Adds a file under its digest and publishes it.
    pub async fn add(&self, file: &Path) -> Result<Object, StoreError> {
        let object = self.add_local(file).await?;
        self.publish_object(&object.digest, None);
        Ok(object)
    }

    /// Like [`Store::add`], but on this node only: for content with restricted access.
    pub async fn add_local(&self, file: &Path) -> Result<Object, StoreError> {
        let path = file.to_owned();
        let read = blocking(move || Digest::sha256_of_file(&path)).await;
        let digest = read.map_err(|error| StoreError::unreadable(file, error))?;
        let size = std::fs::metadata(file).map_err(|error| StoreError::unreadable(file, error))?.len();
        self.to_local(&digest, file).await?;
        Ok(Object { digest, size })
    }

    /// Adds a file whose digest was just checked, and publishes it; with a permit that other nodes wait for, it is
    /// published first. A failure is only a warning.
    pub async fn keep(&self, digest: &Digest, file: &Path, permit: FetchPermit) {
        let guard = permit.into_guard();
        if self.take_in(digest, file).await {
            self.publish_object(digest, guard);
        }
    }

    /// Like [`Store::keep`], but on this node only: for content with restricted access.
    pub async fn keep_local(&self, digest: &Digest, file: &Path) {
        self.take_in(digest, file).await;
    }

    /// Whether this store keeps anything.
    pub fn keeps(&self) -> bool {
        self.0.local.is_some()
    }

    /// Whether a shared store is configured. [`Store::is_shared`] tells whether it is in use.
    pub fn has_shared(&self) -> bool {
        self.0.shared.is_some()
    }

    /// The entry for a key, from the local store or else from the shared store.
    pub async fn entry(&self, kind: Kind, key: &Key) -> Option<Entry> {
        match self.entry_in(Tier::Local, kind, key).await {
            None => self.entry_in(Tier::Shared, kind, key).await,
            here => here,
        }
    }

    /// The entry for a key in one tier.
    pub async fn entry_in(&self, tier: Tier, kind: Kind, key: &Key) -> Option<Entry> {
        if tier == Tier::Shared {
            return self.shared()?.entry(kind, key).await;
        }
        let (inner, key) = (Arc::clone(&self.0), key.clone());
        blocking(move || inner.local.as_ref().map_or(Ok(None), |local| local.entry(kind, &key))).await.unwrap_or_else(
            |error| {
                (self.0.warn)(error.in_words());
                None
            },
        )
    }

    /// Writes an entry to both tiers. In the shared store it appears after its objects, which must be in the local
    /// store. An entry that exists there is kept.
    pub async fn publish(&self, kind: Kind, key: &Key, entry: &Entry) -> Result<(), StoreError> {
        self.put_entry(kind, key, entry).await?;
        let (store, key, entry) = (self.clone(), key.clone(), entry.clone());
        self.in_background(async move { store.publish_entry(kind, &key, &entry, Existing::Keep).await });
        Ok(())
    }

    /// Like [`Store::publish`], but replaces an entry that exists, because it was unusable. Waits until other nodes can
    /// see the new entry.
    pub async fn republish(&self, kind: Kind, key: &Key, entry: &Entry) -> Result<(), StoreError> {
        self.put_entry(kind, key, entry).await?;
        self.publish_entry(kind, key, entry, Existing::Replace).await;
        Ok(())
    }

    /// Adds a file and writes an entry for it, replacing an entry that exists. `visibility` decides whether both are
    /// also published.
    pub async fn publish_file(
        &self,
        (kind, key): (Kind, &Key),
        role: &str,
        file: &Path,
        facts: Map<String, Value>,
        visibility: Visibility,
    ) -> Result<(), StoreError> {
        let entry = |object| Entry::new(kind, vec![Member::new(role, &object)], facts);
        match visibility {
            Visibility::Shared => self.republish(kind, key, &entry(self.add(file).await?)).await,
            Visibility::NodeOnly => self.put_entry(kind, key, &entry(self.add_local(file).await?)).await,
        }
    }

    /// Writes an entry on this node only.
    pub async fn put_entry(&self, kind: Kind, key: &Key, entry: &Entry) -> Result<(), StoreError> {
        let (inner, key, bytes) = (Arc::clone(&self.0), key.clone(), entry.to_bytes());
        blocking(move || inner.local.as_ref().map_or(Ok(()), |local| local.put_entry(kind, &key, &bytes))).await
    }

    async fn publish_entry(&self, kind: Kind, key: &Key, entry: &Entry, existing: Existing) {
        let Some(shared) = self.shared() else { return };
        for digest in entry.objects.iter().map(Member::digest) {
            if !shared.publish(&digest, Urgency::Normal, || self.local_object(&digest)).await {
                return;
            }
        }
        shared.put_entry(kind, key, &entry.to_bytes(), existing).await;
    }

    /// Runs work beside the run. [`Store::settle`] waits for it.
    pub fn spawn_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Outside of a runtime no task can run. Other nodes will publish the artefact.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.background().spawn(work);
        }
    }

    /// Waits for all uploads, but not longer than `at_most`, then keeps the local store within its limit. Unfinished
    /// uploads are cancelled: another node will publish these objects.
    pub async fn settle(&self, at_most: Duration) {
        let mut under_way = JoinSet::new();
        // A task may spawn another one before it ends.
        let all = async {
            loop {
                under_way = std::mem::take(&mut *self.background());
                if under_way.is_empty() {
                    return;
                }
                while under_way.join_next().await.is_some() {}
            }
        };
        if tokio::time::timeout(at_most, all).await.is_err() {
            let count = under_way.len() + self.background().len();
            (self.0.warn)(format!("{count} of what was fetched was not published in time"));
        }
        under_way.abort_all();
        self.background().abort_all();
        self.keep_within_bound().await;
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

    fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        if self.0.shared.is_some() {
            self.spawn_background(work);
        }
    }

    fn background(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.0.background.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes an object, then releases the lease that other nodes wait for.
    fn publish_object(&self, digest: &Digest, guard: Option<LeaseGuard>) {
        let (store, digest) = (self.clone(), digest.clone());
        self.in_background(async move {
            if let Some(shared) = store.shared() {
                let urgency = if guard.is_some() { Urgency::Awaited } else { Urgency::Normal };
                shared.publish(&digest, urgency, || store.local_object(&digest)).await;
            }
            if let Some(guard) = guard {
                guard.give_back().await;
            }
        });
    }

    fn local_object(&self, digest: &Digest) -> Option<crate::fs::OpenFile> {
        self.0.local.as_ref()?.tree.open(&layout::object(digest)).ok()?
    }

    /// Adds a file, or warns once if that fails. Returns whether it was added.
    async fn take_in(&self, digest: &Digest, file: &Path) -> bool {
        let Err(error) = self.to_local(digest, file).await else { return self.0.local.is_some() };
        if !self.0.warned.swap(true, Ordering::Relaxed) {
            (self.0.warn)(format!("what is fetched is not kept: {}", error.in_words()));
        }
        false
    }

    async fn to_local(&self, digest: &Digest, file: &Path) -> Result<(), StoreError> {
        let (inner, digest, file) = (Arc::clone(&self.0), digest.clone(), file.to_owned());
        blocking(move || {
            let Some(local) = &inner.local else { return Ok(()) };
            inner.grown.store(true, Ordering::Relaxed);
            local.take_in(&digest, &file)
        })
        .await
    }

    /// Places an object from the local store at a path. Returns its size.
    async fn out_of_local(&self, digest: &Digest, to: &Path) -> Option<u64> {
        let (inner, also, to) = (Arc::clone(&self.0), digest.clone(), to.to_owned());
        match blocking(move || inner.local.as_ref()?.give_out(&also, &to).transpose()).await? {
            Ok(size) => Some(size),
            Err(error) => {
                (self.0.warn)(error.in_words());
                None
            }
        }
    }
}

async fn is_there(digest: &Digest, to: &Path) -> bool {
    let (digest, to) = (digest.clone(), to.to_owned());
    blocking(move || Digest::sha256_of_file(&to).is_ok_and(|found| found == digest)).await
}

/// Runs work on files in a blocking thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    task::blocking(work).await.unwrap_or_else(|error| error.resume())
}

#[cfg(test)]
mod tests;
