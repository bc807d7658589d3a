//! Limits the number of build processes to the number of cores, including the jobs that `make` starts.
//!
//! Each build holds one slot for the first job of its `make`. For every further job `make` takes a slot from the same
//! pool, so a large package can use idle cores without exceeding the limit.

use std::{sync::Arc, time::Duration};

use jobserver::{Acquired, HelperThread};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// A killed `make` does not return its slots. If no build runs, the wait for a slot ends after this time, and the
/// build starts without one.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };

/// The source of slots.
pub(super) enum Slots {
    /// The pool that is shared with `make`.
    Shared { helper: HelperThread, arrived: mpsc::UnboundedReceiver<std::io::Result<Acquired>>, asked: bool },
    /// A pool for the agent's own processes.
    Own(Arc<Semaphore>),
}

/// A slot. It is returned when dropped.
pub(super) enum Slot {
    Shared {
        _slot: Acquired,
    },
    Own {
        _slot: OwnedSemaphorePermit,
    },
    /// No slot, because no build was running and the pool was empty.
    Borrowed,
}

impl Slots {
    /// Takes slots from the run's pool. Without a pool, there is one slot per core.
    pub(super) fn new(pool: Option<&jobserver::Client>, cores: usize) -> Self {
        let (send, arrived) = mpsc::unbounded_channel();
        let helper = pool.cloned().map(|pool| {
            pool.into_helper_thread(move |slot| {
                // If the receiver is gone, the slot returns to the pool.
                let _ = send.send(slot);
            })
        });
        match helper {
            Some(Ok(helper)) => Self::Shared { helper, arrived, asked: false },
            _ => Self::Own(Arc::new(Semaphore::new(cores.max(1)))),
        }
    }

    /// Waits for a slot. Cancel safe: a dropped call does not request a second slot.
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
    async fn a_slot_is_returned_to_the_shared_pool() {
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
    async fn an_empty_pool_does_not_block_forever() {
        let pool = jobserver::Client::new(0).expect("a pool");
        let mut slots = Slots::new(Some(&pool), 1);
        assert!(matches!(slots.acquire(true).await, Slot::Borrowed));
    }
}
