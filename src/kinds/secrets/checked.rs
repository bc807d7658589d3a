//! `[secrets]` and `[[logins]]` as checked: secrets, the files that they go to, and logins for package servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::{
    profile::{Content, Entry, Login},
    secrets::{
        Address, SecretScope,
        file_formats::{SecretFormat, TemplatePart},
    },
};

/// Secrets and their destinations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secrets {
    /// The secrets, once for each destination, including those in templates.
    pub items: Vec<Entry<SecretItem>>,
    /// Files made from a text.
    pub templates: Vec<Entry<Template>>,
    /// The secrets that other sections use.
    pub used: Vec<Entry<UsedSecret>>,
    /// Variables that contain secrets, including those of other nodes' entries. Child processes of a run do not receive
    /// them.
    pub withheld: BTreeSet<String>,
    /// The scope at the source.
    pub place: Option<SecretScope>,
    /// The logins of `[[logins]]`. Their passwords are secrets of the scope.
    pub logins: Vec<Entry<Login>>,
}

/// A secret that an entry of another section uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedSecret {
    /// Its scope.
    pub scope: String,
    /// Its key.
    pub key: String,
    /// Its source.
    pub from: Address,
}

/// One secret in one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretItem {
    /// Its scope.
    pub scope: String,
    /// Its key.
    pub key: String,
    /// Its source.
    pub from: Address,
    /// Its form in the file.
    pub form: SecretFormat,
    /// The destination.
    pub to: SecretFile,
}

/// A file that contains secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// The path. `~` is the owner's home.
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
    /// The source of the text.
    pub content: Content,
    /// The parsed text. Empty if it could not be read.
    pub pieces: Vec<TemplatePart>,
    /// The scope of its keys.
    pub(super) place: SecretScope,
    /// Keys that have a separate source address in the profile.
    pub(super) known: BTreeMap<String, Address>,
}
