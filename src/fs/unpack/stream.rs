//! Limits how many bytes of an archive are read at once: the tar reader keeps names and headers in memory, whatever
//! their length.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

use super::UnsafeArchive;

/// The maximum size of headers, long names and padding between the contents of two entries.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// Content is padded to blocks of this size.
const BLOCK: u64 = 512;

/// The number of bytes that may still be read.
#[derive(Clone)]
pub(super) struct Budget(Rc<Cell<u64>>);

impl Budget {
    pub(super) fn for_headers(&self) {
        self.0.set(MAX_HEADER_BYTES);
    }

    pub(super) fn for_content(&self, size: u64) {
        self.0.set(size.saturating_add(BLOCK));
    }
}

/// A reader that returns an error when its budget is used up.
pub(super) struct Bounded<R> {
    inner: R,
    budget: Budget,
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, budget: Budget(Rc::new(Cell::new(MAX_HEADER_BYTES))) }
    }

    pub(super) fn budget(&self) -> Budget {
        self.budget.clone()
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.0.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other(UnsafeArchive::LongHeader(MAX_HEADER_BYTES)));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        self.budget.0.set(left - count as u64);
        Ok(count)
    }
}
