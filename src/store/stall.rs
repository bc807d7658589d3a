//! Detects stalled transfers. The store may be slow, but not slower than the origin.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The limits of one operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct StallLimits {
    /// The longest time without progress.
    pub(super) silence: Duration,
    /// The time after which the transfer rate is checked.
    pub(super) grace: Duration,
    /// The lowest transfer rate, in bytes a second.
    pub(super) slowest: u64,
}

impl Default for StallLimits {
    fn default() -> Self {
        Self { silence: Duration::from_secs(8), grace: Duration::from_secs(10), slowest: 128 << 10 }
    }
}

/// The progress of an operation, shared between the operation and its caller.
#[derive(Debug, Clone, Default)]
pub(super) struct TransferProgress(Arc<ProgressState>);

#[derive(Debug, Default)]
struct ProgressState {
    moved: AtomicU64,
    given_up: AtomicBool,
}

impl TransferProgress {
    /// Counts transferred bytes.
    pub(super) fn moved(&self, bytes: usize) {
        self.0.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether the caller has stopped waiting.
    pub(super) fn is_given_up(&self) -> bool {
        self.0.given_up.load(Ordering::Relaxed)
    }
}

/// Why the caller stopped waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum StallError {
    #[error("it did not answer for {}", humantime::format_duration(*.0))]
    NoProgress(Duration),
    #[error("it is too slow: {0} bytes a second")]
    TooSlow(u64),
    #[error("it was disabled meanwhile")]
    Disabled,
}

impl StallLimits {
    /// Waits for an operation within the limits. `is_disabled` tells whether the store was disabled meanwhile.
    /// `on_bytes` receives the number of bytes since the last call.
    pub(super) async fn watch<T>(
        self,
        progress: &TransferProgress,
        work: impl Future<Output = T>,
        is_left: impl Fn() -> bool,
        on_bytes: impl Fn(u64),
    ) -> Result<T, StallError> {
        let mut work = pin!(work);
        let began = Instant::now();
        let (mut reported, mut last_progress) = (0, began);
        let tick = (self.silence / 8).min(Duration::from_millis(200));
        loop {
            let ended = tokio::time::timeout(tick, &mut work).await;
            let moved = progress.0.moved.load(Ordering::Relaxed);
            if moved > reported {
                on_bytes(moved - reported);
                (reported, last_progress) = (moved, Instant::now());
            }
            if let Ok(done) = ended {
                return Ok(done);
            }
            let pace = moved / began.elapsed().as_secs().max(1);
            let why = if is_left() {
                StallError::Disabled
            } else if last_progress.elapsed() >= self.silence {
                StallError::NoProgress(self.silence)
            } else if moved > 0 && began.elapsed() >= self.grace && pace < self.slowest {
                StallError::TooSlow(pace)
            } else {
                continue;
            };
            progress.0.given_up.store(true, Ordering::Relaxed);
            return Err(why);
        }
    }

    /// Longer limits for writes, which have to reach a disk.
    pub(super) fn of_writing(self) -> Self {
        Self { silence: self.silence * 4, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: StallLimits =
        StallLimits { silence: Duration::from_millis(80), grace: Duration::from_millis(100), slowest: 1 << 20 };

    async fn watch(progress: &TransferProgress, work: impl Future<Output = ()>) -> Result<(), StallError> {
        SHORT.watch(progress, work, || false, |_| ()).await
    }

    #[tokio::test]
    async fn no_progress_ends_the_wait_after_the_limit() {
        let progress = TransferProgress::default();
        let ended = watch(&progress, std::future::pending()).await;
        assert_eq!(ended, Err(StallError::NoProgress(SHORT.silence)));
        assert!(progress.is_given_up());
    }

    #[tokio::test]
    async fn a_slow_transfer_is_an_error() {
        let progress = TransferProgress::default();
        let trickle = async {
            loop {
                progress.moved(1);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(matches!(watch(&progress, trickle).await, Err(StallError::TooSlow(_))));
    }

    #[tokio::test]
    async fn progress_is_reported_to_the_last_byte() {
        let progress = TransferProgress::default();
        let last_progress = AtomicU64::new(0);
        let work = async { progress.moved(7) };
        let count = |bytes| {
            last_progress.fetch_add(bytes, Ordering::Relaxed);
        };
        SHORT.watch(&progress, work, || false, count).await.expect("it ended");
        assert_eq!(last_progress.into_inner(), 7);
    }
}
