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
    backend::{Backend, Content, Held, Write},
    layout,
    patience::{GivenUp, Patience, Pulse},
    receive::Receiver,
    trouble::Trouble,
};
use crate::{digest::Digest, fs::Opened};

/// Objects that are published at once: each holds its next parts in memory. As many that nobody waits for.
const AT_ONCE: usize = 3;
/// A listing says nothing before its first page is whole.
const LISTING: u32 = 8;

/// What somebody does at the place, for what follows when it fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    Reading,
    Writing,
}

/// What becomes of an entry that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// Who is second leaves it: both are right.
    Stays,
    /// It was found to be of no use.
    Replaced,
}

pub(super) struct Shared {
    /// As people name it.
    pub(super) name: String,
    backend: Backend,
    patience: Patience,
    looked: OnceCell<()>,
    /// It failed, and is not asked any more.
    left: AtomicBool,
    /// Nothing can be written there.
    closed: AtomicBool,
    /// Names under which it has something else than it should: to be replaced.
    refused: Mutex<BTreeSet<String>>,
    /// Objects that are on their way there, or were.
    under_way: Mutex<BTreeMap<Digest, Arc<OnceCell<bool>>>>,
    /// Places for what others may be waiting for, and for the rest.
    urgent: Semaphore,
    places: Semaphore,
    /// Nobody is waited for any more.
    alone: AtomicBool,
    in_vain: AtomicU32,
    warn: Warn,
}

/// How soon an object is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Others may be waiting for it.
    Awaited,
    /// When its turn comes.
    Usual,
}

impl Shared {
    pub(super) fn new(name: String, backend: Backend, patience: Patience, warn: Warn) -> Self {
        Self {
            name,
            backend,
            patience,
            looked: OnceCell::new(),
            left: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            refused: Mutex::default(),
            under_way: Mutex::default(),
            urgent: Semaphore::new(AT_ONCE),
            places: Semaphore::new(AT_ONCE),
            alone: AtomicBool::new(false),
            in_vain: AtomicU32::new(0),
            warn,
        }
    }

    /// Whether it is still asked.
    pub(super) fn is_in_use(&self) -> bool {
        !self.left.load(Ordering::Relaxed)
    }

    /// Whether something may still be published there.
    pub(super) fn takes(&self) -> bool {
        self.is_in_use() && !self.closed.load(Ordering::Relaxed)
    }

    /// Whether it may pay to wait for what others publish there.
    pub(super) fn is_worth_waiting_by(&self) -> bool {
        self.takes() && !self.alone.load(Ordering::Relaxed)
    }

    /// Nobody is waited for from here on.
    pub(super) fn wait_no_more(&self) {
        self.alone.store(true, Ordering::Relaxed);
    }

