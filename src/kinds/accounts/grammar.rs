//! Implements the contract of kinds for `[users]` and `[groups]`: merging, printing, files and secrets.

use std::collections::BTreeMap;

use super::{
    checked::{Accounts, GroupAccount, UserAccount},
    written::Written,
};
use crate::{
    diagnostic::Diagnostic,
    kinds::no_packages::names_no_packages,
    profile::{
        Assets, Content, Entry, NamedAsset, Page, Rules, RunStage, SecretUse, Section, Whole, array, asset, key, quoted,
    },
};

impl Section for Accounts {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["users", "groups"];
    const LOCKED: bool = false;
    const STAGED: bool = true;

    fn retain_stage(&mut self, stage: RunStage) {
        self.users.retain(|_, entry| entry.order.stage == stage);
        self.groups.retain(|_, entry| entry.order.stage == stage);
    }

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        let users = written.users.keys().map(|name| format!("users.{name}"));
        users.chain(written.groups.keys().map(|name| format!("groups.{name}"))).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.accounts(written)
    }

    fn merge(parent: Self, child: Self) -> Self {
        Self { users: merged(parent.users, child.users), groups: merged(parent.groups, child.groups) }
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        page.section("groups");
        for (name, entry) in &self.groups {
            page.value(&key(name), &table(&shown_group(&entry.value)), &entry.origin);
        }
        page.section("users");
        for (name, entry) in &self.users {
            page.value(&key(name), &table(&shown_user(&entry.value)), &entry.origin);
        }
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        let mut all = Vec::new();
        for entry in self.users.values() {
            all.extend(entry.value.authorized_keys.iter().filter_map(|keys| NamedAsset::of_content(keys, entry)));
        }
        all
    }

    names_no_packages!();

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        let passwords = self.users.values_mut().filter_map(|entry| {
            let (origin, optional) = (&entry.origin, entry.optional);
            entry.value.password.as_mut().map(|secret| SecretUse { secret, origin, optional })
        });
        passwords.collect()
    }
}

fn merged<T>(parent: BTreeMap<String, Entry<T>>, child: BTreeMap<String, Entry<T>>) -> BTreeMap<String, Entry<T>> {
    let mut all = parent;
    for (name, mut entry) in child {
        if let Some(replaced) = all.remove(&name) {
            entry.order.inherit_names(&replaced.order);
        }
        all.insert(name, entry);
    }
    all
}

fn table(parts: &[String]) -> String {
    if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join(", ")) }
}

fn shown_group(group: &GroupAccount) -> Vec<String> {
    let gid = group.gid.map(|gid| format!("gid = {gid}"));
    gid.into_iter().chain(group.system.then(|| "system = true".to_owned())).collect()
}

fn shown_user(user: &UserAccount) -> Vec<String> {
    let mut parts = Vec::new();
    if !user.groups.is_empty() {
        parts.push(format!("groups = {}", array(&user.groups)));
    }
    parts.extend(user.group.as_ref().map(|group| format!("group = {}", quoted(group))));
    parts.extend(user.uid.map(|uid| format!("uid = {uid}")));
    parts.extend(user.system.then(|| "system = true".to_owned()));
    parts.extend(user.home.as_ref().map(|home| format!("home = {}", quoted(&home.display().to_string()))));
    parts.extend(user.shell.as_ref().map(|shell| format!("shell = {}", quoted(shell))));
    parts.extend(user.comment.as_ref().map(|comment| format!("comment = {}", quoted(comment))));
    parts.extend(user.create_home.map(|create| format!("create-home = {create}")));
    if !user.authorized_keys.is_empty() {
        let keys = user.authorized_keys.iter().map(|content| match content {
            Content::Inline(text) => quoted(text),
            Content::File(file) => asset(file),
        });
        parts.push(format!("authorized-keys = [{}]", keys.collect::<Vec<_>>().join(", ")));
    }
    parts.extend(user.password.as_ref().map(|secret| format!("password = {{ secret = {} }}", quoted(&secret.key))));
    parts
}
