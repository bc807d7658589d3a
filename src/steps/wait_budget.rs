//! How long work is left to another node: never longer than doing it here would take.

use std::{
    iter,
    time::{Duration, Instant},
};

use crate::store::{Entry, Key, Kind, Store, Tier};

/// How long a lease lives that nobody renews: a dead builder is waited for no longer.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// Estimates are rough.
const FACTOR: f64 = 2.0;
/// What is built faster than this is waited for all the same: whoever is at it may be about to publish.
const LEAST: Duration = Duration::from_secs(10);
const MOST: Duration = Duration::from_secs(600);

/// Until when something is left to others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitBudget(Instant);

impl WaitBudget {
    /// For what takes about so many milliseconds on an idle machine. On one that is busy it takes longer.
    pub(crate) fn new(cost: u64, cores: usize) -> Self {
        Self(Instant::now() + would_take(cost, load().unwrap_or_default(), cores))
    }

    /// One that ends at a moment.
    #[cfg(test)]
    pub(crate) fn until(end: Instant) -> Self {
        Self(end)
    }

    /// Waits until an entry that is of use is in the shared place, or nobody makes it any more, but not after its end.
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

    /// What is left of it.
    fn left(&self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Whether it is over.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.left().is_none()
    }
}

fn would_take(cost: u64, load: f64, cores: usize) -> Duration {
    let cores = u32::try_from(cores.max(1)).map_or(1.0, f64::from);
    let idle = Duration::from_millis(cost.min(600_000));
    idle.mul_f64(FACTOR * (load / cores).clamp(1.0, 100.0)).clamp(LEAST, MOST)
}

/// How many processes wanted a processor in the last minute.
fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Looks are rarer the longer it takes, and those of many nodes do not fall together.
fn pauses() -> impl Iterator<Item = Duration> {
    iter::successors(Some(0.3_f64), |pause| Some((pause * 1.5).min(3.0)))
        .map(|pause| Duration::from_secs_f64(pause * (0.75 + fastrand::f64() / 2.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_what_building_would_take_and_never_endless() {
        let seconds = |cost, load, cores| would_take(cost, load, cores).as_secs();
        assert_eq!(seconds(60_000, 0.5, 2), 120, "the estimate is rough");
        assert_eq!(seconds(60_000, 4.0, 2), 240, "others are at work here, too");
        assert_eq!(seconds(100, 0.0, 8), LEAST.as_secs());
        assert_eq!(seconds(u64::MAX, f64::MAX, 0), MOST.as_secs());
    }

    #[test]
    fn pauses_grow_to_a_few_seconds() {
        let pauses: Vec<f64> = pauses().take(20).map(|pause| pause.as_secs_f64()).collect();
        assert!(pauses[0] < 0.5 && pauses[19] > 2.0 && pauses.iter().all(|pause| *pause < 4.0), "{pauses:?}");
    }
}