    /// Somebody was waited for, and did not publish it in time.
    pub(super) fn waited_in_vain(&self, at_most: u32) {
        if self.in_vain.fetch_add(1, Ordering::Relaxed) + 1 >= at_most {
            self.wait_no_more();
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
        let (name, pulse) = (layout::object(digest), Pulse::default());
        let reading = self.backend.read(&name, to, &pulse);
        let received = match self.attend(self.patience, &pulse, reading, on_bytes).await {
            Ok(Some(receiver)) => {
                let digest = digest.clone();
                super::blocking(move || receiver.finish(&digest)).await.map(Some)
            }
            Ok(None) => Ok(None),
            Err(trouble) => Err(trouble),
        };
        received.unwrap_or_else(|trouble| self.note(trouble, Doing::Reading, &name))
    }

    /// Publishes an object, unless it is there. Says whether it is there then. `open`: the bytes, when they are needed.
    pub(super) async fn publish(
        &self,
        digest: &Digest,
        urgency: Urgency,
        open: impl FnOnce() -> Option<Opened> + Send,
    ) -> bool {
        let once = Arc::clone(lock(&self.under_way).entry(digest.clone()).or_default());
        *once.get_or_init(|| self.publish_now(digest, urgency, open)).await
    }

    async fn publish_now(
        &self,
        digest: &Digest,
        urgency: Urgency,
        open: impl FnOnce() -> Option<Opened> + Send,
    ) -> bool {
        let places = if urgency == Urgency::Awaited { &self.urgent } else { &self.places };
        let Ok(_place) = places.acquire().await else { return false };
        if !self.takes() {
            return false;
        }
        let Some(opened) = open() else { return false };
        let name = layout::object(digest);
        if !lock(&self.refused).contains(&name) {
            let there = self.attend(self.patience, &Pulse::default(), self.backend.size(&name), |_| ()).await;
            match there {
                Ok(size) if size == Some(opened.size) => return true,
                Ok(_) | Err(Trouble::Refused(_)) => {}
                Err(trouble) => {
                    self.note::<()>(trouble, Doing::Reading, &name);
                    return false;
                }
            }
        }
        let pulse = Pulse::default();
        let writing = self.backend.publish(&name, opened, digest, &pulse);
        match self.attend(self.patience.of_writing(), &pulse, writing, |_| ()).await {
            Ok(()) => {
                lock(&self.refused).remove(&name);
                true
            }
            Err(trouble) => {
                self.note::<()>(trouble, Doing::Writing, &name);
                false
            }
        }
    }

    /// What a key leads to, as it is written there.
    pub(super) async fn entry(&self, kind: Kind, key: &Key) -> Option<Entry> {
        let name = layout::entry(kind, key);
        let content = self.content(&name).await.ok()??;
        Entry::parse(kind, &content.bytes).or_else(|| {
            self.note(Trouble::Refused("it is no entry that this release can read".to_owned()), Doing::Reading, &name)
        })
    }

    /// Says what a key leads to.
    pub(super) async fn put_entry(&self, kind: Kind, key: &Key, bytes: &[u8], present: Present) -> bool {
        if present == Present::Stays && self.entry(kind, key).await.is_some() {
            return true;
        }
        self.write(&layout::entry(kind, key), bytes, Write::Always).await.unwrap_or(false)
    }

    /// A small file as it is now.
    pub(super) async fn content(&self, name: &str) -> Result<Option<Content>, ()> {
        let read = self.attend(self.patience, &Pulse::default(), self.backend.content(name), |_| ()).await;
        read.map_err(|trouble| self.forget(trouble, Doing::Reading, name))
    }

    /// Writes a small file. Says whether it did; the error is that nothing can be written.
    pub(super) async fn write(&self, name: &str, bytes: &[u8], how: Write) -> Result<bool, ()> {
        if !self.takes() {
            return Err(());
        }
        let writing = self.backend.write(name, bytes, how);
        let written = self.attend(self.patience.of_writing(), &Pulse::default(), writing, |_| ()).await;
        written.map_err(|trouble| self.forget(trouble, Doing::Writing, name))
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), ()> {
        let removing = self.backend.remove(name);
        let removed = self.attend(self.patience.of_writing(), &Pulse::default(), removing, |_| ()).await;
        removed.map_err(|trouble| self.forget(trouble, Doing::Writing, name))
    }

    /// All files below a folder.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Held>, ()> {
        let patience = Patience { silence: self.patience.silence * LISTING, ..self.patience };
        let listed = self.attend(patience, &Pulse::default(), self.backend.list(folder), |_| ()).await;
        listed.map_err(|trouble| self.forget(trouble, Doing::Reading, folder))
    }

    /// Works with the place while patience lasts.
    async fn attend<T>(
        &self,
        patience: Patience,
        pulse: &Pulse,
        work: impl Future<Output = Result<T, Trouble>>,
        on_bytes: impl Fn(u64),
    ) -> Result<T, Trouble> {
        if !self.is_in_use() {
            return Err(Trouble::Left);
        }
        let looked_and_done = async {
            self.looked.get_or_try_init(|| self.backend.look()).await?;
            work.await
        };
        match patience.attend(pulse, looked_and_done, || !self.is_in_use(), on_bytes).await {
            Ok(done) => done,
            Err(GivenUp::Meanwhile) => Err(Trouble::Left),
            Err(why) => Err(Trouble::Place(why.to_string())),
        }
    }

    fn forget(&self, trouble: Trouble, doing: Doing, name: &str) {
        self.note::<()>(trouble, doing, name);
    }

    /// Draws the consequences of a trouble, and says so once.
    fn note<T>(&self, trouble: Trouble, doing: Doing, name: &str) -> Option<T> {
        match (trouble, doing) {
            (Trouble::Place(why), _) | (Trouble::Closed(why), Doing::Reading) => {
                if !self.left.swap(true, Ordering::Relaxed) {
                    (self.warn)(format!("the shared store `{}` is left alone from here on: {why}", self.name));
                }
            }
            (Trouble::Closed(why), Doing::Writing) => {
                if !self.closed.swap(true, Ordering::Relaxed) {
                    (self.warn)(format!("nothing is published in the shared store `{}`: {why}", self.name));
                }
            }
            (Trouble::Refused(why), _) => {
                if lock(&self.refused).insert(name.to_owned()) {
                    let last = name.rsplit('/').next().unwrap_or(name);
                    let short = last.get(..12).unwrap_or(last);
                    (self.warn)(format!("what the shared store `{}` has as `{short}` is refused: {why}", self.name));
                }
            }
            // The next to use our own disk says it better.
            (Trouble::Ours(_) | Trouble::Left, _) => {}
        }
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
