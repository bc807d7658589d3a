//! `[cert]` as checked.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    diagnostic::Origin,
    profile::{AssetRef, Entry, SecretRef, Setting, choices},
};

choices!(
    /// A store of certificates.
    Store, "kebab-case" {
        /// The system's store.
        Os,
        /// The keystores of every JDK.
        Java,
        /// certifi of the environment of `[pip]`.
        Python,
    }
);

/// Certificates of authorities that the node trusts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cert {
    /// Files with certificates.
    pub files: Vec<Entry<AssetRef>>,
    /// The stores. `None` for all that the node has.
    pub to: Option<Setting<Vec<Store>>>,
    /// The password of the Java keystores.
    pub java_password: Option<Setting<SecretRef>>,
    /// Whether the variables of TLS libraries name the system's bundle.
    pub variables: Option<Setting<bool>>,
    /// The Python interpreter of `[pip]`. Known after the profile is merged.
    pub interpreter: PathBuf,
}

impl Store {
    /// The word in profiles.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Java => "java",
            Self::Python => "python",
        }
    }
}

impl Cert {
    /// Whether a store gets the certificates, if the node has it.
    pub(super) fn goes_to(&self, store: Store) -> bool {
        !self.files.is_empty() && self.to.as_ref().is_none_or(|to| to.value.contains(&store))
    }

    /// The line that names a store. `None` if the store is used only if the node has it.
    pub(super) fn demands(&self, store: Store) -> Option<&Origin> {
        self.to.as_ref().filter(|to| to.value.contains(&store) && !self.files.is_empty()).map(|to| &to.origin)
    }

    /// The line that sets the variables of TLS libraries. `None` if the profile does not set them.
    pub(in crate::kinds) fn variables_at(&self) -> Option<&Origin> {
        let first = self.files.first().filter(|_| self.goes_to(Store::Os))?;
        match &self.variables {
            Some(Setting { value: false, .. }) => None,
            Some(Setting { origin, .. }) => Some(origin),
            None => Some(&first.origin),
        }
    }
}
