//! Implements the contract of kinds for `[cron]`: merging and printing.

use super::{
    checked::{Cron, Job},
    written::Written,
};
use crate::{
    diagnostic::Diagnostic,
    kinds::no_packages::names_no_packages,
    profile::{Assets, NamedAsset, Page, Rules, RunStage, SecretUse, Section, Whole, array, key, quoted},
};

impl Section for Cron {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["cron"];
    const LOCKED: bool = false;
    const STAGED: bool = true;

    fn retain_stage(&mut self, stage: RunStage) {
        self.0.retain(|_, entry| entry.order.stage == stage);
    }

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        written.cron.keys().map(|name| format!("cron.{name}")).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.cron(written)
    }

    fn merge(parent: Self, child: Self) -> Self {
        let mut jobs = parent.0;
        for (name, mut entry) in child.0 {
            if let Some(replaced) = jobs.remove(&name) {
                entry.order.inherit_names(&replaced.order);
            }
            jobs.insert(name, entry);
        }
        Self(jobs)
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        page.section("cron");
        for (name, entry) in &self.0 {
            page.value(&key(name), &format!("{{ {} }}", shown(&entry.value)), &entry.origin);
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

fn shown(job: &Job) -> String {
    let mut parts = vec![
        format!("schedule = {}", quoted(&job.schedule)),
        format!("command = {}", array(&job.command)),
        format!("user = {}", quoted(&job.user)),
    ];
    if !job.environment.is_empty() {
        let variables = job.environment.iter().map(|(name, value)| format!("{name} = {}", quoted(value)));
        parts.push(format!("environment = {{ {} }}", variables.collect::<Vec<_>>().join(", ")));
    }
    parts.extend(job.log.as_ref().map(|log| format!("log = {}", quoted(&log.display().to_string()))));
    parts.join(", ")
}
