//! Limits the time that a node waits for a build of another node: at most about the time that its own build would
//! take.

use std::{
    iter,
    time::{Duration, Instant},
};

use crate::store::{Entry, Key, Kind, Store, Tier};

/// The lifetime of a lease that is not renewed. If a builder dies, other nodes wait no longer than this.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// The estimated build time is multiplied by this factor, because estimates are rough.
const FACTOR: f64 = 2.0;
/// The minimum wait, even for builds that should take less time. Estimates of small builds are far too low on a busy
/// node, and giving up too early makes it busier.
const MIN_WAIT: Duration = Duration::from_secs(60);
const MAX_WAIT: Duration = Duration::from_secs(600);

/// The time until which a node waits for another node's build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitBudget(Instant);

impl WaitBudget {
    /// A budget for a build that takes about `cost` milliseconds on an idle machine. A higher load extends it.
    pub(crate) fn new(cost: u64, cores: usize) -> Self {
        Self(Instant::now() + would_take(cost, load().unwrap_or_default(), cores))
    }

    /// A budget that ends at the given time.
    #[cfg(test)]
    pub(crate) fn until(end: Instant) -> Self {
        Self(end)
    }

    /// Waits until the shared store has a usable entry or no node holds the lease any more, but not longer than the
    /// budget.
    pub(crate) async fn wait(&self, store: &Store, (kind, key): (Kind, &Key), is_of_use: impl Fn(&Entry) -> bool) {
        let mut pauses = pauses();
        while let Some(left) = self.left() {
            tokio::time::sleep(pauses.next().unwrap_or_default().min(left)).await;
            let entry = store.entry_in(Tier::Shared, kind, key).await;
            if entry.is_some_and(|entry| is_of_use(&entry)) || !store.is_leased(key, LEASE).await {
                return;
            }
        }
    }

    /// The remaining time.
    fn left(&self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Whether the budget is used up.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.left().is_none()
    }
}

fn would_take(cost: u64, load: f64, cores: usize) -> Duration {
    let cores = u32::try_from(cores.max(1)).map_or(1.0, f64::from);
    let idle = Duration::from_millis(cost.min(600_000));
    idle.mul_f64(FACTOR * (load / cores).clamp(1.0, 100.0)).clamp(MIN_WAIT, MAX_WAIT)
}

/// The load average of the last minute.
fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Pauses between checks. They grow, and their jitter keeps nodes from checking at the same time.
fn pauses() -> impl Iterator<Item = Duration> {
    iter::successors(Some(0.3_f64), |pause| Some((pause * 1.5).min(3.0)))
        .map(|pause| Duration::from_secs_f64(pause * (0.75 + fastrand::f64() / 2.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_the_estimated_build_time_within_limits() {
        let seconds = |cost, load, cores| would_take(cost, load, cores).as_secs();
        assert_eq!(seconds(60_000, 0.5, 2), 120, "twice the estimate");
        assert_eq!(seconds(60_000, 4.0, 2), 240, "the node is busy");
        assert_eq!(seconds(100, 0.0, 8), MIN_WAIT.as_secs());
        assert_eq!(seconds(u64::MAX, f64::MAX, 0), MAX_WAIT.as_secs());
    }

    #[test]
    fn pauses_grow_to_a_few_seconds() {
        let pauses: Vec<f64> = pauses().take(20).map(|pause| pause.as_secs_f64()).collect();
        assert!(pauses[0] < 0.5 && pauses[19] > 2.0 && pauses.iter().all(|pause| *pause < 4.0), "{pauses:?}");
    }
}
