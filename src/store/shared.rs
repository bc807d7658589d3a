//! The place that nodes share. What is wrong with it is said once, and never fails anything: a place that fails or
//! stalls is left alone, one that cannot be written to is only read.

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
    layout,
    receiver::Receiver,
    stall::{StallError, StallLimits, TransferProgress},
    stored_file::{SmallFile, StoredFile, WriteCondition},
};
use crate::{digest::Digest, fs::OpenFile};

/// Bucket that are published at once: each holds its next parts in memory. As many that nobody waits for.
const AT_ONCE: usize = 3;
/// A listing says nothing before its first page is whole.
const LISTING: u32 = 8;

/// What somebody does at the place, for what follows when it fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read,
    Write,
}

/// What becomes of an entry that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// Who is second leaves it: both are right.
    Keep,
    /// It was found to be of no use.
    Replace,
}

pub(super) struct Shared {
    /// As people name it.
    pub(super) name: String,
    backend: Backend,
    limits: StallLimits,
    looked: OnceCell<()>,
    /// It failed, and is not asked any more.
    disabled: AtomicBool,
    /// Nothing can be written there.
    read_only: AtomicBool,
    /// Names under which it has something else than it should: to be replaced.
    refused: Mutex<BTreeSet<String>>,
    /// Bucket that are on their way there, or were.
    under_way: Mutex<BTreeMap<Digest, Arc<OnceCell<bool>>>>,
    /// Places for what others may be waiting for, and for the rest.
    urgent_slots: Semaphore,
    normal_slots: Semaphore,
    /// Nobody is waited for any more.
    waiting_disabled: AtomicBool,
    expired_waits: AtomicU32,
    warn: Warn,
}

/// How soon an object is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Others may be waiting for it.
    Awaited,
    /// When its turn comes.
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
            urgent_slots: Semaphore::new(AT_ONCE),
            normal_slots: Semaphore::new(AT_ONCE),
            waiting_disabled: AtomicBool::new(false),
            expired_waits: AtomicU32::new(0),
            warn,
        }
    }

    /// Whether it is still asked.
    pub(super) fn is_in_use(&self) -> bool {
        !self.disabled.load(Ordering::Relaxed)
    }

    /// Whether something may still be published there.
    pub(super) fn is_writable(&self) -> bool {
        self.is_in_use() && !self.read_only.load(Ordering::Relaxed)
    }

    /// Whether it may pay to wait for what others publish there.
    pub(super) fn allows_waiting(&self) -> bool {
        self.is_writable() && !self.waiting_disabled.load(Ordering::Relaxed)
    }

    /// Nobody is waited for from here on.
    pub(super) fn stop_waiting(&self) {
        self.waiting_disabled.store(true, Ordering::Relaxed);
    }

    /// Somebody was waited for, and did not publish it in time.
    pub(super) fn count_expired_wait(&self, at_most: u32) {
        if self.expired_waits.fetch_add(1, Ordering::Relaxed) + 1 >= at_most {
            self.stop_waiting();
        }
    }

    /// Brings an object to a path. Returns its size; `None` when it is not to be had here.
    pub(super) async fn fetch(
        &self,
        digest: &Digest,
        size: Option<u64>,
        to: &Path,
        on_bytes: impl Fn(u64),
    ) -> Option<u64> {
        self.receive(digest, Receiver::new(Some(to), size), on_bytes).await
    }

    /// Whether an object is what its name says.
    pub(super) async fn is_sound(&self, digest: &Digest, size: u64) -> bool {
        self.receive(digest, Receiver::new(None, Some(size)), |_| ()).await.is_some()
    }

    async fn receive(&self, digest: &Digest, to: Receiver, on_bytes: impl Fn(u64)) -> Option<u64> {
        let (name, progress) = (layout::object(digest), TransferProgress::default());
        let reading = self.backend.read(&name, to, &progress);
        let received = match self.guarded(self.limits, &progress, reading, on_bytes).await {
            Ok(Some(receiver)) => {
                let digest = digest.clone();
                super::blocking(move || receiver.finish(&digest)).await.map(Some)
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        received.unwrap_or_else(|error| self.record(error, Operation::Read, &name))
    }

    /// Publishes an object, unless it is there. Says whether it is there then. `open`: the bytes, when they are needed.
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

    /// What a key leads to, as it is written there.
    pub(super) async fn entry(&self, kind: Kind, key: &Key) -> Option<Entry> {
        let name = layout::entry(kind, key);
        let content = self.content(&name).await.ok()??;
        Entry::parse(kind, &content.bytes).or_else(|| {
            self.record(
                BackendError::BadContent("it is no entry that this release can read".to_owned()),
                Operation::Read,
                &name,
            )
        })
    }

    /// Says what a key leads to.
    pub(super) async fn put_entry(&self, kind: Kind, key: &Key, bytes: &[u8], existing: Existing) -> bool {
        if existing == Existing::Keep && self.entry(kind, key).await.is_some() {
            return true;
        }
        self.write(&layout::entry(kind, key), bytes, WriteCondition::Always).await.unwrap_or(false)
    }

    /// A small file as it is now.
    pub(super) async fn content(&self, name: &str) -> Result<Option<SmallFile>, ()> {
        let read = self.guarded(self.limits, &TransferProgress::default(), self.backend.content(name), |_| ()).await;
        read.map_err(|error| self.record_only(error, Operation::Read, name))
    }

    /// Writes a small file. Says whether it did; the error is that nothing can be written.
    pub(super) async fn write(&self, name: &str, bytes: &[u8], how: WriteCondition) -> Result<bool, ()> {
        if !self.is_writable() {
            return Err(());
        }
        let writing = self.backend.write(name, bytes, how);
        let written = self.guarded(self.limits.of_writing(), &TransferProgress::default(), writing, |_| ()).await;
        written.map_err(|error| self.record_only(error, Operation::Write, name))
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

    /// Works with the place while patience lasts.
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
        let looked_and_done = async {
            self.looked.get_or_try_init(|| self.backend.look()).await?;
            work.await
        };
        match limits.watch(progress, looked_and_done, || !self.is_in_use(), on_bytes).await {
            Ok(done) => done,
            Err(StallError::Disabled) => Err(BackendError::Disabled),
            Err(why) => Err(BackendError::Unusable(why.to_string())),
        }
    }

    fn record_only(&self, error: BackendError, operation: Operation, name: &str) {
        self.record::<()>(error, operation, name);
    }

    /// Draws the consequences of a trouble, and says so once.
    fn record<T>(&self, error: BackendError, operation: Operation, name: &str) -> Option<T> {
        match (error, operation) {
            (BackendError::Unusable(why), _) | (BackendError::NotWritable(why), Operation::Read) => {
                if !self.disabled.swap(true, Ordering::Relaxed) {
                    (self.warn)(format!("the shared store `{}` is left alone from here on: {why}", self.name));
                }
            }
            (BackendError::NotWritable(why), Operation::Write) => {
                if !self.read_only.swap(true, Ordering::Relaxed) {
                    (self.warn)(format!("nothing is published in the shared store `{}`: {why}", self.name));
                }
            }
            (BackendError::BadContent(why), _) => {
                if lock(&self.refused).insert(name.to_owned()) {
                    let last = name.rsplit('/').next().unwrap_or(name);
                    let short = last.get(..12).unwrap_or(last);
                    (self.warn)(format!("what the shared store `{}` has as `{short}` is refused: {why}", self.name));
                }
            }
            // The next to use our own disk says it better.
            (BackendError::LocalDisk(_) | BackendError::Disabled, _) => {}
        }
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
