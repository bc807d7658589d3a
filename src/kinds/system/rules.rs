//! Rules of `[system]`. The rules of swap files and mounts are in `path_rules`.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use super::{
    checked::{Sysctl, System},
    sysctl, written,
};
use crate::{
    grammar::{document::Part, names},
    profile::{
        Cases, Entry, Rules, place,
        shorthand::{ManyOr, PlainOr, Shorthand},
        within,
    },
};

/// The longest host name of Linux.
const MAX_HOSTNAME: usize = 64;

/// The keys that entries of several tables share.
#[derive(Clone, Copy, Default)]
pub(super) struct Shared<'a> {
    pub(super) optional: bool,
    pub(super) timeout: Option<&'a str>,
    pub(super) after: &'a [String],
    pub(super) before: &'a [String],
}

impl Rules<'_> {
    pub(super) fn system(&mut self, written: &written::System) -> System {
        let mut system = System::default();
        for (key, raw) in &written.sysctl {
            let entry = self.sysctl(key, raw);
            self.insert_once("sysctl", key, entry, &mut system.sysctl);
        }
        for (address, raw) in &written.hosts {
            let entry = self.host(address, raw);
            self.insert_once("hosts", address, entry, &mut system.hosts);
        }
        for (path, raw) in &written.swap {
            let entry = self.swap_file(path, raw);
            self.insert_once("swap", path, entry, &mut system.swap);
        }
        for (path, raw) in &written.mounts {
            let entry = self.mount(path, raw);
            self.insert_once("mounts", path, entry, &mut system.mounts);
        }
        for (name, raw) in &written.alternatives {
            let entry = self.alternative(name, raw);
            self.insert_once("alternatives", name, entry, &mut system.alternatives);
        }
        system.ldconfig = self.library_folders(&written.ldconfig);
        let hint = "name a zone of the IANA database, such as `Europe/Berlin`";
        system.timezone = self.named("timezone", written.timezone.as_ref(), |rules, at, name| {
            if !names::is_time_zone(name) {
                rules.mistake(at, format!("`{name}` is not a time zone"), hint);
            }
        });
        let hint = "letters, digits, `-` and `.`, at most 64 characters, such as `models-1`";
        system.hostname = self.named("hostname", written.hostname.as_ref(), |rules, at, name| {
            if !names::is_machine(name) || name.len() > MAX_HOSTNAME {
                rules.mistake(at, format!("`{name}` is not a host name"), hint);
            }
        });
        system
    }

    /// Adds an entry. Two keys may mean the same, such as `a.b` and `a/b`.
    fn insert_once<K: Ord, T>(
        &mut self,
        table: &str,
        key: &str,
        entry: Option<(K, Entry<T>)>,
        all: &mut BTreeMap<K, Entry<T>>,
    ) {
        let Some((identity, entry)) = entry else { return };
        if let Some(first) = all.insert(identity, entry) {
            let message = format!("`{key}` is written twice; the other is at {}", first.origin.with_column());
            self.mistake_in_key(&place!["system", table, key], message, "remove one of the entries");
        }
    }

    /// An entry with its names and its order. `name` is its table with its key, `resolved` the same as nodeagent uses
    /// it.
    pub(super) fn system_entry<T>(
        &mut self,
        at: &[Part],
        (name, resolved): (String, Option<String>),
        shared: Shared<'_>,
        value: T,
    ) -> Entry<T> {
        let timeout = self.timeout(at, shared.timeout);
        let mut names = self.spellings([format!("system.{name}")]);
        names.extend(resolved.map(|name| format!("system.{name}")).filter(|name| !names.contains(name)));
        let order = self.order(at, names, (shared.after, shared.before));
        Entry { value, origin: self.origin(at), optional: shared.optional, timeout, order }
    }

    /// A text in a file that every user can read: one line without secrets.
    pub(super) fn public_line(&mut self, at: &[Part], text: &str) -> Option<String> {
        if text.contains("${secret.") {
            let hint = "every user of the node can read this setting; it cannot hold a secret";
            self.mistake(at, "the text contains a secret", hint);
            return None;
        }
        let text = self.expanded(at, text)?.trim().to_owned();
        if text.is_empty() || text.chars().any(|c| c.is_control() && c != '\t') {
            self.mistake(at, format!("`{}` is not one line of text", text.escape_debug()), "write one line");
            return None;
        }
        Some(text)
    }

    fn sysctl(&mut self, key: &str, cases: &Cases<PlainOr<written::Sysctl>>) -> Option<(String, Entry<Sysctl>)> {
        let at = place!["system", "sysctl", key];
        if !names::is_sysctl(key) {
            let hint = "write it as `sysctl -a` prints it, such as `vm.swappiness`";
            self.mistake_in_key(&at, format!("`{key}` is not a kernel parameter"), hint);
        }
        let entry = self.cases(&at, cases, |rules, at, raw| {
            let (value, place) = match raw {
                PlainOr::Plain(value) => (value, at.to_vec()),
                PlainOr::Table(table) => (&table.value, within(at, "value")),
            };
            let value = rules.public_line(&place, &value.to_string())?;
            let value = Sysctl { key: key.to_owned(), value: sysctl::words(&value) };
            Some(rules.system_entry(at, (format!("sysctl.{key}"), None), Shared::default(), value))
        })?;
        Some((sysctl::path_of(key), entry))
    }

    fn host(&mut self, address: &str, raw: &ManyOr<written::Host>) -> Option<(IpAddr, Entry<Vec<String>>)> {
        let at = place!["system", "hosts", address];
        let (listed, when, place) = match raw {
            ManyOr::Many(names) => (names, None, at.to_vec()),
            ManyOr::Table(table) => (&table.names.0, table.when.as_ref(), within(&at, "names")),
        };
        self.conditional(&at, when, |rules| {
            let parsed = rules.address_of_host(&at, address);
            let names = rules.host_names(&place, listed);
            let (parsed, names) = (parsed?, names?);
            let resolved = Some(format!("hosts.{parsed}"));
            let entry = rules.system_entry(&at, (format!("hosts.{address}"), resolved), Shared::default(), names);
            Some((parsed, entry))
        })
    }

    fn address_of_host(&mut self, at: &[Part], key: &str) -> Option<IpAddr> {
        let text = self.expanded(at, key)?;
        let parsed = text.parse::<IpAddr>().ok();
        if parsed.is_none() {
            let hint = "write an address of IPv4 or IPv6, such as `10.0.0.7`";
            self.mistake_in_key(at, format!("`{text}` is not an address"), hint);
        }
        parsed
    }

    fn host_names(&mut self, path: &[Part], names: &[String]) -> Option<Vec<String>> {
        // Names of a wrong type were reported and removed.
        if names.is_empty() && !self.document.has(&within(path, 0)) {
            self.mistake(path, "the address has no names", "name at least one host");
        }
        let checked = names.iter().enumerate().map(|(index, name)| {
            let in_list = within(path, index);
            let at = if self.document.has(&in_list) { in_list } else { path.to_vec() };
            let name = self.expanded(&at, name)?;
            if !names::is_host_alias(&name) {
                let hint = "letters, digits, `_`, `-` and `.`, such as `db.firm.example`";
                self.mistake(&at, format!("`{name}` is not the name of a host"), hint);
                return None;
            }
            Some(name)
        });
        // All names are checked, so that all mistakes are reported.
        let checked: Option<Vec<String>> = checked.collect::<Vec<_>>().into_iter().collect();
        checked.filter(|names| !names.is_empty())
    }

    fn alternative(
        &mut self,
        name: &str,
        cases: &Cases<Shorthand<written::Alternative>>,
    ) -> Option<(String, Entry<PathBuf>)> {
        let at = place!["system", "alternatives", name];
        if !names::is_alternative(name) {
            let hint = "name a group of `update-alternatives --get-selections`, such as `editor`";
            self.mistake_in_key(&at, format!("`{name}` is not the name of alternatives"), hint);
        }
        let entry = self.cases(&at, cases, |rules, at, raw| {
            let (path, shared, place) = match raw {
                Shorthand::Short(path) => (path, Shared::default(), at.to_vec()),
                Shorthand::Long(raw) => {
                    let (timeout, after, before) =
                        (raw.timeout.as_deref(), raw.after.as_slice(), raw.before.as_slice());
                    let shared = Shared { optional: raw.optional, timeout, after, before };
                    (&raw.path, shared, within(at, "path"))
                }
            };
            let path = rules.public_line(&place, path)?;
            let path = rules.absolute(&place, &path)?;
            Some(rules.system_entry(at, (format!("alternatives.{name}"), None), shared, path))
        })?;
        Some((name.to_owned(), entry))
    }

    fn library_folders(&mut self, raw: &[Shorthand<written::LibraryFolder>]) -> Vec<Entry<PathBuf>> {
        let mut folders = self.entries(&place!["system", "ldconfig"], raw, |rules, at, name, _| {
            let path: PathBuf = rules.absolute(at, &name)?.components().collect();
            let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && !"#:,=".contains(c);
            if !name.chars().all(is_plain) {
                let hint = "ldconfig cannot read spaces, `#`, `:`, `,` and `=` in the name of a folder";
                rules.mistake(at, format!("`{}` cannot be a folder of libraries", name.escape_debug()), hint);
                return None;
            }
            Some(path)
        });
        for folder in &mut folders {
            folder.order.names = vec!["system.ldconfig".to_owned()];
        }
        folders
    }

    fn named(
        &mut self,
        key: &str,
        cases: Option<&Cases<Shorthand<written::Named>>>,
        check: impl Fn(&mut Self, &[Part], &str),
    ) -> Option<Entry<String>> {
        self.cases(&place!["system", key], cases?, |rules, at, raw| {
            let before = rules.found.len();
            let (name, place) = match raw {
                Shorthand::Short(name) => (name, at.to_vec()),
                Shorthand::Long(table) => (&table.name, within(at, "name")),
            };
            let name = rules.expanded(&place, name)?;
            check(rules, &place, &name);
            let entry = rules.system_entry(at, (key.to_owned(), None), Shared::default(), name);
            (rules.found.len() == before).then_some(entry)
        })
    }
}
