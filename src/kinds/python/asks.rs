//! The requests of `[pip]` and `[wheel]` to package tools and servers: what a lock answers, and the addresses that
//! logins are selected for.

use super::{checked::Python, requirements_file::with_digest_of_lines, venvs};
use crate::{
    inventory::Inventory,
    kinds::contract::Asks,
    lock::bare,
    plan::{Address, addresses_in_line},
    profile::{Section as _, requirements::Requirements},
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
        venvs::add_asks(&pip.venvs, inventory, asks);
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

    /// The addresses that the steps use, without those of files.
    pub(super) fn used_addresses(&self, inventory: &Inventory) -> Vec<Address> {
        let kind = Self::KEYS[0];
        let indexes = self.indexes().into_iter().map(|(url, _)| Address::plain(kind, url.clone()));
        let found_at =
            self.pip.find_links.iter().filter_map(|link| Some(Address::plain(kind, link.value.parse().ok()?)));
        let of_venvs = || self.pip.venvs.values().map(|entry| &entry.value);
        let files = || self.pip.requirements.iter().chain(of_venvs().flat_map(|venv| &venv.requirements));
        let packages = self.pip.packages.iter().chain(of_venvs().flat_map(|venv| &venv.packages));
        let mut all: Vec<Address> = indexes.chain(found_at).collect();
        let mut lines: Vec<String> = packages.map(|entry| entry.value.text.clone()).collect();
        for entry in files() {
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
