//! Single flight: when many nodes start at once, one node fetches each file from its origin, and the others wait for
//! the copy that it publishes.
//!
//! Waiting must be faster than fetching. A node does not wait for small files, for a slow store, or longer than a fetch
//! would take. If the holder of a lease dies, its lease expires and another node takes over.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::OwnedSemaphorePermit;

use super::{Key, Lease, LeaseGuard, Store};
use crate::digest::Digest;

/// The duration of a lease: a dead holder blocks others for at most this time.
const LEASE: Duration = Duration::from_secs(12);
/// The smallest file that nodes coordinate, in bytes. Below this size a fetch is faster than a lease. The size is
/// small, because most packages are small (docs/benchmarks-cluster.md).
const MIN_SIZE: u64 = 8 << 10;
/// The shortest wait: the time after which a dead holder's lease has expired.
const MIN_WAIT: Duration = LEASE;
/// The longest wait, for any size.
const MAX_WAIT: Duration = Duration::from_secs(180);
/// The wait for a file of unknown size.
const WAIT_FOR_UNKNOWN_SIZE: Duration = Duration::from_secs(20);
/// The assumed download rate of an origin under load, in bytes a second.
const ASSUMED_RATE: u64 = 1 << 20;
/// The first pause between two looks. Later pauses grow.
const INITIAL_PAUSE: Duration = Duration::from_millis(150);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// If asking for a lease takes longer than this, the node stops waiting for others.
const MAX_LEASE_REQUEST: Duration = Duration::from_secs(8);
/// After this many waits without a result, the node stops waiting for others.
const MAX_FUTILE_WAITS: u32 = 3;

/// The result of asking for an object that several nodes may want.
pub enum SingleFlight {
    /// The object is at its path.
    Served,
    /// This node has to fetch it. The permit is valid until it is dropped or passed to [`Store::keep`].
    Fetch(FetchPermit),
}

/// The permit to fetch an object. Other nodes may be waiting for the result.
#[derive(Default)]
pub struct FetchPermit {
    guard: Option<LeaseGuard>,
    /// One of the limited slots for concurrent operations.
    _slot: Option<OwnedSemaphorePermit>,
}

impl FetchPermit {
    /// The lease to release after the object is published.
    pub(super) fn into_guard(self) -> Option<LeaseGuard> {
        self.guard.filter(LeaseGuard::is_written)
    }
}

impl Store {
    /// Places an object at a path as [`Store::object`] does, or returns a permit to fetch it. If another node is
    /// fetching the object, waits for it.
    pub async fn object_or_permit(
        &self,
        digest: &Digest,
        size: Option<u64>,
        to: &Path,
        on_bytes: impl Fn(u64),
    ) -> SingleFlight {
        let mut waiting = None;
        loop {
            let slot = self.slot().await;
            if self.object(digest, size, to, &on_bytes).await {
                return SingleFlight::Served;
            }
            let is_over = waiting.as_ref().is_some_and(Waiting::is_over);
            if is_over && let Some(shared) = self.shared() {
                shared.count_expired_wait(MAX_FUTILE_WAITS);
            }
            if is_over || !self.is_coordinated(size) {
                return SingleFlight::Fetch(FetchPermit { guard: None, _slot: slot });
            }
            match self.next(&Key::of_object(digest), waiting.is_none()).await {
                Lease::Taken(guard) => {
                    // The object may have been published, and the lease released, since the last look.
                    if guard.is_written() && self.object(digest, size, to, &on_bytes).await {
                        return SingleFlight::Served;
                    }
                    return SingleFlight::Fetch(FetchPermit { guard: Some(guard), _slot: slot });
                }
                Lease::Held { .. } => {
                    drop(slot);
                    waiting.get_or_insert_with(|| Waiting::begin(size)).pause().await;
                }
            }
        }
    }

    /// Whether a shared store is in use.
    pub fn is_shared(&self) -> bool {
        self.shared().is_some()
    }

    /// Whether nodes coordinate the fetch of an object of this size.
    fn is_coordinated(&self, size: Option<u64>) -> bool {
        size.is_none_or(|size| size >= MIN_SIZE) && self.shared().is_some_and(|shared| shared.allows_waiting())
    }

    /// Asks for the lease, and stops waiting for others if that takes too long.
    async fn next(&self, key: &Key, is_first: bool) -> Lease {
        let began = Instant::now();
        let lease = if is_first { self.lease(key, LEASE).await } else { self.lease_if_free(key, LEASE).await };
        if began.elapsed() > MAX_LEASE_REQUEST
            && let Some(shared) = self.shared()
        {
            shared.stop_waiting();
        }
        lease
    }

    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.shared()?;
        Arc::clone(&self.0.slots).acquire_owned().await.ok()
    }
}

/// The wait for one object.
struct Waiting {
    began: Instant,
    limit: Duration,
    pause: Duration,
}

impl Waiting {
    fn begin(size: Option<u64>) -> Self {
        // Random, so that nodes that started together do not poll and give up together.
        let limit = limit(size).mul_f64(1.0 + fastrand::f64() / 4.0);
        Self { began: Instant::now(), limit, pause: INITIAL_PAUSE }
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.limit
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.pause.mul_f64(0.5 + fastrand::f64())).await;
        self.pause = self.pause.mul_f64(1.5).min(MAX_PAUSE);
    }
}

/// The longest wait for an object: an estimate of how long its download would take.
fn limit(size: Option<u64>) -> Duration {
    size.map_or(WAIT_FOR_UNKNOWN_SIZE, |size| (MIN_WAIT + Duration::from_secs(size / ASSUMED_RATE)).min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_limit_grows_with_the_size_up_to_a_maximum() {
        assert_eq!(limit(Some(MIN_SIZE)), LEASE);
        assert_eq!(limit(Some(40 << 20)), Duration::from_secs(52));
        assert_eq!(limit(Some(4 << 30)), Duration::from_secs(180));
        assert_eq!(limit(None), Duration::from_secs(20));
    }
}
