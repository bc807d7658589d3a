//! Artefacts by what they are: objects, named by their SHA-256, and entries, which say what objects a key leads to.
//!
//! A store has a place on the node and may have one that nodes share. Nothing is taken from either before its bytes were
//! hashed, nothing is visible in either before it is whole, and no place that fails ever fails a run: what the store
//! does not give comes from the origin.

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

/// Where the node's own place is, below the agent's cache.
const LOCAL: &str = "store";
/// How large the node's own place may grow unless somebody says otherwise: 10 GiB.
pub const DEFAULT_LIMIT: u64 = 10 << 30;

/// Hears of what people should know and what stops nothing.
pub type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// Bytes of the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// The SHA-256, which is its name.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Where the store of a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLocations {
    /// The node's own place.
    pub local: PathBuf,
    /// How large that may grow, in bytes.
    pub limit: u64,
    /// The one that nodes share.
    pub shared: Option<StoreUrl>,
}

impl StoreLocations {
    /// The usual ones of a node: below the agent's cache, and nothing shared.
    pub fn below(cache: &Path) -> Self {
        Self { local: cache.join(LOCAL), limit: DEFAULT_LIMIT, shared: None }
    }
}

/// The store of a node. Cheap to clone; nothing is opened before it is needed.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    local: Option<LocalStore>,
    limit: u64,
    shared: Option<Arc<Shared>>,
    /// Places for what is fetched at once, wherever from.
    slots: Arc<Semaphore>,
    count: usage::Counters,
    warn: Warn,
    /// Whether it was warned that nothing can be kept.
    warned: AtomicBool,
    /// Whether something was taken in, so that the bound may be passed.
    grown: AtomicBool,
    /// What is on its way to the shared place.
    background: Mutex<JoinSet<()>>,
}

impl Store {
    /// The store of a node. Nobody is asked and nothing is looked at yet.
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

    /// Brings an object to a path, where it appears only whole and right. Says whether it did; what is there already and
    /// right is left as it is. `on_bytes` hears of what had to be copied.
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

    /// Takes a file in under the digest of its bytes, and publishes it.
    pub async fn add(&self, file: &Path) -> Result<Object, StoreError> {
        let object = self.add_local(file).await?;
        self.publish_object(&object.digest, None);
        Ok(object)
    }

    /// The same on this node only: for what not everybody may have.
    pub async fn add_local(&self, file: &Path) -> Result<Object, StoreError> {
        let path = file.to_owned();
        let read = blocking(move || Digest::sha256_of_file(&path)).await;
        let digest = read.map_err(|error| StoreError::unreadable(file, error))?;
        let size = std::fs::metadata(file).map_err(|error| StoreError::unreadable(file, error))?.len();
        self.to_local(&digest, file).await?;
        Ok(Object { digest, size })
    }

    /// Takes a file in whose bytes were just checked against a digest, and publishes it: for those who wait for it, at
    /// once. Not to be able to is worth a warning and no more.
    pub async fn keep(&self, digest: &Digest, file: &Path, permit: FetchPermit) {
        let guard = permit.into_guard();
        if self.take_in(digest, file).await {
            self.publish_object(digest, guard);
        }
    }

    /// The same on this node only: for what not everybody may have.
    pub async fn keep_local(&self, digest: &Digest, file: &Path) {
        self.take_in(digest, file).await;
    }

    /// Whether anything is kept at all.
    pub fn keeps(&self) -> bool {
        self.0.local.is_some()
    }

    /// Whether a shared place is named, whatever became of it; [`Store::is_shared`] says whether it is in use.
    pub fn has_shared(&self) -> bool {
        self.0.shared.is_some()
    }

    /// What a key leads to: here, else in the shared place.
    pub async fn entry(&self, kind: Kind, key: &Key) -> Option<Entry> {
        match self.entry_in(Tier::Local, kind, key).await {
            None => self.entry_in(Tier::Shared, kind, key).await,
            here => here,
        }
    }

    /// What a key leads to in one of the locations.
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

    /// Says what a key leads to, here and in the shared place: there once all its objects are there, which must be here.
    /// What is said there already stays.
    pub async fn publish(&self, kind: Kind, key: &Key, entry: &Entry) -> Result<(), StoreError> {
        self.put_entry(kind, key, entry).await?;
        let (store, key, entry) = (self.clone(), key.clone(), entry.clone());
        self.in_background(async move { store.publish_entry(kind, &key, &entry, Existing::Keep).await });
        Ok(())
    }

    /// The same in the place of what was said before, which was of no use. Waits until others can see it.
    pub async fn republish(&self, kind: Kind, key: &Key, entry: &Entry) -> Result<(), StoreError> {
        self.put_entry(kind, key, entry).await?;
        self.publish_entry(kind, key, entry, Existing::Replace).await;
        Ok(())
    }

    /// Takes a file in and says that a key leads to it, in the place of what was said before: for everybody, or on this
    /// node only for what not everybody may have.
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

    /// Says what a key leads to on this node only.
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

    /// Goes on with work beside the run, which [`Store::settle`] waits for.
    pub fn spawn_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Outside of a runtime nothing can go on; what was to be published is published by others.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.background().spawn(work);
        }
    }

    /// Waits until all is published that was to be, but not longer than this; then keeps the node's own place within its
    /// bound. What is late is not waited for: somebody else publishes it.
    pub async fn settle(&self, at_most: Duration) {
        let mut under_way = JoinSet::new();
        // What ends may have begun something else.
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

    /// Notes what came from where it is made, past the store.
    pub fn came_from_origin(&self, bytes: u64) {
        self.0.count.origin.add(bytes);
    }

    /// What came from where, up to now.
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

    /// Publishes an object; gives back the lease that others wait by when it is there.
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

    /// Takes a file in, or says once that it cannot. Says whether it did.
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

    /// From the node's own place; the object's size.
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

/// Works on files beside the runtime's own threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    task::blocking(work).await.unwrap_or_else(|error| error.resume())
}

#[cfg(test)]
mod tests;
