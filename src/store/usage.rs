//! Counts the bytes from each source, for the report.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::report::event::{Served, StoreUse};

#[derive(Debug, Default)]
pub(super) struct Counter {
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    pub(super) fn add(&self, bytes: u64) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn now(&self) -> Served {
        Served { objects: self.objects.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) local: Counter,
    pub(super) shared: Counter,
    pub(super) origin: Counter,
}

impl Counters {
    pub(super) fn now(&self) -> StoreUse {
        StoreUse { local: self.local.now(), shared: self.shared.now(), origin: self.origin.now() }
    }
}
