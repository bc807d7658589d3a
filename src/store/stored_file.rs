//! Files of a shared store, independent of its backend.

use std::time::SystemTime;

use crate::http::VersionTag;

/// The content of a small file.
#[derive(Debug, Clone)]
pub(super) struct SmallFile {
    pub(super) bytes: Vec<u8>,
    pub(super) version: Version,
    pub(super) modified: SystemTime,
}

/// The version of a small file, to detect changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// The version that the object store assigned.
    Tag(VersionTag),
}

/// When a small file is written.
#[derive(Debug, Clone)]
pub(super) enum WriteCondition {
    /// Always.
    Always,
    /// If no file has this name.
    IfAbsent,
    /// If the file still has this version.
    IfUnchanged(Version),
}

/// A file of a store, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    /// Whether it is a regular file. Others, such as links, are not used.
    pub(super) is_plain: bool,
}
