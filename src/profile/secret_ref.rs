//! Secrets that entries of any section use by the key.

use super::{Rules, within, written::SecretKey};
use crate::{
    diagnostic::Origin,
    grammar::{document::Part, names},
    secrets::Address,
};

/// A secret by its key in the scope of `[secrets]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// The key.
    pub key: String,
    /// Its source. `None` until the whole profile is read.
    pub from: Option<Address>,
}

impl SecretRef {
    /// A secret whose source is not known yet.
    pub fn new(key: String) -> Self {
        Self { key, from: None }
    }
}

/// A use of a secret by an entry.
#[derive(Debug)]
pub struct SecretUse<'a> {
    /// The secret.
    pub secret: &'a mut SecretRef,
    /// The profile line of the entry.
    pub origin: &'a Origin,
    /// Whether the run continues without the secret.
    pub optional: bool,
}

impl Rules<'_> {
    /// A secret that an entry uses. `at` is the position of the table with its key.
    pub(crate) fn secret_ref(&mut self, at: &[Part], raw: &SecretKey) -> Option<SecretRef> {
        self.key_of_secret(&within(at, "secret"), &raw.secret).map(SecretRef::new)
    }

    /// The key of a secret.
    pub(crate) fn key_of_secret(&mut self, at: &[Part], key: &str) -> Option<String> {
        let key = self.expanded(at, key)?;
        if !names::is_secret(&key) {
            self.mistake(at, format!("`{key}` is not a key of a secret"), "letters, digits and `_.@-`");
            return None;
        }
        Some(key)
    }
}
