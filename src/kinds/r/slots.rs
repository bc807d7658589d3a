//! Build slots: as many processes as there are processors, counting those that `make` starts on its own.
//!
//! Each build holds one slot, which stands for the one job its `make` may always run; for every further job `make`
//! takes a slot from the same pool. So a big package uses idle processors and never more than there are.

use std::{sync::Arc, time::Duration};

use jobserver::{Acquired, HelperThread};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// A killed `make` takes its slots along. When nothing of ours runs, this long is waited for one before going on without.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };

/// Where slots come from.
pub(super) enum Slots {
    /// The pool shared with `make`.
    Shared { helper: HelperThread, arrived: mpsc::UnboundedReceiver<std::io::Result<Acquired>>, asked: bool },
    /// Our own processes only.
    Own(Arc<Semaphore>),
}

/// A slot; given back when dropped.
pub(super) enum Slot {
    Shared {
        _slot: Acquired,
    },
    Own {
        _slot: OwnedSemaphorePermit,
    },
    /// Nothing ran, and no slot was to be had.
    Borrowed,
}

impl Slots {
    /// Slots from the run's pool, or one a processor when there is none.
    pub(super) fn new(pool: Option<&jobserver::Client>, cores: usize) -> Self {
        let (send, arrived) = mpsc::unbounded_channel();
        let helper = pool.cloned().map(|pool| {
            pool.into_helper_thread(move |slot| {
                // When nobody listens any more, the slot goes back to the pool by itself.
                let _ = send.send(slot);
            })
        });
        match helper {
            Some(Ok(helper)) => Self::Shared { helper, arrived, asked: false },
            _ => Self::Own(Arc::new(Semaphore::new(cores.max(1)))),
        }
    }

    /// Waits for a slot. May be dropped and called again: what was asked for is not asked for twice.
    pub(super) async fn acquire(&mut self, nothing_runs: bool) -> Slot {
        match self {
            Self::Own(slots) => match Arc::clone(slots).acquire_owned().await {
                Ok(slot) => Slot::Own { _slot: slot },
                Err(_) => Slot::Borrowed,
            },
            Self::Shared { helper, arrived, asked } => {
                if !*asked {
                    helper.request_token();
                    *asked = true;
                }
                let next = arrived.recv();
                let slot = if nothing_runs {
                    match tokio::time::timeout(PATIENCE, next).await {
                        Ok(slot) => slot,
                        Err(_) => return Slot::Borrowed,
                    }
                } else {
                    next.await
                };
                *asked = false;
                match slot {
                    Some(Ok(slot)) => Slot::Shared { _slot: slot },
                    _ => Slot::Borrowed,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slot_comes_back_to_the_shared_pool() {
        let pool = jobserver::Client::new(1).expect("a pool");
        let mut slots = Slots::new(Some(&pool), 1);
        let slot = slots.acquire(true).await;
        assert!(matches!(slot, Slot::Shared { .. }));
        let waited = tokio::time::timeout(Duration::from_millis(50), slots.acquire(false)).await;
        assert!(waited.is_err(), "there is but one");
        drop(slot);
        assert!(matches!(slots.acquire(false).await, Slot::Shared { .. }));
    }

    #[tokio::test]
    async fn an_empty_pool_stops_nobody_for_ever() {
        let pool = jobserver::Client::new(0).expect("a pool");
        let mut slots = Slots::new(Some(&pool), 1);
        assert!(matches!(slots.acquire(true).await, Slot::Borrowed));
    }
}
