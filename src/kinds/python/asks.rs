//! The requests of `[pip]` and `[wheel]` to package tools and servers: what a lock answers, and the addresses that
//! logins are selected for.

use super::checked::Python;
use crate::{
    digest::Digest,
    inventory::Inventory,
    kinds::contract::Asks,
    lock::bare,
    plan::{Address, addresses_in_line},
    profile::{AssetRef, Entry, Section as _, requirements::Requirements},
};

impl Python {
    /// Adds the requests that a lock answers.
    pub(super) fn add_asks(&self, inventory: &Inventory, asks: &mut Asks) {
        let pip = &self.pip;
        for entry in &pip.packages {
            let tool = if entry.value.deps { "pip" } else { "pip without dependencies" };
            asks.add(tool, &entry.value.text, entry.optional);
        }
        for entry in &pip.requirements {
            asks.add("pip", &with_digest_of_lines(inventory, entry), entry.optional);
        }
        for entry in &self.wheels {
            let path = &entry.value.file.path;
            asks.add("wheel", path, entry.optional);
            if !entry.value.deps {
                asks.add("pip without dependencies", path, entry.optional);
            }
        }
        if pip.guard.as_ref().is_some_and(|guard| !guard.value) {
            asks.add("pip", "without a guard", false);
        }
        for entry in &pip.allow_change {
            asks.add("pip may change", &entry.value, false);
        }
        if let Some(index) = &pip.index_url {
            asks.add("pip index", bare(&index.value).as_str(), false);
        }
        for link in &pip.find_links {
            asks.add("pip links", &link.value, false);
        }
        for (what, setting) in [("without an index", &pip.no_index), ("with pre-releases", &pip.prereleases)] {
            if setting.as_ref().is_some_and(|setting| setting.value) {
                asks.add("pip", what, false);
            }
        }
        if let Some(python) = &pip.python {
            asks.add("pip into", &python.value.display().to_string(), false);
        }
        if !pip.extra_index_urls.is_empty() {
            let urls: Vec<String> = pip.extra_index_urls.iter().map(|url| bare(&url.value).to_string()).collect();
            asks.add("pip extra index", &urls.join(" "), false);
        }
    }

    /// The addresses that the steps use.
    pub(super) fn used_addresses(&self, inventory: &Inventory) -> Vec<Address> {
        let kind = Self::KEYS[0];
        let indexes = self.indexes().into_iter().map(|(url, _)| Address::plain(kind, url.clone()));
        let found_at =
            self.pip.find_links.iter().filter_map(|link| Some(Address::plain(kind, link.value.parse().ok()?)));
        let wheels = self.wheels.iter().flat_map(|wheel| &wheel.value.file.urls);
        let wheels = wheels.map(|url| Address::plain(kind, url.clone()));
        let files = self.pip.requirements.iter().flat_map(|entry| &entry.value.urls);
        let files = files.map(|url| Address::plain(kind, url.clone()));
        let mut all: Vec<Address> = indexes.chain(wheels).chain(files).chain(found_at).collect();
        let mut lines: Vec<String> = self.pip.packages.iter().map(|entry| entry.value.text.clone()).collect();
        for entry in &self.pip.requirements {
            let Some(found) = inventory.asset(&entry.value) else { continue };
            let text = String::from_utf8_lossy(found.bytes.as_deref().unwrap_or_default());
            // Planning refuses a file that cannot be read.
            let read = Requirements::read(&found.asset.label(), &text, found.asset.folder());
            lines.extend(read.into_iter().flat_map(|read| read.lines).map(|line| line.text));
        }
        all.extend(lines.iter().flat_map(|line| addresses_in_line(kind, line)));
        all
    }
}

/// A requirements file, with a digest of its lines and of those of its included files. Only the digest is stored,
/// because a line may contain a secret. The lock has the digest of a file on a server.
fn with_digest_of_lines(inventory: &Inventory, entry: &Entry<AssetRef>) -> String {
    let path = &entry.value.path;
    if !entry.value.urls.is_empty() {
        return path.clone();
    }
    let Some(found) = inventory.asset(&entry.value) else { return format!("{path} missing") };
    let text = String::from_utf8_lossy(found.bytes.as_deref().unwrap_or_default());
    let read = Requirements::read(&found.asset.label(), &text, found.asset.folder()).unwrap_or_default();
    let lines: Vec<String> = read.lines.into_iter().map(|line| line.text).collect();
    format!("{path} {}", &Digest::sha256(lines.join("\n").as_bytes()).hex()[..16])
}
