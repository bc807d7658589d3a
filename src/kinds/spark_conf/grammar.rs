//! Implements the contract of kinds for `[spark-conf]`: merging, printing, files and addresses.

use super::{
    checked::{Setting, SparkConf, Value},
    destination::Destination,
    rules,
    written::Written,
};
use crate::{
    diagnostic::Diagnostic,
    kinds::{no_packages::names_no_packages, no_stages::has_no_stages},
    profile::{Assets, NamedAsset, Page, Rules, SecretUse, Section, Whole, array, key, quoted},
};

impl Section for SparkConf {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["spark-conf"];
    const LOCKED: bool = false;

    has_no_stages!();

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        written.spark_conf.settings.keys().map(|key| format!("spark-conf.settings.{key}")).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.spark_conf(&written.spark_conf)
    }

    fn merge(parent: Self, child: Self) -> Self {
        let mut settings = parent.settings;
        settings.extend(child.settings);
        Self { to: child.to.or(parent.to), settings }
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
        rules::check_formats(self, whole, found);
    }

    fn show(&self, page: &mut Page) {
        page.section("spark-conf");
        page.setting("to", self.to.as_ref(), "", |to| words(to));
        for (name, entry) in &self.settings {
            page.value(&format!("settings.{}", key(name)), &shown(&entry.value), &entry.origin);
        }
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        Vec::new()
    }

    names_no_packages!();

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        let settings = self.settings.values_mut().filter_map(|entry| match &mut entry.value.value {
            Value::Secret(secret) => Some(SecretUse { secret, origin: &entry.origin, optional: entry.optional }),
            Value::Text(_) => None,
        });
        settings.collect()
    }
}

fn words(to: &[Destination]) -> String {
    array(&to.iter().map(|to| to.word().to_owned()).collect::<Vec<_>>())
}

fn shown(setting: &Setting) -> String {
    let value = match &setting.value {
        Value::Text(text) if setting.to.is_none() => return quoted(text),
        Value::Text(text) => format!("value = {}", quoted(text)),
        Value::Secret(secret) => format!("secret = {}", quoted(&secret.key)),
    };
    let to = setting.to.as_ref().map(|to| format!(", to = {}", words(to))).unwrap_or_default();
    format!("{{ {value}{to} }}")
}
