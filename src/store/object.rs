//! Bytes in the store.

use crate::digest::Digest;

/// Bytes in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// The SHA-256 of the bytes, which is also the name.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}
