//! `[system]` as checked.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use crate::profile::Entry;

/// Settings of the operating system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct System {
    /// Kernel parameters, by their paths below `/proc/sys`.
    pub sysctl: BTreeMap<String, Entry<Sysctl>>,
    /// Names of hosts.
    pub hosts: BTreeMap<IpAddr, Entry<Vec<String>>>,
    /// Sizes of swap files in bytes.
    pub swap: BTreeMap<PathBuf, Entry<u64>>,
    /// Mounts, by folder.
    pub mounts: BTreeMap<PathBuf, Entry<Mount>>,
    /// Selected programs of alternatives, by name.
    pub alternatives: BTreeMap<String, Entry<PathBuf>>,
    /// Folders of libraries.
    pub ldconfig: Vec<Entry<PathBuf>>,
    /// The time zone.
    pub timezone: Option<Entry<String>>,
    /// The host name.
    pub hostname: Option<Entry<String>>,
}

/// A kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// The key as in the profile.
    pub key: String,
    /// The value, with single spaces between its words.
    pub value: String,
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The device, server or bucket.
    pub what: String,
    /// The type of the file system.
    pub kind: String,
    /// The options, joined by commas.
    pub options: String,
}
