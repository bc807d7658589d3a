//! A profile, from text to checked values. It never reads the node: its callers pass the node's facts.
//!
//! Loading has four stages: `grammar` parses the text into written types; rules check each file; each file becomes one
//! checked part; the parts merge into a `Profile`. Errors contain the position in the file. The sections belong to the
//! kinds of work. This module uses them only through [`Section`] and [`Sections`].

mod asset_ref;
mod asset_rules;
mod assets;
mod builtin;
mod cases;
mod commit_rule;
mod contract;
mod expansion;
mod fetched_by_name;
mod find;
mod fingerprints;
mod glob_pattern;
mod head;
mod load;
mod lookup;
mod merge;
mod missing_asset;
mod own_value;
mod page;
mod plain_address;
mod post_start;
mod post_start_rules;
mod probe;
mod probe_rules;
mod read_texts;
pub mod requirements;
mod rules;
mod schema;
mod secret_ref;
mod secret_text;
pub(crate) mod shorthand;
mod show;
mod signed_by;
mod stage;
mod store_copy;
mod template_values;
mod tree_probe;
mod trusted;
mod trusted_text;
mod unencrypted_source;
mod values;
mod variables;
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
    asset_ref::{AssetRef, SignedBy, SigningKey},
    assets::{Asset, AssetProof, Assets, CreatedBy, MissingAsset, NamedAsset, RequiredContent},
    cases::{Case, Cases, Conditional},
    contract::{Section, Sections, Whole},
    fetched_by_name::FetchedByName,
    find::{ACCESS, FileStore, is_path},
    glob_pattern::is_glob,
    load::{Request, load},
    lookup::Metadata,
    page::Page,
    plain_address::PlainAddress,
    post_start::PostStart,
    probe::{Probe, ProbeCheck, ProbeKeys},
    rules::Rules,
    schema::json_schema,
    secret_ref::{SecretRef, SecretUse},
    secret_text::SecretText,
    show::show,
    signed_by::openpgp_identity,
    stage::{Decisions, RunStage},
    store_copy::copied,
    template_values::TemplateValues,
    unencrypted_source::{CoveredBy, UnencryptedSource, encrypt, not_encrypted},
};
pub(crate) use self::{
    asset_rules::{AssetKeys, asset_keys},
    cases::conditional,
    merge::united,
    page::{array, asset, key, quoted},
    rules::{EntryOptions, Long, NO_CREDENTIALS, holds_credentials, long, place, within},
    written::choices,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    lock::{BucketFolders, LockFile, LockedFile},
    redact::UrlPrefix,
    report::event::ProfileSource,
    secrets::Address,
};

/// The version of the grammar that this agent understands.
pub const SCHEMA: u32 = 1;

/// A checked profile for one node: all `${…}` are replaced and all `when` conditions are decided. `S` contains the
/// sections of all kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile<S> {
    /// Its name.
    pub name: String,
    /// The unit that it belongs to.
    pub business_unit: Option<String>,
    /// The line that sets the unit.
    pub business_unit_at: Option<Origin>,
    /// The files that it was read from, parents first.
    pub sources: Vec<ProfileSource>,
    /// The file that it was loaded from. `None` if it is built in.
    pub path: Option<PathBuf>,
    /// The same files by names that do not depend on the location of the file store, for a lock.
    pub files: Vec<LockedFile>,
    /// The facts, other than those of the runtime, that conditions of locked sections use.
    pub conditions: BTreeSet<&'static str>,
    /// The files of folders in buckets that it was loaded with.
    pub folders: BucketFolders,
    /// The lock that applies to this run.
    pub lock: Option<LockFile>,
    /// The sections of all kinds.
    pub sections: S,
    /// Variables by name, with their values when the profile was read.
    pub vars: BTreeMap<String, Setting<String>>,
    /// The stage that it was loaded for.
    pub stage: RunStage,
    /// The work after the launch.
    pub post_start: PostStart,
    /// Whether every download needs a digest: there are trusted keys, and no lock that names the files.
    pub only_digests: bool,
    /// Recommendations of `check` about entries, by the name of the entry. They do not depend on conditions.
    pub notes: BTreeMap<String, Vec<String>>,
}

/// A requested value and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// The value.
    pub value: T,
    /// The profile line.
    pub origin: Origin,
    /// Whether the run continues if it fails.
    pub optional: bool,
    /// The time limit.
    pub timeout: Option<Duration>,
    /// The entries that it follows or precedes.
    pub order: Order,
}

/// The requested order of an entry. Each name is that of a section or an entry: `pip`, `files./etc/x`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// The names by which other entries may refer to the entry: as written first, then with `${…}` replaced, then as
    /// resolved.
    pub names: Vec<String>,
    /// The stage in which its step acts.
    pub stage: RunStage,
    /// Its step acts after the steps of these sections and entries.
    pub after: Vec<Setting<String>>,
    /// Its step acts before the steps of these sections and entries.
    pub before: Vec<Setting<String>>,
}

impl Order {
    /// Adds the names of an entry that this one replaces. Other entries may refer to either.
    pub(crate) fn inherit_names(&mut self, replaced: &Self) {
        let new: Vec<String> = replaced.names.iter().filter(|name| !self.names.contains(name)).cloned().collect();
        self.names.extend(new);
    }
}

impl<T> Entry<T> {
    /// Another value with the same options and origin.
    pub fn with<U>(&self, value: U) -> Entry<U> {
        Entry {
            value,
            origin: self.origin.clone(),
            optional: self.optional,
            timeout: self.timeout,
            order: self.order.clone(),
        }
    }

    /// An entry without options.
    pub fn plain(value: T, origin: Origin) -> Self {
        Self { value, origin, optional: false, timeout: None, order: Order::default() }
    }
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// The profile line.
    pub origin: Origin,
}

/// The origin of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file of the file store.
    File(AssetRef),
    /// The profile.
    Inline(String),
}

/// A login for all addresses below one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The address.
    pub url_prefix: UrlPrefix,
    /// The user name: one word of plain characters.
    pub user: String,
    /// The password's scope.
    pub scope: String,
    /// The password's key.
    pub key: String,
    /// The profile line.
    pub from: Address,
}

/// A profile that cannot be used, with all its mistakes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the profile has {} mistake(s)", .0.len())]
pub struct ProfileError(pub Vec<Diagnostic>);
