//! A profile, from text to checked values. Never reads the node: facts of the node are given to it.
//!
//! Text → shape and written types (`grammar`: every misfit at its place) → rules (every mistake at its place) → one checked part
//! for each file → merged `Profile`. The sections of a profile belong to the kinds of work; this module knows them by the
//! contract [`Section`] and [`Sections`] only.

mod assets;
mod builtin;
mod contract;
mod fetched_by_name;
mod find;
mod load;
mod merge;
mod missing_asset;
mod page;
pub mod requirements;
mod rules;
mod schema;
pub(crate) mod shorthand;
mod show;
mod trusted;
mod values;
mod vouch;
mod when;
pub(crate) mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

#[cfg(test)]
pub(crate) use self::builtin::profiles as built_in_profiles;
pub use self::{
    assets::{Asset, Assets, MissingAsset, NamedAsset},
    contract::{Section, Sections, Whole},
    fetched_by_name::FetchedByName,
    find::{ACCESS, FileStore},
    load::{Request, load},
    page::Page,
    rules::Rules,
    schema::json_schema,
    show::show,
};
pub(crate) use self::{
    merge::united,
    page::{array, asset, key, quoted},
    rules::{Long, NO_CREDENTIALS, Terms, holds_credentials, place},
    written::choices,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    digest::Digest,
    lock::{LockFile, LockedFile},
    redact::UrlPrefix,
    report::event::ProfileSource,
    secrets::Address,
};

/// The version of the grammar that this agent understands.
pub const SCHEMA: u32 = 1;

/// A checked profile for one node: every rule passed, every `${…}` is replaced, every `when` is decided. `S` holds the sections
/// of all kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile<S> {
    /// Its name.
    pub name: String,
    /// The unit it belongs to.
    pub business_unit: Option<String>,
    /// The line that says so.
    pub business_unit_at: Option<Origin>,
    /// The files it was read from, parents first.
    pub sources: Vec<ProfileSource>,
    /// The file it was loaded by; `None` when it is built in.
    pub path: Option<PathBuf>,
    /// The same files by names that do not depend on the location of the file store, for a lock.
    pub files: Vec<LockedFile>,
    /// The facts of a node, beside those of its runtime, that conditions of locked sections use.
    pub conditions: BTreeSet<&'static str>,
    /// The lock that applies to this run.
    pub lock: Option<LockFile>,
    /// The sections of all kinds.
    pub sections: S,
    /// Variables by name, with their values when the profile was read.
    pub vars: BTreeMap<String, Setting<String>>,
    /// Whether every download needs a digest: there are trusted keys, and no lock that names the files.
    pub only_digests: bool,
}

/// Something asked for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// What.
    pub value: T,
    /// The profile line.
    pub origin: Origin,
    /// Whether the run goes on when it fails.
    pub optional: bool,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Entries that it follows or precedes.
    pub order: Order,
}

/// The order that an entry asks for. Each name is that of a section or an entry: `pip`, `files./etc/x`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// Its step acts after the steps of these.
    pub after: Vec<Setting<String>>,
    /// Its step acts before the steps of these.
    pub before: Vec<Setting<String>>,
}

impl<T> Entry<T> {
    /// Something else that was asked for on the same terms.
    pub fn with<U>(&self, value: U) -> Entry<U> {
        Entry {
            value,
            origin: self.origin.clone(),
            optional: self.optional,
            timeout: self.timeout,
            order: self.order.clone(),
        }
    }

    /// An entry with no terms of its own.
    pub fn plain(value: T, origin: Origin) -> Self {
        Self { value, origin, optional: false, timeout: None, order: Order::default() }
    }
}

/// One value, and where it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// The profile line.
    pub origin: Origin,
}

/// A file of the file store, as a profile names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssetRef {
    /// The path as written.
    pub path: String,
    /// The folder of the profile that names it; `None` for one built into the binary.
    pub beside: Option<PathBuf>,
    /// The digest it must have.
    pub sha256: Option<Digest>,
}

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file of the file store.
    File(AssetRef),
    /// The profile.
    Inline(String),
}

/// A login for what is below an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// What it is for.
    pub site: UrlPrefix,
    /// The user name: one word of plain signs.
    pub user: String,
    /// The password's scope.
    pub scope: String,
    /// Its key.
    pub key: String,
    /// Where it comes from.
    pub from: Address,
}

/// A profile that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the profile has {} mistake(s)", .0.len())]
pub struct ProfileError(pub Vec<Diagnostic>);
