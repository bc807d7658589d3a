//! The pace of an answer. A server that sends a few bytes from time to time would otherwise hold a run until its
//! deadline.

use std::time::{Duration, Instant};

/// The time over which the pace is measured.
const WINDOW: Duration = Duration::from_secs(30);
/// The fewest bytes in this time.
const MIN_BYTES: u64 = 16 << 10;

/// Counts the bytes of one answer.
#[derive(Debug)]
pub(super) struct Pace {
    began: Instant,
    bytes: u64,
}

/// An answer that is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooSlow {
    /// The bytes that were received.
    pub(super) bytes: u64,
    /// The seconds that they took.
    pub(super) seconds: u64,
}

impl Pace {
    /// An answer that begins now.
    pub(super) fn start(now: Instant) -> Self {
        Self { began: now, bytes: 0 }
    }

    /// Adds a piece. The error means that the server is too slow.
    pub(super) fn add(&mut self, bytes: usize, now: Instant) -> Result<(), TooSlow> {
        self.bytes += bytes as u64;
        let seconds = now.duration_since(self.began).as_secs();
        if seconds < WINDOW.as_secs() {
            return Ok(());
        }
        if self.bytes < MIN_BYTES {
            return Err(TooSlow { bytes: self.bytes, seconds });
        }
        *self = Self::start(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_a_second_is_too_slow_and_a_short_pause_is_not() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut pace = Pace::start(began);
        let error = (1..).find_map(|second| pace.add(1, at(second)).err()).expect("too slow");
        assert_eq!(error, TooSlow { bytes: 30, seconds: 30 });

        let mut pace = Pace::start(began);
        for second in [0, 20, 40, 60, 80] {
            pace.add(1 << 20, at(second)).expect("fast enough");
        }
    }
}
