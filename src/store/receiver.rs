//! Bytes on their way from a shared place to a file of ours: hashed once, while they are written.

use std::path::{Path, PathBuf};

use super::backend_error::BackendError;
use crate::{
    digest::{Digest, Hasher},
    fs::{Attributes, PartialFile},
};

/// The largest object whose size nobody said before.
const MOST_BYTES: u64 = 8 << 30;

/// A file in the making.
pub(super) struct Receiver {
    /// Where it goes; nowhere when only its digest matters.
    to: Option<PathBuf>,
    /// Begun when there is something to write.
    partial: Option<PartialFile>,
    hasher: Hasher,
    received: u64,
    /// What is announced, or known from elsewhere.
    expected: Option<u64>,
}

impl Receiver {
    pub(super) fn new(to: Option<&Path>, size: Option<u64>) -> Self {
        let to = to.map(Path::to_owned);
        Self { to, partial: None, hasher: Digest::sha256_hasher(), received: 0, expected: size }
    }

    /// The place says how long the object is. What cannot be right is not even begun.
    pub(super) fn announce(&mut self, size: u64) -> Result<(), BackendError> {
        match self.expected {
            Some(expected) if expected != size => {
                return Err(BackendError::BadContent(format!("it has {size} bytes in the place of {expected}")));
            }
            None if size > MOST_BYTES => return Err(BackendError::BadContent(format!("it has {size} bytes"))),
            _ => {}
        }
        self.expected = Some(size);
        if let Some(to) = &self.to {
            self.partial = Some(PartialFile::create(to, Attributes::mode(0o644)).map_err(BackendError::LocalDisk)?);
        }
        Ok(())
    }

    /// Takes the next bytes. What is endless ends with the size that was announced.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        self.received += bytes.len() as u64;
        if self.received > self.expected.unwrap_or(MOST_BYTES) {
            return Err(BackendError::BadContent("it is longer than it says".to_owned()));
        }
        self.hasher.update(bytes);
        self.partial.as_mut().map_or(Ok(()), |partial| partial.write(bytes)).map_err(BackendError::LocalDisk)
    }

    /// Lets the file appear, if its bytes are what they should be. Returns their number.
    pub(super) fn finish(self, digest: &Digest) -> Result<u64, BackendError> {
        let found = self.hasher.finish();
        if found != *digest {
            return Err(BackendError::BadContent(format!("its bytes have {found}")));
        }
        self.partial.map_or(Ok(()), PartialFile::commit).map_err(BackendError::LocalDisk)?;
        Ok(self.received)
    }
}
