//! Rules of `[secrets]`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    checked::{SecretItem, Secrets, Template},
    deliveries::file_of_scope,
    templates,
    written::{self, Written},
};
use crate::{
    grammar::names,
    profile::{Content, Entry, Rules, place},
    secrets::{Address, SecretScope, file_formats::TemplatePart},
};

impl Rules<'_> {
    /// The section of one file, with its logins.
    pub(super) fn secrets(&mut self, written: &Written) -> Secrets {
        let raw = &written.secrets;
        // Other sections may use the scope.
        let is_complete = raw.source.is_some() && raw.scope.is_some();
        let is_used = is_complete || !(raw.items.is_empty() && raw.templates.is_empty() && written.logins.is_empty());
        let scope = if is_used && self.passwords_have_a_scope(written) { self.scope(raw) } else { None };
        let mut secrets = self.items_and_templates(raw, scope.clone());
        secrets.logins = self.logins(&written.logins, scope.as_ref(), &mut secrets.withheld);
        secrets
    }

    /// The source of the section's secrets. Missing and invalid values are reported.
    pub(super) fn scope(&mut self, raw: &written::Secrets) -> Option<SecretScope> {
        if raw.source.is_none() && !self.document.has(&place!["secrets", "source"]) {
            self.mistake(
                &place!["secrets"],
                "`source` is missing in `secrets`",
                "write `source = \"databricks\"`, or another of the known sources",
            );
        }
        let Some(scope) = &raw.scope else {
            if !self.document.has(&place!["secrets", "scope"]) {
                self.mistake(
                    &place!["secrets"],
                    "`scope` is missing in `secrets`",
                    "name the scope the keys belong to, such as `family`",
                );
            }
            return None;
        };
        let scope = self.expanded(&place!["secrets", "scope"], scope)?;
        if !names::is_secret(&scope) {
            self.mistake(
                &place!["secrets", "scope"],
                format!("`{scope}` is not a scope"),
                "letters, digits and `_.@-`",
            );
        }
        self.secret_scope(raw, &scope)
    }

    fn items_and_templates(&mut self, raw: &written::Secrets, place: Option<SecretScope>) -> Secrets {
        let mut known = Known::default();
        let items = raw.items.iter().enumerate();
        let items = items.filter_map(|(index, item)| self.secret(index, item, place.as_ref(), &mut known)).collect();
        let templates = raw.templates.iter().enumerate();
        let templates =
            templates.filter_map(|(index, raw)| self.template(index, raw, place.as_ref(), &mut known)).collect();
        Secrets { items, templates, used: Vec::new(), withheld: known.withheld, place, logins: Vec::new() }
    }

    fn secret(
        &mut self,
        index: usize,
        raw: &written::SecretItem,
        place: Option<&SecretScope>,
        known: &mut Known,
    ) -> Option<Entry<SecretItem>> {
        let at = |key: &str| place!["secrets", "items", index, key];
        let before = self.found.len();
        let key = self.expanded(&at("key"), &raw.key)?;
        if !names::is_secret(&key) {
            self.mistake(&at("key"), format!("`{key}` is not a key of a secret"), "letters, digits and `_.@-`");
        }
        let from = place.and_then(|place| self.address(&place!["secrets", "items", index], raw.into(), place, &key));
        if let Some(from) = &from {
            known.withhold(from);
            known.addresses.insert(key.clone(), from.clone());
        }
        let delivery = self.delivery(&at("to"), &raw.to, scope_of(place));
        let counts = self.counts(&place!["secrets", "items", index], raw.when.as_ref());
        if self.found.len() > before || !counts {
            return None;
        }
        let (form, to) = delivery?;
        let value = SecretItem { scope: place?.scope.clone(), key, from: from?, form, to };
        let mut order = self.order(&place!["secrets", "items", index], Vec::new(), (&raw.after, &raw.before));
        // Other items may have the same key, so an item may wait for its own name.
        order.names = self.spellings([format!("secrets.{}", raw.key)]);
        Some(Entry { value, origin: self.origin(&at("key")), optional: raw.optional, timeout: None, order })
    }

    fn template(
        &mut self,
        index: usize,
        raw: &written::Template,
        place: Option<&SecretScope>,
        known: &mut Known,
    ) -> Option<Entry<Template>> {
        let at = |key: &str| place!["secrets", "templates", index, key];
        let before = self.found.len();
        let to = self.secret_file(&at("file"), &raw.file, scope_of(place), (raw.mode.as_deref(), raw.owner.as_deref()));
        let mut pieces = Vec::new();
        let content = match (&raw.text, &raw.template) {
            (Some(text), None) => {
                match templates::parse(text) {
                    Ok(parsed) => pieces = parsed,
                    Err((_, message, hint)) => self.mistake(&at("text"), message, hint),
                }
                Content::Inline(text.clone())
            }
            (None, Some(file)) => {
                let file = self.expanded(&at("template"), file)?;
                Content::File(self.asset(&at("template"), file)?)
            }
            (Some(_), Some(_)) => {
                self.mistake(&at("template"), "both `text` and `template` are given", "keep one of them");
                return None;
            }
            (None, None) => {
                let hint = "give the text itself, or name a file of the file store";
                self.mistake(&at("file"), "neither `text` nor `template` is given", hint);
                return None;
            }
        };
        for key in pieces.iter().filter_map(TemplatePart::secret) {
            let from = known.addresses.get(key).cloned();
            if let Some(from) = from.or_else(|| Some(place?.address(key, None, None))) {
                known.withhold(&from);
            }
        }
        let counts = self.counts(&place!["secrets", "templates", index], raw.when.as_ref());
        if self.found.len() > before || !counts {
            return None;
        }
        let known = known.addresses.clone();
        let value = Template { to: to?, content, pieces, place: place?.clone(), known };
        let names = self.spellings(names_of_template(scope_of(place), &raw.file));
        let order = self.order(&place!["secrets", "templates", index], names, (&raw.after, &raw.before));
        Some(Entry { value, origin: self.origin(&at("file")), optional: raw.optional, timeout: None, order })
    }
}

/// The names of a template in `after` and `before`: its file as written, and the path of a file with a bare name.
pub(super) fn names_of_template(scope: &str, file: &str) -> Vec<String> {
    let path = (!file.contains('/')).then(|| file_of_scope(scope, file).display().to_string());
    [Some(file.to_owned()), path].into_iter().flatten().map(|name| format!("secrets.{name}")).collect()
}

/// The scope. If the source is invalid, the other values are checked nevertheless.
fn scope_of(place: Option<&SecretScope>) -> &str {
    place.map_or("scope", |place| &place.scope)
}

/// The secrets of one file that were checked so far.
#[derive(Default)]
struct Known {
    /// The source of each key.
    addresses: BTreeMap<String, Address>,
    /// Variables that hold secrets.
    withheld: BTreeSet<String>,
}

impl Known {
    fn withhold(&mut self, from: &Address) {
        if let Address::Variable(variable) = from {
            self.withheld.insert(variable.clone());
        }
    }
}
