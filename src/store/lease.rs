//! Leases: one node fetches or builds an artefact, and the others wait for its result.
//!
//! A lease only saves work. Two nodes that both believe to hold it publish the same artefact twice, which does no harm.
//! If a lease cannot be written, each node acts as if it held it.

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

/// The content of a lease file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LeaseRecord {
    holder: String,
    expires: Timestamp,
}

/// The result of asking for a lease.
#[derive(Debug)]
pub enum Lease {
    /// This process holds the lease until the guard is dropped.
    Taken(LeaseGuard),
    /// Another process holds the lease.
    Held {
        /// The time when that lease expires, unless it is renewed.
        until: Timestamp,
    },
}

/// A lease held by this process. It is renewed in the background and released on drop.
#[derive(Debug)]
pub struct LeaseGuard {
    renewing: Option<JoinHandle<()>>,
    written: Option<WrittenLease>,
}

struct WrittenLease {
    store: Store,
    name: String,
    holder: String,
}

impl std::fmt::Debug for WrittenLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WrittenLease({})", self.name)
    }
}

impl WrittenLease {
    async fn remove(self) {
        let Some(shared) = self.store.shared() else { return };
        // The lease may have expired, and another process may hold it now.
        if let Ok(Some(content)) = shared.content(&self.name).await
            && read(&content).is_some_and(|lease| lease.holder == self.holder)
        {
            let _ = shared.remove(&self.name).await;
        }
    }
}

impl LeaseGuard {
    /// A guard without a lease file: no other node can see it.
    fn not_shared() -> Self {
        Self { renewing: None, written: None }
    }

    /// Whether the lease is written to the shared store, so that other nodes see it.
    pub(super) fn is_written(&self) -> bool {
        self.written.is_some()
    }

    /// Releases the lease now.
    pub(super) async fn release(mut self) {
        self.stop_renewing();
        if let Some(lease) = self.written.take() {
            lease.remove().await;
        }
    }

    fn stop_renewing(&mut self) {
        if let Some(renewing) = self.renewing.take() {
            renewing.abort();
        }
    }

    /// Simulates the death of the process: the lease is neither renewed nor released.
    #[cfg(test)]
    pub(super) fn die(&mut self) {
        self.stop_renewing();
        self.written = None;
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.stop_renewing();
        if let Some(lease) = self.written.take() {
            let store = lease.store.clone();
            store.in_background(lease.remove());
        }
    }
}

impl Store {
    /// Asks for the lease on a key. A lease lasts for `for_` and is renewed while it is held, so a dead holder blocks
    /// others for at most this time.
    pub async fn lease(&self, key: &Key, for_: Duration) -> Lease {
        let Some(shared) = self.shared() else { return Lease::Taken(LeaseGuard::not_shared()) };
        let (name, holder) = (layout::lease(key), format!("{}-{:016x}", holder(), fastrand::u64(..)));
        match take(shared, &name, &holder, for_).await {
            Err(()) => Lease::Taken(LeaseGuard::not_shared()),
            Ok(Some(until)) => Lease::Held { until },
            Ok(None) => Lease::Taken(LeaseGuard {
                renewing: Some(tokio::spawn(renew(self.clone(), name.clone(), holder.clone(), for_))),
                written: Some(WrittenLease { store: self.clone(), name, holder }),
            }),
        }
    }

    /// Whether another process holds the lease on a key. `for_` is the longest duration of a lease.
    pub async fn is_leased(&self, key: &Key, for_: Duration) -> bool {
        let Some(shared) = self.shared() else { return false };
        let found = shared.content(&layout::lease(key)).await;
        found.ok().flatten().is_some_and(|content| until(&content, for_) > Timestamp::now())
    }

    /// Like [`Store::lease`], but reads before it writes. For callers that poll: mostly nothing has changed.
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

/// Takes the lease. Returns `None` on success, else the time when the present holder's lease expires.
///
/// # Errors
/// When the lease cannot be written.
async fn take(shared: &Arc<Shared>, name: &str, holder: &str, for_: Duration) -> Result<Option<Timestamp>, ()> {
    // A second try, because the holder may release the lease between the write and the read.
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

/// The time when a lease expires: the time in the file, but never later than `for_` from now. A lease that cannot be
/// parsed may be half-written; its duration counts from the file's modification time.
pub(super) fn until(content: &SmallFile, for_: Duration) -> Timestamp {
    let latest = later(for_);
    if let Some(lease) = read(content) {
        return lease.expires.min(latest);
    }
    let age = SystemTime::now().duration_since(content.modified).unwrap_or_default();
    later(for_.saturating_sub(age)).min(latest)
}

/// A name for this process that no other process has.
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
            return; // another process holds the lease now
        }
        let how = match content.version {
            // A folder cannot compare and swap. Removing the lease first would leave a gap without a lease.
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
