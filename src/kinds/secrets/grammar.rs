//! Implements the contract of kinds for `[secrets]`: merging, printing, files and addresses.

use url::Url;

use super::{deliveries::check_deliveries, rules::names_of_template, templates, written::Written};
use crate::{
    diagnostic::{Diagnostic, Origin},
    kinds::no_stages::has_no_stages,
    profile::{
        Assets, Content, Entry, FetchedByName, Login, NamedAsset, Page, Rules, SecretUse, Section, UnencryptedSource,
        Whole, quoted, united,
    },
    redact::is_loopback,
    secrets::file_formats::SecretFormat,
};

use super::checked::{SecretFile, SecretItem, Secrets};

impl Section for Secrets {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["secrets", "logins"];
    const LOCKED: bool = false;

    has_no_stages!();

    /// A profile inherits the source of secrets, with its keys, and the scope. Each is inherited separately.
    fn inherit(written: &mut Written, parent: &Written) {
        let (child, parent) = (&mut written.secrets, &parent.secrets);
        if !child.has_source_keys() {
            let scope = child.scope.take();
            let (items, templates) = (std::mem::take(&mut child.items), std::mem::take(&mut child.templates));
            *child = super::written::Secrets { scope, items, templates, ..parent.without_items() };
        }
        if child.scope.is_none() {
            child.scope.clone_from(&parent.scope);
        }
    }

    fn entry_names(written: &Written) -> Vec<String> {
        let raw = &written.secrets;
        let scope = raw.scope.as_deref().unwrap_or_default();
        let templates = raw.templates.iter().flat_map(|template| names_of_template(scope, &template.file));
        raw.items.iter().map(|item| format!("secrets.{}", item.key)).chain(templates).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.secrets(written)
    }

    fn merge(parent: Self, child: Self) -> Self {
        Self {
            items: merge_items(parent.items, child.items),
            templates: united(parent.templates, child.templates, |template| template.to.path.clone()),
            // Filled after the merge.
            used: Vec::new(),
            withheld: parent.withheld.into_iter().chain(child.withheld).collect(),
            place: child.place.or(parent.place),
            logins: united(parent.logins, child.logins, |login| login.url_prefix.clone()),
        }
    }

    fn complete(&mut self, assets: &Assets<'_>, found: &mut Vec<Diagnostic>) {
        templates::fill(self, assets, found);
    }

    fn check_whole(&self, whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
        check_deliveries(&self.items, found);
        no_password_in_plain_text(&self.logins, whole, found);
    }

    fn show(&self, page: &mut Page) {
        let secrets = self;
        page.top_list("logins", &self.logins, |login| {
            let (url, user) = (quoted(login.url_prefix.url().as_str()), quoted(&login.user));
            format!("{{ url = {url}, user = {user}, key = {} }}", quoted(&login.key))
        });
        page.section("secrets");
        let items: Vec<_> =
            secrets.items.iter().filter(|item| item.value.form != SecretFormat::Template).cloned().collect();
        page.list("items", &items, |item| {
            let (scope, name, from) = (quoted(&item.scope), quoted(&item.key), quoted(&item.from.to_string()));
            format!("{{ scope = {scope}, key = {name}, from = {from}, to = {{ {} }} }}", delivery(item))
        });
        page.list("templates", &secrets.templates, |template| {
            let content = match &template.content {
                Content::File(file) => format!("template = {}", quoted(&file.path)),
                Content::Inline(text) => format!("text = {}", quoted(text)),
            };
            let file = quoted(&template.to.path.display().to_string());
            format!("{{ file = {file}, {content}, {} }}", mode_and_owner(&template.to))
        });
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        self.templates.iter().filter_map(|entry| NamedAsset::of_content(&entry.value.content, entry)).collect()
    }

    fn indexes(&self) -> Vec<(&Url, &Origin)> {
        Vec::new()
    }

    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
        Vec::new()
    }

    fn unencrypted_sources(&self) -> Vec<UnencryptedSource<'_>> {
        Vec::new()
    }

    fn logins(&self) -> &[Entry<Login>] {
        &self.logins
    }

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        Vec::new()
    }
}

/// A secret may have several destinations. A child's destinations replace all inherited ones.
fn merge_items(parent: Vec<Entry<SecretItem>>, mut child: Vec<Entry<SecretItem>>) -> Vec<Entry<SecretItem>> {
    let name = |entry: &Entry<SecretItem>| (entry.value.scope.clone(), entry.value.key.clone());
    let overridden: Vec<_> = child.iter().map(name).collect();
    let (replaced, mut kept): (Vec<_>, Vec<_>) =
        parent.into_iter().partition(|entry| overridden.contains(&name(entry)));
    for entry in &mut child {
        let identity = name(entry);
        for other in replaced.iter().filter(|other| name(other) == identity) {
            entry.order.inherit_names(&other.order);
        }
    }
    kept.extend(child);
    kept
}

/// pip and uv send a login to its host, even if an address uses plain http.
fn no_password_in_plain_text(logins: &[Entry<Login>], whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
    for (index, origin) in whole.indexes.iter().filter(|(index, _)| index.scheme() == "http" && !is_loopback(index)) {
        if let Some(login) = logins.iter().find(|login| login.value.url_prefix.url().host() == index.host()) {
            let message = format!(
                "`{index}` (at {origin}) is asked in plain text, and its host has a login (at {})",
                login.origin
            );
            found.push(Diagnostic::nowhere(message).hint("use `https://` for both"));
        }
    }
}

fn delivery(item: &SecretItem) -> String {
    let to = &item.to;
    let file = quoted(&to.path.display().to_string());
    let owner = format!("owner = {}", quoted(&to.owner));
    match &item.form {
        SecretFormat::Whole | SecretFormat::Template => format!("file = {file}, {}", mode_and_owner(to)),
        SecretFormat::Variable(name) => {
            format!("env-file = {file}, variable = {}, {}", quoted(name), mode_and_owner(to))
        }
        SecretFormat::Pgpass { host, port, database, user } => {
            let [host, port, database, user] = [host, port, database, user].map(|field| quoted(field));
            format!("pgpass = {file}, host = {host}, port = {port}, database = {database}, user = {user}, {owner}")
        }
        SecretFormat::Netrc { machine, login } => {
            format!("netrc = {file}, machine = {}, login = {}, {owner}", quoted(machine), quoted(login))
        }
        SecretFormat::GitCredentials { url, user } => {
            format!("git-credentials = {file}, url = {}, user = {}, {owner}", quoted(url.as_str()), quoted(user))
        }
    }
}

fn mode_and_owner(to: &SecretFile) -> String {
    format!("mode = \"{:04o}\", owner = {}", to.mode, quoted(&to.owner))
}
