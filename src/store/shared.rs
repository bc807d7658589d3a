//! The shared store. Each problem is reported once and never fails a run: a store that fails or stalls is disabled, and
//! a store without write access is only read.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use tokio::sync::{OnceCell, Semaphore};

use super::{
    Entry, Key, Kind, Warn,
    backend::Backend,
    backend_error::BackendError,
    blocking::blocking,
    layout,
    receiver::Receiver,
    stall::{StallError, StallLimits, TransferProgress},
    stored_file::{SmallFile, StoredFile, WriteCondition},
};
use crate::{digest::Digest, fs::OpenFile};

/// Objects that are published at the same time, for each urgency: each one holds parts in memory.
const CONCURRENCY: usize = 3;
/// Factor on the time limit of a listing, which shows no progress before its first page is complete.
const LISTING: u32 = 8;

/// The kind of operation. It decides the consequence of an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read,
    Write,
}

/// The treatment of an entry that exists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// Keep it: both versions are right.
    Keep,
    /// Replace it: it was found to be unusable.
    Replace,
}

pub(super) struct Shared {
    /// The store's folder or address, as shown to people.
    pub(super) name: String,
    backend: Backend,
    limits: StallLimits,
    looked: OnceCell<()>,
    /// The store failed and is not used any more.
    disabled: AtomicBool,
    /// The store cannot be written.
    read_only: AtomicBool,
    /// Names of objects and entries with wrong content. They will be replaced.
    refused: Mutex<BTreeSet<String>>,
    /// Objects that are being published or were published, with the result.
    under_way: Mutex<BTreeMap<Digest, Arc<OnceCell<bool>>>>,
    /// Separate limits, so that objects that other nodes wait for do not queue behind the rest.
    urgent_slots: Semaphore,
    normal_slots: Semaphore,
    /// This node no longer waits for other nodes.
    waiting_disabled: AtomicBool,
    expired_waits: AtomicU32,
    warn: Warn,
}

/// How soon an object should be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// First: other nodes may be waiting for it.
    Awaited,
    /// In order.
    Normal,
}

impl Shared {
    pub(super) fn new(name: String, backend: Backend, limits: StallLimits, warn: Warn) -> Self {
        Self {
            name,
            backend,
            limits,
            looked: OnceCell::new(),
            disabled: AtomicBool::new(false),
            read_only: AtomicBool::new(false),
            refused: Mutex::default(),
            under_way: Mutex::default(),
            urgent_slots: Semaphore::new(CONCURRENCY),
            normal_slots: Semaphore::new(CONCURRENCY),
            waiting_disabled: AtomicBool::new(false),
            expired_waits: AtomicU32::new(0),
            warn,
        }
    }

    /// Whether the store is in use.
    pub(super) fn is_in_use(&self) -> bool {
        !self.disabled.load(Ordering::Relaxed)
    }

    /// Whether objects can be published.
    pub(super) fn is_writable(&self) -> bool {
        self.is_in_use() && !self.read_only.load(Ordering::Relaxed)
    }

    /// Whether this node waits for objects that other nodes publish.
    pub(super) fn allows_waiting(&self) -> bool {
        self.is_writable() && !self.waiting_disabled.load(Ordering::Relaxed)
    }

    /// Stops waiting for other nodes, for the rest of the run.
    pub(super) fn stop_waiting(&self) {
        self.waiting_disabled.store(true, Ordering::Relaxed);
    }

    /// Counts a wait for another node that ended without a result. After `at_most` of them this node stops waiting.
    pub(super) fn count_expired_wait(&self, at_most: u32) {
        if self.expired_waits.fetch_add(1, Ordering::Relaxed) + 1 >= at_most {
            self.stop_waiting();
        }
    }

    /// Places an object at a path. Returns its size, or `None` if the store cannot deliver it.
    pub(super) async fn fetch(
        &self,
        digest: &Digest,
        size: Option<u64>,
        to: &Path,
        on_bytes: impl Fn(u64),
    ) -> Option<u64> {
        self.receive(digest, Receiver::new(Some(to), size), on_bytes).await
    }

    /// Whether the bytes of an object match its digest.
    pub(super) async fn is_sound(&self, digest: &Digest, size: u64) -> bool {
        self.receive(digest, Receiver::new(None, Some(size)), |_| ()).await.is_some()
    }

