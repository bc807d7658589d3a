//! Implements the contract of kinds for `[system]`: merging and printing.

use std::collections::BTreeMap;

use super::{
    checked::{Mount, System},
    swap,
    written::Written,
};
use crate::{
    diagnostic::Diagnostic,
    kinds::{no_packages::names_no_packages, no_stages::has_no_stages},
    profile::{Assets, Entry, NamedAsset, Page, Rules, SecretUse, Section, Whole, array, key, quoted, united},
};

impl Section for System {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["system"];
    const LOCKED: bool = false;

    has_no_stages!();

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        let system = &written.system;
        let tables: [(&str, Vec<&String>); 5] = [
            ("sysctl", system.sysctl.keys().collect()),
            ("hosts", system.hosts.keys().collect()),
            ("swap", system.swap.keys().collect()),
            ("mounts", system.mounts.keys().collect()),
            ("alternatives", system.alternatives.keys().collect()),
        ];
        let entries = tables
            .into_iter()
            .flat_map(|(table, keys)| keys.into_iter().map(move |key| format!("system.{table}.{key}")));
        let single = [
            (!system.ldconfig.is_empty()).then_some("ldconfig"),
            system.timezone.as_ref().map(|_| "timezone"),
            system.hostname.as_ref().map(|_| "hostname"),
        ];
        entries.chain(single.into_iter().flatten().map(|name| format!("system.{name}"))).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.system(&written.system)
    }

    fn merge(parent: Self, child: Self) -> Self {
        Self {
            sysctl: merged(parent.sysctl, child.sysctl),
            hosts: merged(parent.hosts, child.hosts),
            swap: merged(parent.swap, child.swap),
            mounts: merged(parent.mounts, child.mounts),
            alternatives: merged(parent.alternatives, child.alternatives),
            ldconfig: united(parent.ldconfig, child.ldconfig, Clone::clone),
            timezone: child.timezone.or(parent.timezone),
            hostname: child.hostname.or(parent.hostname),
        }
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        page.section("system");
        for entry in self.sysctl.values() {
            let name = format!("sysctl.{}", key(&entry.value.key));
            page.value(&name, &quoted(&entry.value.value), &entry.origin);
        }
        for (address, entry) in &self.hosts {
            page.value(&format!("hosts.{}", key(&address.to_string())), &array(&entry.value), &entry.origin);
        }
        for (path, entry) in &self.swap {
            let name = format!("swap.{}", key(&path.display().to_string()));
            page.value(&name, &quoted(&swap::shown(entry.value)), &entry.origin);
        }
        for (path, entry) in &self.mounts {
            let name = format!("mounts.{}", key(&path.display().to_string()));
            page.value(&name, &shown_mount(&entry.value), &entry.origin);
        }
        for (name, entry) in &self.alternatives {
            let path = entry.value.display().to_string();
            page.value(&format!("alternatives.{}", key(name)), &quoted(&path), &entry.origin);
        }
        page.list("ldconfig", &self.ldconfig, |folder| quoted(&folder.display().to_string()));
        for (name, entry) in [("timezone", &self.timezone), ("hostname", &self.hostname)] {
            if let Some(entry) = entry {
                page.value(name, &quoted(&entry.value), &entry.origin);
            }
        }
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        Vec::new()
    }

    names_no_packages!();

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        Vec::new()
    }
}

fn merged<K: Ord, T>(parent: BTreeMap<K, Entry<T>>, child: BTreeMap<K, Entry<T>>) -> BTreeMap<K, Entry<T>> {
    let mut all = parent;
    for (name, mut entry) in child {
        if let Some(replaced) = all.remove(&name) {
            entry.order.inherit_names(&replaced.order);
        }
        all.insert(name, entry);
    }
    all
}

fn shown_mount(mount: &Mount) -> String {
    let Mount { what, kind, options } = mount;
    format!("{{ what = {}, type = {}, options = {} }}", quoted(what), quoted(kind), quoted(options))
}
