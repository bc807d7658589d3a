//! Implements the contract of kinds for `[env]`: merging, printing, files and addresses.

use super::{
    checked::{Change, Env, Variable},
    destinations::Destination,
    rules,
    written::Written,
};
use crate::{
    diagnostic::Diagnostic,
    kinds::{no_packages::names_no_packages, no_stages::has_no_stages},
    profile::{Assets, NamedAsset, Page, Rules, SecretUse, Section, Whole, array, key, quoted},
};

impl Section for Env {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["env"];
    const LOCKED: bool = false;

    has_no_stages!();

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        written.env.variables.keys().map(|name| format!("env.variables.{name}")).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.env(&written.env)
    }

    fn merge(parent: Self, child: Self) -> Self {
        let mut variables = parent.variables;
        variables.extend(child.variables);
        Self { to: child.to.or(parent.to), variables, certificates_at: None }
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
        rules::check_formats(self, whole, found);
    }

    fn show(&self, page: &mut Page) {
        if self.variables.is_empty() && self.to.is_none() {
            return;
        }
        page.section("env");
        let needs_default = self.variables.values().any(|entry| entry.value.to.is_none());
        let default = if needs_default { words(&Destination::DEFAULT) } else { String::new() };
        page.setting("to", self.to.as_ref(), &default, |to| words(to));
        for (name, entry) in &self.variables {
            page.value(&format!("variables.{}", key(name)), &shown(&entry.value), &entry.origin);
        }
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        Vec::new()
    }

    names_no_packages!();

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        let variables = self.variables.values_mut().filter_map(|entry| match &mut entry.value.change {
            Change::Secret(secret) => Some(SecretUse { secret, origin: &entry.origin, optional: entry.optional }),
            Change::Set(_) | Change::Prepend(_) | Change::Append(_) | Change::Absent => None,
        });
        variables.collect()
    }
}

fn words(to: &[Destination]) -> String {
    array(&to.iter().map(|to| to.word().to_owned()).collect::<Vec<_>>())
}

fn shown(variable: &Variable) -> String {
    let change = match &variable.change {
        Change::Set(value) if variable.to.is_none() => return quoted(value),
        Change::Set(value) => format!("value = {}", quoted(value)),
        Change::Secret(secret) => format!("secret = {}", quoted(&secret.key)),
        Change::Prepend(path) => format!("prepend = {}", quoted(path)),
        Change::Append(path) => format!("append = {}", quoted(path)),
        Change::Absent => "absent = true".to_owned(),
    };
    let to = variable.to.as_ref().map(|to| format!(", to = {}", words(to))).unwrap_or_default();
    format!("{{ {change}{to} }}")
}
