//! Implements the contract of kinds for `[r]`: merging, printing, files and addresses.

use url::Url;

use super::written::Written;
use crate::{
    diagnostic::{Diagnostic, Origin},
    facts::AccessMode,
    kinds::no_stages::has_no_stages,
    profile::{
        Assets, CoveredBy, Entry, FetchedByName, Login, NamedAsset, Page, Rules, SecretUse, Section, UnencryptedSource,
        Whole, array, asset, quoted, united,
    },
};

use super::checked::{DEFAULT_R_LIBRARY, DEFAULT_R_REPO, R};

impl Section for R {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["r"];
    const LOCKED: bool = true;

    has_no_stages!();

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(_: &Written) -> Vec<String> {
        Vec::new()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.r(&written.r)
    }

    fn merge(parent: Self, child: Self) -> Self {
        Self {
            library: child.library.or(parent.library),
            // The child's repositories come first.
            repos: united(child.repos, parent.repos, Clone::clone),
            packages: united(parent.packages, child.packages, |package| package.name.clone()),
            sources: united(parent.sources, child.sources, |source| source.path.clone()),
        }
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
        if let (Some(AccessMode::Standard), Some(origin)) = (whole.facts.access_mode, self.first()) {
            let message = format!("R packages are requested at {origin}, but standard access mode has no R");
            let hint = "use a cluster in dedicated access mode, or add `when = { access-mode = \"dedicated\" }`";
            found.push(Diagnostic::nowhere(message).hint(hint));
        }
    }

    fn show(&self, page: &mut Page) {
        page.section("r");
        let path = |path: &std::path::PathBuf| quoted(&path.display().to_string());
        page.setting("library", self.library.as_ref(), &quoted(DEFAULT_R_LIBRARY), path);
        if self.repos.is_empty() {
            page.default_value("repos", &array(&[DEFAULT_R_REPO.to_owned()]));
        }
        page.list("repos", &self.repos, |url| quoted(url.as_str()));
        page.list("packages", &self.packages, |package| {
            let named =
                package.version.as_ref().map_or(package.name.clone(), |version| format!("{}@{version}", package.name));
            let Some(git) = &package.git else { return quoted(&named) };
            let subdir = git.subdir.as_ref().map(|subdir| format!(", subdir = {}", quoted(subdir))).unwrap_or_default();
            let (name, url, commit) = (quoted(&named), quoted(git.url.as_str()), quoted(&git.commit));
            format!("{{ name = {name}, git = {url}, commit = {commit}{subdir} }}")
        });
        page.list("sources", &self.sources, asset);
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        self.sources.iter().map(NamedAsset::of).collect()
    }

    fn indexes(&self) -> Vec<(&Url, &Origin)> {
        Vec::new()
    }

    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
        // A commit is a digest of its content.
        let by_name: Vec<_> = self.packages.iter().filter(|entry| entry.value.git.is_none()).collect();
        let first = by_name.first().map(|entry| &entry.origin);
        let names = by_name.iter().map(|entry| entry.value.name.as_str()).collect();
        let message = "R packages are requested by name";
        first.map(|origin| FetchedByName { message, origin, names }).into_iter().collect()
    }

    fn unencrypted_sources(&self) -> Vec<UnencryptedSource<'_>> {
        (self.repos.iter())
            .filter_map(|repo| UnencryptedSource::of_packages(&repo.value, &repo.origin, CoveredBy::RPackages))
            .collect()
    }

    fn logins(&self) -> &[Entry<Login>] {
        &[]
    }

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        Vec::new()
    }
}
