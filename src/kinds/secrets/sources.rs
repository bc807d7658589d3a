//! Parses the sources of a profile's secrets, after `${…}` is replaced.

use std::collections::BTreeMap;

use super::written::{self, Login, SecretItem};
use crate::{
    grammar::{
        document::Part,
        secret_source::{self, SecretSpec, SpecError},
    },
    profile::{Rules, place},
    secrets::{Address, SecretScope},
};

/// The values of an entry about a secret's source, besides the key.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    env: Option<&'a String>,
    name: Option<&'a String>,
    version: Option<&'a String>,
}

impl<'a> From<&'a SecretItem> for Named<'a> {
    fn from(raw: &'a SecretItem) -> Self {
        Self { env: raw.env.as_ref(), name: raw.name.as_ref(), version: raw.version.as_ref() }
    }
}

impl<'a> From<&'a Login> for Named<'a> {
    fn from(raw: &'a Login) -> Self {
        Self { env: raw.env.as_ref(), name: raw.name.as_ref(), version: raw.version.as_ref() }
    }
}

impl Rules<'_> {
    /// The scope at its source, if there is one.
    pub(super) fn secret_scope(&mut self, raw: &written::Secrets, scope: &str) -> Option<SecretScope> {
        let source = raw.source?;
        let section = place!["secrets"];
        self.foreign_keys(&section, source.foreign_to_scope());
        let path = self.expanded_if_written(&section, "path", raw.path.as_ref())?;
        let vault = self.expanded_if_written(&section, "vault", raw.vault.as_ref())?;
        let table = self.expanded_if_written(&section, "table", raw.table.as_ref())?;
        let region = self.expanded_if_written(&section, "region", raw.region.as_ref())?;
        let mut context = BTreeMap::new();
        for (name, value) in &raw.context {
            context.insert(name.clone(), self.expanded(&place!["secrets", "context", name.as_str()], value)?);
        }
        let place = source.place(&SecretSpec {
            scope,
            key: "",
            name: None,
            version: None,
            env: None,
            path: path.as_deref(),
            vault: vault.as_deref(),
            table: table.as_deref(),
            region: region.as_deref(),
            context: &context,
        });
        self.fitting(&section, place)
    }

    /// The source of one secret. `entry` is the position of its entry.
    pub(super) fn address(
        &mut self,
        entry: &[Part],
        raw: Named<'_>,
        place: &SecretScope,
        key: &str,
    ) -> Option<Address> {
        self.foreign_keys(entry, place.source.name().foreign_to_secret());
        let name = self.expanded_if_written(entry, "name", raw.name)?;
        let version = self.expanded_if_written(entry, "version", raw.version)?;
        let env = raw.env.map(String::as_str);
        let named = secret_source::SecretName { name: name.as_deref(), version: version.as_deref(), env };
        self.fitting(entry, secret_source::address(place, key, named))
    }

    fn foreign_keys(&mut self, below: &[Part], foreign: impl Iterator<Item = SpecError>) {
        for misfit in foreign {
            let at = [below, &place![misfit.key]].concat();
            if self.document.has(&at) {
                self.mistake(&at, misfit.message, misfit.hint);
            }
        }
    }

    /// A text that may be left out. The outer `None`: it is a mistake.
    #[expect(clippy::option_option, reason = "what is not written is no mistake")]
    fn expanded_if_written(&mut self, below: &[Part], key: &str, text: Option<&String>) -> Option<Option<String>> {
        let Some(text) = text else { return Some(None) };
        self.expanded(&[below, &place![key]].concat(), text).map(Some)
    }

    fn fitting<T>(&mut self, below: &[Part], found: Result<T, SpecError>) -> Option<T> {
        found.map_err(|misfit| self.mistake(&[below, &place![misfit.key]].concat(), misfit.message, misfit.hint)).ok()
    }
}