    async fn receive(&self, digest: &Digest, to: Receiver, on_bytes: impl Fn(u64)) -> Option<u64> {
        let (name, progress) = (layout::object(digest), TransferProgress::default());
        let reading = self.backend.read(&name, to, &progress);
        let received = match self.guarded(self.limits, &progress, reading, on_bytes).await {
            Ok(Some(receiver)) => {
                let digest = digest.clone();
                blocking(move || receiver.finish(&digest)).await.map(Some)
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        received.unwrap_or_else(|error| self.record(error, Operation::Read, &name))
    }

    /// Publishes an object, unless the store has it. Returns whether the store has it afterwards. `open` opens the
    /// bytes when they are needed.
    pub(super) async fn publish(
        &self,
        digest: &Digest,
        urgency: Urgency,
        open: impl FnOnce() -> Option<OpenFile> + Send,
    ) -> bool {
        let once = Arc::clone(lock(&self.under_way).entry(digest.clone()).or_default());
        *once.get_or_init(|| self.publish_now(digest, urgency, open)).await
    }

    async fn publish_now(
        &self,
        digest: &Digest,
        urgency: Urgency,
        open: impl FnOnce() -> Option<OpenFile> + Send,
    ) -> bool {
        let slots = if urgency == Urgency::Awaited { &self.urgent_slots } else { &self.normal_slots };
        let Ok(_slot) = slots.acquire().await else { return false };
        if !self.is_writable() {
            return false;
        }
        let Some(opened) = open() else { return false };
        let name = layout::object(digest);
        if !lock(&self.refused).contains(&name) {
            let there = self.guarded(self.limits, &TransferProgress::default(), self.backend.size(&name), |_| ()).await;
            match there {
                Ok(size) if size == Some(opened.size) => return true,
                Ok(_) | Err(BackendError::BadContent(_)) => {}
                Err(error) => {
                    self.record::<()>(error, Operation::Read, &name);
                    return false;
                }
            }
        }
        let progress = TransferProgress::default();
        let writing = self.backend.publish(&name, opened, digest, &progress);
        match self.guarded(self.limits.of_writing(), &progress, writing, |_| ()).await {
            Ok(()) => {
                lock(&self.refused).remove(&name);
                true
            }
            Err(error) => {
                self.record::<()>(error, Operation::Write, &name);
                false
            }
        }
    }

    /// The entry for a key.
    pub(super) async fn entry(&self, kind: Kind, key: &Key) -> Option<Entry> {
        let name = layout::entry(kind, key);
        let content = self.content(&name).await.ok()??;
        Entry::parse(kind, &content.bytes).or_else(|| {
            self.record(
                BackendError::BadContent("this version of nodeagent cannot read the entry".to_owned()),
                Operation::Read,
                &name,
            )
        })
    }

    /// Writes an entry.
    pub(super) async fn put_entry(&self, kind: Kind, key: &Key, bytes: &[u8], existing: Existing) -> bool {
        if existing == Existing::Keep && self.entry(kind, key).await.is_some() {
            return true;
        }
        self.write(&layout::entry(kind, key), bytes, WriteCondition::Always).await.unwrap_or(false)
    }

    /// The content of a small file.
    pub(super) async fn content(&self, name: &str) -> Result<Option<SmallFile>, ()> {
        let read = self.guarded(self.limits, &TransferProgress::default(), self.backend.content(name), |_| ()).await;
        read.map_err(|error| self.record_only(error, Operation::Read, name))
    }

    /// Writes a small file if the condition holds. Returns whether it was written.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(super) async fn write(&self, name: &str, bytes: &[u8], how: WriteCondition) -> Result<bool, ()> {
        if !self.is_writable() {
            return Err(());
        }
        let writing = self.backend.write(name, bytes, how);
        let written = self.guarded(self.limits.of_writing(), &TransferProgress::default(), writing, |_| ()).await;
        written.map_err(|error| self.record_only(error, Operation::Write, name))
    }

    /// Checks that files can be written, by writing and removing an empty one.
    pub(super) async fn check_writable(&self) -> Result<(), BackendError> {
        let (name, limits) = (layout::probe(), self.limits.of_writing());
        let writing = self.backend.write(&name, b"", WriteCondition::Always);
        self.guarded(limits, &TransferProgress::default(), writing, |_| ()).await?;
        // Without permission to remove, publishing still works; `gc` removes the file later.
        let removing = self.backend.remove(&name);
        let _ = self.guarded(limits, &TransferProgress::default(), removing, |_| ()).await;
        Ok(())
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), ()> {
        let removing = self.backend.remove(name);
        let removed = self.guarded(self.limits.of_writing(), &TransferProgress::default(), removing, |_| ()).await;
        removed.map_err(|error| self.record_only(error, Operation::Write, name))
    }

    /// All files below a folder.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<StoredFile>, ()> {
        let limits = StallLimits { silence: self.limits.silence * LISTING, ..self.limits };
        let listed = self.guarded(limits, &TransferProgress::default(), self.backend.list(folder), |_| ()).await;
        listed.map_err(|error| self.record_only(error, Operation::Read, folder))
    }

    /// Runs an operation within the time limits. The first operation also checks that the store exists.
    async fn guarded<T>(
        &self,
        limits: StallLimits,
        progress: &TransferProgress,
        work: impl Future<Output = Result<T, BackendError>>,
        on_bytes: impl Fn(u64),
    ) -> Result<T, BackendError> {
        if !self.is_in_use() {
            return Err(BackendError::Disabled);
        }
        let work_in_slot = async {
            self.looked.get_or_try_init(|| self.backend.look()).await?;
            work.await
        };
        match limits.watch(progress, work_in_slot, || !self.is_in_use(), on_bytes).await {
            Ok(done) => done,
            Err(StallError::Disabled) => Err(BackendError::Disabled),
            Err(why) => Err(BackendError::Unusable(why.to_string())),
        }
    }

    fn record_only(&self, error: BackendError, operation: Operation, name: &str) {
        self.record::<()>(error, operation, name);
    }

    /// Applies the consequences of an error and warns once.
    fn record<T>(&self, error: BackendError, operation: Operation, name: &str) -> Option<T> {
        match (error, operation) {
            (BackendError::Unusable(why), _) | (BackendError::NotWritable(why), Operation::Read) => {
                if !self.disabled.swap(true, Ordering::Relaxed) {
                    (self.warn)(format!("the shared store `{}` is not used any more: {why}", self.name));
                }
            }
            (BackendError::NotWritable(why), Operation::Write) => {
                if !self.read_only.swap(true, Ordering::Relaxed) {
                    (self.warn)(format!("nothing is published to the shared store `{}`: {why}", self.name));
                }
            }
            (BackendError::BadContent(why), _) => {
                if lock(&self.refused).insert(name.to_owned()) {
                    let last = name.rsplit('/').next().unwrap_or(name);
                    let short = last.get(..12).unwrap_or(last);
                    (self.warn)(format!("the file `{short}` in the shared store `{}` is not used: {why}", self.name));
                }
            }
            // The next operation on the local disk reports its error in more detail.
            (BackendError::LocalDisk(_) | BackendError::Disabled, _) => {}
        }
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
