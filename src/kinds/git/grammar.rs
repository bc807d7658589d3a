//! Implements the contract of kinds for `[git]`: merging, printing and addresses.

use url::Url;

use super::{
    checked::{Git, Repository, Revision},
    written::Written,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    profile::{
        Assets, CoveredBy, Entry, FetchedByName, Login, NamedAsset, Page, PlainAddress, Rules, RunStage, SecretUse,
        Section, UnencryptedSource, Whole, key, quoted,
    },
};

impl Section for Git {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["git"];
    const LOCKED: bool = true;
    const STAGED: bool = true;

    fn retain_stage(&mut self, stage: RunStage) {
        self.0.retain(|_, entry| entry.order.stage == stage);
    }

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        written.git.keys().map(|path| format!("git.{path}")).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.git(written)
    }

    fn merge(parent: Self, child: Self) -> Self {
        let mut all = parent.0;
        for (path, mut entry) in child.0 {
            if let Some(replaced) = all.remove(&path) {
                entry.order.inherit_names(&replaced.order);
            }
            all.insert(path, entry);
        }
        Self(all)
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        page.section("git");
        for (path, entry) in &self.0 {
            page.value(&key(&path.display().to_string()), &shown(&entry.value), &entry.origin);
        }
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        Vec::new()
    }

    fn indexes(&self) -> Vec<(&Url, &Origin)> {
        Vec::new()
    }

    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
        let by_name: Vec<(&Origin, &str)> = self
            .0
            .values()
            .filter_map(|entry| match &entry.value.revision {
                Revision::Tag(name) | Revision::Branch(name) => Some((&entry.origin, name.as_str())),
                Revision::Commit(_) => None,
            })
            .collect();
        let first = by_name.first().map(|(origin, _)| *origin);
        let names = by_name.iter().map(|(_, name)| *name).collect();
        let message = "git repositories are requested by tag or branch";
        first.map(|origin| FetchedByName { message, origin, names }).into_iter().collect()
    }

    fn unencrypted_sources(&self) -> Vec<UnencryptedSource<'_>> {
        let movable = self.0.iter().filter(|(_, entry)| entry.value.revision.can_move());
        let sources = movable.filter_map(|(folder, entry)| {
            let Repository { url, revision, .. } = &entry.value;
            let covered_by = CoveredBy::Commit { folder, url, revision: revision.label() };
            let (address, remedy) = (PlainAddress::of(url)?, "name the `commit`");
            Some(UnencryptedSource { address, origin: &entry.origin, covered_by, remedy })
        });
        sources.collect()
    }

    fn logins(&self) -> &[Entry<Login>] {
        &[]
    }

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        Vec::new()
    }
}

fn shown(repository: &Repository) -> String {
    let revision = match &repository.revision {
        Revision::Commit(commit) => format!("commit = {}", quoted(commit)),
        Revision::Tag(tag) => format!("tag = {}", quoted(tag)),
        Revision::Branch(branch) => format!("branch = {}", quoted(branch)),
    };
    let mut parts = vec![format!("url = {}", quoted(repository.url.as_str())), revision];
    if repository.depth != 1 {
        parts.push(format!("depth = {}", repository.depth));
    }
    if repository.submodules {
        parts.push("submodules = true".to_owned());
    }
    parts.extend(repository.owner.as_ref().map(|owner| format!("owner = {}", quoted(owner))));
    format!("{{ {} }}", parts.join(", "))
}
