//! Secrets that entries of any section use by the key.

use crate::{diagnostic::Origin, secrets::Address};

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
