//! `[apt]` as checked: Debian packages, package files, sources, answers to debconf.

use std::collections::BTreeSet;

use crate::profile::{AssetRef, Entry, Setting};

/// Debian packages and their sources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Apt {
    /// By name.
    pub packages: Vec<Entry<AptPackage>>,
    /// Packages that must not be installed, by name.
    pub absent: Vec<Entry<String>>,
    /// Packages that may be removed with others, or although the runtime ships them.
    pub allow_change: Vec<Entry<String>>,
    /// Files.
    pub debs: Vec<Entry<AssetRef>>,
    /// Further sources.
    pub sources: Vec<Entry<AptSource>>,
    /// Answers to questions.
    pub debconf: Vec<Entry<DebconfAnswer>>,
    /// Whether recommended packages come along.
    pub recommends: Option<Setting<bool>>,
    /// Whether dpkg waits for the disk after each file.
    pub wait_for_disk: Option<Setting<bool>>,
}

/// A Debian package by name, and its exact version when pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AptPackage {
    /// The name, checked: it cannot be taken for an option.
    pub name: String,
    /// The exact version.
    pub version: Option<String>,
}

/// A package source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Its name, validated.
    pub name: String,
    /// Addresses.
    pub uris: Vec<String>,
    /// Suites.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// Architectures.
    pub architectures: Vec<String>,
    /// Key file.
    pub key: AssetRef,
    /// The fingerprints of all keys in the file: upper case, no spaces.
    pub fingerprints: BTreeSet<String>,
}

/// An answer to a question a package would ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebconfAnswer {
    /// The package that owns the question.
    pub package: String,
    /// The question, such as `msodbcsql18/accept-eula`.
    pub question: String,
    /// Its type: `boolean`, `string`, `select`, …
    pub kind: String,
    /// The answer.
    pub value: String,
}
