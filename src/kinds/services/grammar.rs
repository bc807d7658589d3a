//! Implements the contract of kinds for `[services]`: merging, printing, files and addresses.

use super::{
    checked::{Service, Services, Variable, Watched},
    unit,
    written::Written,
};
use crate::{
    diagnostic::Diagnostic,
    kinds::no_packages::names_no_packages,
    profile::{Assets, Entry, NamedAsset, Page, Rules, RunStage, SecretUse, Section, Whole, array, key, quoted},
};

impl Section for Services {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["services"];
    const LOCKED: bool = false;
    const STAGED: bool = true;

    fn retain_stage(&mut self, stage: RunStage) {
        self.0.retain(|_, entry| entry.order.stage == stage);
    }

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        written.services.keys().map(|name| format!("services.{name}")).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.services(written)
    }

    fn merge(parent: Self, child: Self) -> Self {
        let mut services = parent.0;
        services.extend(child.0);
        Self(services)
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        page.section("services");
        for (name, entry) in &self.0 {
            page.value(&key(name), &format!("{{ {} }}", shown(&entry.value)), &entry.origin);
        }
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        Vec::new()
    }

    names_no_packages!();

    fn secret_uses<'a>(&'a mut self) -> Vec<SecretUse<'a>> {
        let of_service = |entry: &'a mut Entry<Service>| {
            let (origin, optional) = (&entry.origin, entry.optional);
            entry.value.environment.values_mut().filter_map(move |variable| match variable {
                Variable::Secret(secret) => Some(SecretUse { secret, origin, optional }),
                Variable::Text(_) => None,
            })
        };
        self.0.values_mut().flat_map(of_service).collect()
    }
}

fn shown(service: &Service) -> String {
    let mut parts = Vec::new();
    parts.extend(service.command.as_ref().map(|command| format!("command = {}", array(command))));
    parts.extend(service.description.as_ref().map(|text| format!("description = {}", quoted(text))));
    parts.extend(service.user.as_ref().map(|user| format!("user = {}", quoted(user))));
    let folder = service.working_directory.as_ref().map(|path| quoted(&path.display().to_string()));
    parts.extend(folder.map(|folder| format!("working-directory = {folder}")));
    if !service.environment.is_empty() {
        let variable = |(name, value): (&String, &Variable)| match value {
            Variable::Text(text) => format!("{name} = {}", quoted(text)),
            Variable::Secret(secret) => format!("{name} = {{ secret = {} }}", quoted(&secret.key)),
        };
        let variables: Vec<String> = service.environment.iter().map(variable).collect();
        parts.push(format!("environment = {{ {} }}", variables.join(", ")));
    }
    parts.extend(service.restart.map(|restart| format!("restart = {}", quoted(unit::restart(restart)))));
    if !service.settings.is_empty() {
        let setting = |(name, values): (&String, &Vec<String>)| match &values[..] {
            [one] => format!("{} = {}", key(name), quoted(one)),
            all => format!("{} = {}", key(name), array(all)),
        };
        let sections = service.settings.iter().map(|(section, keys)| {
            let keys: Vec<String> = keys.iter().map(setting).collect();
            format!("{} = {{ {} }}", key(section), keys.join(", "))
        });
        parts.push(format!("settings = {{ {} }}", sections.collect::<Vec<_>>().join(", ")));
    }
    parts.push(format!("state = {}", quoted(unit::state(service.state))));
    parts.extend(service.enabled.map(|enabled| format!("enabled = {enabled}")));
    if service.masked {
        parts.push("masked = true".to_owned());
    }
    if !service.restart_on.is_empty() {
        let watched = service.restart_on.iter().map(|watched| match watched {
            Watched::Files(text) | Watched::Entry(text, _) => text.clone(),
        });
        parts.push(format!("restart-on = {}", array(&watched.collect::<Vec<_>>())));
    }
    parts.extend(service.health.as_ref().map(|health| format!("health = {{ {} }}", health.shown())));
    parts.join(", ")
}
