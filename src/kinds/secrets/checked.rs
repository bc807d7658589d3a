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
    /// The logins of `[[logins]]`, whose passwords are secrets of the scope.
    pub logins: Vec<Entry<Login>>,
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
    pub(super) place: SecretScope,
    /// Keys that the profile gives an address of their own.
    pub(super) known: BTreeMap<String, Address>,
}
