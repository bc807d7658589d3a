//! A profile, from text to checked values. Never reads the node: what it needs to know of it is given as facts.
//!
//! Text → shape and raw types (`grammar`: every misfit at its place) → rules (every mistake at its place) → parts of a `Profile`,
//! one for each file → merged.

mod assets;
mod builtin;
mod find;
mod forms;
mod load;
mod merge;
mod raw;
pub mod requirements;
mod rules;
mod schema;
mod show;
mod templates;
mod trusted;
mod values;
mod vouch;
mod when;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use url::Url;

pub use self::{
    assets::{Asset, Assets, MissingAsset, NamedAsset},
    find::{ACCESS, FileStore},
    load::{Request, load},
    schema::json_schema,
    show::show,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    digest::Digest,
    grammar::{document, names},
    lock::{LockFile, LockedFile},
    redact::UrlPrefix,
    report::event::ProfileSource,
    secrets::{
        Address, SecretScope,
        file_formats::{SecretFormat, TemplatePart},
    },
};

/// The version of the grammar that this agent understands.
pub const SCHEMA: u32 = 1;
/// The environment's interpreter, unless the profile names another.
pub const DEFAULT_PYTHON: &str = "/databricks/python/bin/python";
/// The R library, unless the profile names another.
pub const DEFAULT_R_LIBRARY: &str = "/databricks/spark/R/lib";
/// The R repository, unless the profile names another.
pub const DEFAULT_R_REPO: &str = "https://cloud.r-project.org/";

/// A checked profile for one node: every rule passed, every `${…}` is replaced, every `when` is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
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
    /// The same files by names that hold wherever the file store is, for a lock.
    pub files: Vec<LockedFile>,
    /// The facts of a node, beside those of its runtime, that conditions of packages and files speak of.
    pub conditions: BTreeSet<&'static str>,
    /// The lock that counts for this run.
    pub lock: Option<LockFile>,
    /// Debian packages.
    pub apt: Apt,
    /// Python distributions.
    pub pip: Pip,
    /// Wheel files.
    pub wheels: Vec<Entry<AssetRef>>,
    /// R packages.
    pub r: R,
    /// Shell configuration.
    pub shell: Shell,
    /// Secrets.
    pub secrets: Secrets,
    /// Logins for the servers that packages come from.
    pub logins: Vec<Entry<Login>>,
    /// Variables by name, with what they were when the profile was read.
    pub vars: BTreeMap<String, Setting<String>>,
    /// Whether nothing may be fetched by its name alone: there are trusted keys, and no lock that says what comes.
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
}

impl<T> Entry<T> {
    /// Something else that was asked for on the same terms.
    pub fn with<U>(&self, value: U) -> Entry<U> {
        Entry { value, origin: self.origin.clone(), optional: self.optional, timeout: self.timeout }
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

/// A Debian package by name, and its exact version when pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AptPackage {
    /// The name, checked: it cannot be taken for an option.
    pub name: String,
    /// The exact version.
    pub version: Option<String>,
}

/// An answer to a question a package would ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebconfAnswer {
    /// The package that asks.
    pub package: String,
    /// The question, such as `msodbcsql18/accept-eula`.
    pub question: String,
    /// Its type: `boolean`, `string`, `select`, …
    pub kind: String,
    /// The answer.
    pub value: String,
}

/// An R package asked for by name, and its exact version when pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RPackage {
    /// The name, checked.
    pub name: String,
    /// The exact version.
    pub version: Option<String>,
}

/// Debian packages and where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Apt {
    /// By name.
    pub packages: Vec<Entry<AptPackage>>,
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

/// A package source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Its name, checked.
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
    /// Its fingerprint: upper case, no spaces.
    pub fingerprint: String,
}

/// Python distributions and how they are installed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pip {
    /// Requirements as pip reads them.
    pub packages: Vec<Entry<String>>,
    /// Requirements files.
    pub requirements: Vec<Entry<AssetRef>>,
    /// Whether what the runtime ships may not change.
    pub guard: Option<Setting<bool>>,
    /// Distributions that may change all the same, by normalised name.
    pub allow_change: Vec<Entry<String>>,
    /// The package index.
    pub index_url: Option<Setting<Url>>,
    /// Further indexes.
    pub extra_index_urls: Vec<Entry<Url>>,
    /// Modules to import at the end.
    pub smoke: Vec<Entry<String>>,
    /// The interpreter.
    pub python: Option<Setting<PathBuf>>,
    /// Whether only pip may be used.
    pub only_pip: Option<Setting<bool>>,
    /// Where uv comes from.
    pub uv: Option<Setting<AssetRef>>,
    /// Whether modules are byte-compiled.
    pub compile: Option<Setting<bool>>,
    /// Whether it may run while apt does.
    pub beside_apt: Option<Setting<bool>>,
}

/// R packages and where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct R {
    /// The library.
    pub library: Option<Setting<PathBuf>>,
    /// Repositories.
    pub repos: Vec<Entry<Url>>,
    /// By name.
    pub packages: Vec<Entry<RPackage>>,
    /// Archives.
    pub sources: Vec<Entry<AssetRef>>,
}

/// Shell configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shell {
    /// Users who get it.
    pub users: Option<Setting<Vec<String>>>,
    /// For `~/.bashrc`.
    pub bashrc: Option<Entry<Text>>,
    /// For `~/.vimrc`.
    pub vimrc: Option<Entry<Text>>,
    /// For `/etc/profile.d`, by name.
    pub profile_d: BTreeMap<String, Entry<Text>>,
    /// Variables for login shells.
    pub variables: BTreeMap<String, Entry<String>>,
}

/// A text and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Where it comes from.
    pub content: Content,
    /// Whether it replaces the file, or is a marked block in it.
    pub whole: Option<bool>,
}

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file of the file store.
    File(AssetRef),
    /// The profile.
    Inline(String),
}

/// Secrets and where each goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secrets {
    /// The secrets, once for each place: also those that a template names.
    pub items: Vec<Entry<SecretItem>>,
    /// Files made from a text.
    pub templates: Vec<Entry<Template>>,
    /// Variables that hold secrets, also those that do not count on this node: no child of a run gets them.
    pub withheld: BTreeSet<String>,
    /// The scope they belong to, at its source.
    pub place: Option<SecretScope>,
}

/// One secret in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretItem {
    /// Its scope.
    pub scope: String,
    /// Its key.
    pub key: String,
    /// Where it comes from.
    pub from: Address,
    /// How it stands in the file.
    pub form: SecretFormat,
    /// The file it goes to.
    pub to: SecretFile,
}

/// A file that holds secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Where. One that begins with `~` is in the owner's home.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// `user` or `user:group`.
    pub owner: String,
}

/// A file made from a text with secrets in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The file.
    pub to: SecretFile,
    /// Where the text comes from.
    pub content: Content,
    /// The text, taken apart; empty when it could not be had.
    pub pieces: Vec<TemplatePart>,
    /// The scope its keys belong to.
    place: SecretScope,
    /// Keys that the profile gives an address of their own.
    known: BTreeMap<String, Address>,
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
