//! Files of a shared place, as each kind of place describes them.

use std::time::SystemTime;

use crate::http::VersionTag;

/// A small file as it is now.
#[derive(Debug, Clone)]
pub(super) struct SmallFile {
    pub(super) bytes: Vec<u8>,
    pub(super) version: Version,
    pub(super) modified: SystemTime,
}

/// What tells whether a small file is still the one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// What the object store calls it.
    Tag(VersionTag),
}

/// When a small file may be written.
#[derive(Debug, Clone)]
pub(super) enum WriteCondition {
    /// In any case.
    Always,
    /// If nothing has the name.
    IfAbsent,
    /// If this is what has the name.
    IfUnchanged(Version),
}

/// A file of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    /// Whether it is a file, and not something that somebody planted.
    pub(super) is_plain: bool,
}
