//! One of many goes to the origin, the others wait for what it publishes: when a whole cluster starts at once, each file
//! is fetched once.
//!
//! Waiting must pay. Nobody waits for less than a lease costs, nor longer than the way past the store would take, nor by a
//! place that is itself slow; a holder that died is replaced when its lease has run out.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::OwnedSemaphorePermit;

use super::{Key, Lease, LeaseGuard, Store};
use crate::digest::Digest;

/// How long somebody who is dead is believed to be at work.
const LEASE: Duration = Duration::from_secs(12);
/// What is smaller is fetched sooner than agreed upon. It is little: of many nodes that go for a file at once as many fetch
/// it, and most packages are small (docs/benchmarks-cluster.md).
const LEAST_SIZE: u64 = 8 << 10;
/// How long anything is waited for: not less than it takes to see that its holder is dead.
const FLOOR: Duration = LEASE;
/// And not longer than this, however large it is.
const CEILING: Duration = Duration::from_secs(180);
/// How long what nobody knows the size of is waited for.
const OF_UNKNOWN_SIZE: Duration = Duration::from_secs(20);
/// The pace at which an origin is thought to give a file, in bytes a second, with others under way at the same time.
const PACE: u64 = 1 << 20;
/// The first look comes after this, the next ones later and later.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A place that takes so long for a lease is no place to wait by.
const SLOW: Duration = Duration::from_secs(8);
/// Who waited in vain so often waits no more.
const MOST_IN_VAIN: u32 = 3;
/// What is looked for, read or fetched at once. Who waits does not count.
pub(super) const AT_ONCE: usize = 12;

/// Whose turn it is to go to the origin.
pub enum SingleFlight {
    /// Nobody's: the object is where it was wanted.
    Served,
    /// Ours, until the permit is dropped or handed in with the file.
    Fetch(FetchPermit),
}

/// The right to go to the origin. Others may be waiting for it.
#[derive(Default)]
pub struct FetchPermit {
    guard: Option<LeaseGuard>,
    /// One of the places for what is done at once.
    _slot: Option<OwnedSemaphorePermit>,
}

impl FetchPermit {
    /// What is to be given back once the object is published.
    pub(super) fn into_guard(self) -> Option<LeaseGuard> {
        self.guard.filter(LeaseGuard::is_written)
    }
}

impl Store {
    /// Brings an object to a path as [`Store::object`] does, or says that it is for us to fetch it. While another node is
    /// at that, it is waited for.
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
                shared.count_expired_wait(MOST_IN_VAIN);
            }
            if is_over || !self.is_coordinated(size) {
                return SingleFlight::Fetch(FetchPermit { guard: None, _slot: slot });
            }
            match self.next(&Key::of_object(digest), waiting.is_none()).await {
                Lease::Taken(guard) => {
                    // It may have been published, and the lease given back, since we looked.
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

    /// Whether there is a place that other nodes may see what we fetch in.
    pub fn is_shared(&self) -> bool {
        self.shared().is_some()
    }

    /// Whether nodes agree upon who fetches an object of this size.
    fn is_coordinated(&self, size: Option<u64>) -> bool {
        size.is_none_or(|size| size >= LEAST_SIZE) && self.shared().is_some_and(|shared| shared.allows_waiting())
    }

    /// Takes the lease or says who has it, and notes how long that took.
    async fn next(&self, key: &Key, is_first: bool) -> Lease {
        let began = Instant::now();
        let lease = if is_first { self.lease(key, LEASE).await } else { self.lease_if_free(key, LEASE).await };
        if began.elapsed() > SLOW
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
        // Those who began at the same time do not all lose patience, nor look, at the same time.
        let limit = limit(size).mul_f64(1.0 + fastrand::f64() / 4.0);
        Self { began: Instant::now(), limit, pause: FIRST_PAUSE }
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.limit
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.pause.mul_f64(0.5 + fastrand::f64())).await;
        self.pause = self.pause.mul_f64(1.5).min(LONGEST_PAUSE);
    }
}

/// How long an object is waited for: what it would take to fetch it, as far as its size tells.
fn limit(size: Option<u64>) -> Duration {
    size.map_or(OF_UNKNOWN_SIZE, |size| (FLOOR + Duration::from_secs(size / PACE)).min(CEILING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_size_and_has_an_end() {
        assert_eq!(limit(Some(LEAST_SIZE)), LEASE);
        assert_eq!(limit(Some(40 << 20)), Duration::from_secs(52));
        assert_eq!(limit(Some(4 << 30)), Duration::from_secs(180));
        assert_eq!(limit(None), Duration::from_secs(20));
    }
}
