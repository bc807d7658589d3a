//! Writes bytes from a shared store to a local file and hashes them on the way.

use std::path::{Path, PathBuf};

use super::backend_error::BackendError;
use crate::{
    digest::{Digest, Hasher},
    fs::{Attributes, PartialFile},
};

/// The largest object whose size is not known in advance, in bytes.
const MAX_BYTES: u64 = 8 << 30;

/// A file that is being received.
pub(super) struct Receiver {
    /// The target; `None` when only the digest is checked.
    to: Option<PathBuf>,
    /// The temporary file, opened when the size is announced.
    partial: Option<PartialFile>,
    hasher: Hasher,
    received: u64,
    /// The size that is known in advance or announced by the store.
    expected: Option<u64>,
}

impl Receiver {
    pub(super) fn new(to: Option<&Path>, size: Option<u64>) -> Self {
        let to = to.map(Path::to_owned);
        Self { to, partial: None, hasher: Digest::sha256_hasher(), received: 0, expected: size }
    }

    /// Checks the size that the store announces, before anything is written.
    pub(super) fn announce(&mut self, size: u64) -> Result<(), BackendError> {
        match self.expected {
            Some(expected) if expected != size => {
                return Err(BackendError::BadContent(format!("it has {size} bytes instead of {expected}")));
            }
            None if size > MAX_BYTES => {
                return Err(BackendError::BadContent(format!("it has {size} bytes, more than {MAX_BYTES}")));
            }
            _ => {}
        }
        self.expected = Some(size);
        if let Some(to) = &self.to {
            self.partial = Some(PartialFile::create(to, Attributes::mode(0o644)).map_err(BackendError::LocalDisk)?);
        }
        Ok(())
    }

    /// Writes the next bytes. Fails when there are more than announced.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        self.received += bytes.len() as u64;
        if self.received > self.expected.unwrap_or(MAX_BYTES) {
            return Err(BackendError::BadContent("it is longer than announced".to_owned()));
        }
        self.hasher.update(bytes);
        self.partial.as_mut().map_or(Ok(()), |partial| partial.write(bytes)).map_err(BackendError::LocalDisk)
    }

    /// Moves the file to its target if its digest matches. Returns its size.
    pub(super) fn finish(self, digest: &Digest) -> Result<u64, BackendError> {
        let found = self.hasher.finish();
        if found != *digest {
            return Err(BackendError::BadContent(format!("its digest is {found}")));
        }
        self.partial.map_or(Ok(()), PartialFile::commit).map_err(BackendError::LocalDisk)?;
        Ok(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(result: Result<(), BackendError>) -> Option<String> {
        result.err().map(BackendError::in_words)
    }

    #[test]
    fn the_announced_size_is_the_expected_one_or_within_the_limit() {
        let announce = |expected, size| refusal(Receiver::new(None, expected).announce(size));
        assert_eq!((announce(Some(5), 5), announce(None, MAX_BYTES)), (None, None));
        assert_eq!(announce(Some(5), 6).as_deref(), Some("it has 6 bytes instead of 5"));
        assert!(announce(None, MAX_BYTES + 1).is_some_and(|why| why.contains("more than")));
    }

    #[test]
    fn bytes_are_counted_and_compared_with_the_digest() {
        let received = || {
            let mut receiver = Receiver::new(None, Some(5));
            assert_eq!((refusal(receiver.take(b"hel")), refusal(receiver.take(b"lo"))), (None, None));
            receiver
        };
        assert_eq!(received().finish(&Digest::sha256(b"hello")).ok(), Some(5));
        assert!(received().finish(&Digest::sha256(b"other")).is_err());
        assert_eq!(refusal(received().take(b"!")).as_deref(), Some("it is longer than announced"));
    }
}
