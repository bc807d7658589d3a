//! Who works on what a key leads to: so that of many nodes one fetches or builds it and the others wait for that.
//!
//! A lease saves work and guards nothing: two who both think that they hold it publish the same twice. Where it cannot be
//! written down, everybody holds it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{
    Key, Store, layout,
    shared::Shared,
    stored_file::{SmallFile, Version, WriteCondition},
};

/// A lease as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LeaseRecord {
    holder: String,
    expires: Timestamp,
}

/// Whether the work is ours.
#[derive(Debug)]
pub enum Lease {
    /// It is ours as long as the guard lives.
    Taken(LeaseGuard),
    /// Somebody else is at it.
    Held {
        /// When they will have given up, unless they say otherwise.
        until: Timestamp,
    },
}

/// A lease of ours: renewed while it is held, given back when dropped.
#[derive(Debug)]
pub struct LeaseGuard {
    renewing: Option<JoinHandle<()>>,
    give_back: Option<GiveBack>,
}

struct GiveBack {
    store: Store,
    name: String,
    holder: String,
}

impl std::fmt::Debug for GiveBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GiveBack({})", self.name)
    }
}

impl GiveBack {
    async fn remove(self) {
        let Some(shared) = self.store.shared() else { return };
        // It may have run out, and be somebody else's by now.
        if let Ok(Some(content)) = shared.content(&self.name).await
            && read(&content).is_some_and(|lease| lease.holder == self.holder)
        {
            let _ = shared.remove(&self.name).await;
        }
    }
}

impl LeaseGuard {
    /// A lease that nobody else could ask for.
    fn not_shared() -> Self {
        Self { renewing: None, give_back: None }
    }

    /// Whether others can see it.
    pub(super) fn is_written(&self) -> bool {
        self.give_back.is_some()
    }

    /// Gives it back now.
    pub(super) async fn give_back(mut self) {
        self.stop_renewing();
        if let Some(lease) = self.give_back.take() {
            lease.remove().await;
        }
    }

    fn stop_renewing(&mut self) {
        if let Some(renewing) = self.renewing.take() {
            renewing.abort();
        }
    }

    /// As if its process were killed.
    #[cfg(test)]
    pub(super) fn die(&mut self) {
        self.stop_renewing();
        self.give_back = None;
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.stop_renewing();
        if let Some(lease) = self.give_back.take() {
            let store = lease.store.clone();
            store.in_background(lease.remove());
        }
    }
}

impl Store {
    /// Takes the work on a key for so long; renewed while it is held, so that a dead holder blocks nobody for longer.
    pub async fn lease(&self, key: &Key, for_: Duration) -> Lease {
        let Some(shared) = self.shared() else { return Lease::Taken(LeaseGuard::not_shared()) };
        let (name, holder) = (layout::lease(key), format!("{}-{:016x}", holder(), fastrand::u64(..)));
        match take(shared, &name, &holder, for_).await {
            Err(()) => Lease::Taken(LeaseGuard::not_shared()),
            Ok(Some(until)) => Lease::Held { until },
            Ok(None) => Lease::Taken(LeaseGuard {
                renewing: Some(tokio::spawn(renew(self.clone(), name.clone(), holder.clone(), for_))),
                give_back: Some(GiveBack { store: self.clone(), name, holder }),
            }),
        }
    }

    /// Whether somebody is at work on a key. `for_`: how long a lease of theirs lasts at most.
    pub async fn is_leased(&self, key: &Key, for_: Duration) -> bool {
        let Some(shared) = self.shared() else { return false };
        let found = shared.content(&layout::lease(key)).await;
        found.ok().flatten().is_some_and(|content| until(&content, for_) > Timestamp::now())
    }

    /// The same for who waits, and mostly finds that nothing has changed: looks before it writes.
    pub(super) async fn lease_if_free(&self, key: &Key, for_: Duration) -> Lease {
        if let Some(shared) = self.shared()
            && let Ok(Some(content)) = shared.content(&layout::lease(key)).await
        {
            let until = until(&content, for_);
            if until > Timestamp::now() {
                return Lease::Held { until };
            }
        }
        self.lease(key, for_).await
    }
}

/// Takes a lease: `None`. Or until when somebody else has it. The error is that it cannot be written down.
async fn take(shared: &Arc<Shared>, name: &str, holder: &str, for_: Duration) -> Result<Option<Timestamp>, ()> {
    // Twice: the one that was in the way may be given back in between.
    for _ in 0..2 {
        if shared.write(name, &written(holder, for_), WriteCondition::IfAbsent).await? {
            return Ok(None);
        }
        let Some(content) = shared.content(name).await? else { continue };
        let until = until(&content, for_);
        if until > Timestamp::now() {
            return Ok(Some(until));
        }
        if shared.write(name, &written(holder, for_), WriteCondition::IfUnchanged(content.version)).await? {
            return Ok(None);
        }
    }
    Ok(Some(later(for_)))
}

/// When a lease ends: as it says, but never later than an honest one taken now would. One that cannot be read may be in
/// the making: it counts from when it was written.
fn until(content: &SmallFile, for_: Duration) -> Timestamp {
    let latest = later(for_);
    if let Some(lease) = read(content) {
        return lease.expires.min(latest);
    }
    let age = SystemTime::now().duration_since(content.modified).unwrap_or_default();
    later(for_.saturating_sub(age)).min(latest)
}

/// Who we are to others: a name that no other process has.
fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}

async fn renew(store: Store, name: String, holder: String, for_: Duration) {
    let Some(shared) = store.shared() else { return };
    loop {
        tokio::time::sleep(for_ / 3).await;
        let Ok(Some(content)) = shared.content(&name).await else { return };
        if read(&content).is_none_or(|lease| lease.holder != holder) {
            return; // it is somebody else's by now
        }
        let how = match content.version {
            // A folder has no such promise, and a moment without the lease would be worse.
            Version::Bytes(_) => WriteCondition::Always,
            tag @ Version::Tag(_) => WriteCondition::IfUnchanged(tag),
        };
        if shared.write(&name, &written(&holder, for_), how).await != Ok(true) {
            return;
        }
    }
}

fn written(holder: &str, for_: Duration) -> Vec<u8> {
    let lease = LeaseRecord { holder: holder.to_owned(), expires: later(for_) };
    serde_json::to_vec(&lease).expect("our own types can be written")
}

fn read(content: &SmallFile) -> Option<LeaseRecord> {
    serde_json::from_slice(&content.bytes).ok()
}

fn later(by: Duration) -> Timestamp {
    Timestamp::now().saturating_add(jiff::SignedDuration::try_from(by).unwrap_or_default()).unwrap_or(Timestamp::MAX)
}
