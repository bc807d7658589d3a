//! `[pip]` and `[wheel]` as checked: Python requirements, requirements files, wheels, and how they are installed.

use std::path::PathBuf;

use url::Url;

use super::written::Written;
use crate::{
    diagnostic::{Diagnostic, Origin},
    facts::python::normalised,
    profile::{
        AssetRef, Assets, Entry, FetchedByName, Login, NamedAsset, Page, Rules, Section, Setting, Whole, asset, quoted,
        united,
    },
};

/// The environment's interpreter, unless the profile names another.
pub(super) const DEFAULT_PYTHON: &str = "/databricks/python/bin/python";

/// Python distributions: what `[pip]` and `[wheel]` ask for together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Python {
    /// `[pip]`.
    pub pip: Pip,
    /// The files of `[wheel]`.
    pub wheels: Vec<Entry<AssetRef>>,
}

/// Python distributions and how they are installed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pip {
    /// Requirements as pip reads them.
    pub packages: Vec<Entry<String>>,
    /// Requirements files.
    pub requirements: Vec<Entry<AssetRef>>,
    /// Whether what the runtime ships may not change.
    pub guard: Option<Setting<bool>>,
    /// Distributions that may change all the same, by normalised name.
    pub allow_change: Vec<Entry<String>>,
    /// The package index.
    pub index_url: Option<Setting<Url>>,
    /// Further indexes.
    pub extra_index_urls: Vec<Entry<Url>>,
    /// Modules to import at the end.
    pub smoke: Vec<Entry<String>>,
    /// The interpreter.
    pub python: Option<Setting<PathBuf>>,
    /// Whether only pip may be used.
    pub only_pip: Option<Setting<bool>>,
    /// Where uv comes from.
    pub uv: Option<Setting<AssetRef>>,
    /// Whether modules are byte-compiled.
    pub compile: Option<Setting<bool>>,
    /// Whether it may run while apt does.
    pub beside_apt: Option<Setting<bool>>,
}

impl Section for Python {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["pip", "wheel"];
    const LOCKED: bool = true;

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(_: &Written) -> Vec<String> {
        Vec::new()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        Self { pip: rules.pip(&written.pip), wheels: rules.wheels(&written.wheel) }
    }

    fn merge(parent: Self, child: Self) -> Self {
        let wheels = united(parent.wheels, child.wheels, |wheel| wheel.path.clone());
        let (parent, child) = (parent.pip, child.pip);
        let pip = Pip {
            packages: united(parent.packages, child.packages, |text| requirement_name(text)),
            requirements: united(parent.requirements, child.requirements, |file| file.path.clone()),
            guard: child.guard.or(parent.guard),
            allow_change: united(parent.allow_change, child.allow_change, String::clone),
            index_url: child.index_url.or(parent.index_url),
            extra_index_urls: united(parent.extra_index_urls, child.extra_index_urls, Clone::clone),
            smoke: united(parent.smoke, child.smoke, String::clone),
            python: child.python.or(parent.python),
            only_pip: child.only_pip.or(parent.only_pip),
            uv: child.uv.or(parent.uv),
            compile: child.compile.or(parent.compile),
            beside_apt: child.beside_apt.or(parent.beside_apt),
        };
        Self { pip, wheels }
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        let pip = &self.pip;
        page.section("pip");
        page.list("packages", &pip.packages, |text| quoted(text));
        page.list("requirements", &pip.requirements, asset);
        page.setting("guard", pip.guard.as_ref(), "\"runtime\"", |on| quoted(if *on { "runtime" } else { "off" }));
        page.list("allow-change", &pip.allow_change, |name| quoted(name));
        page.setting("index-url", pip.index_url.as_ref(), "", |url| quoted(url.as_str()));
        page.list("extra-index-urls", &pip.extra_index_urls, |url| quoted(url.as_str()));
        page.list("smoke", &pip.smoke, |name| quoted(name));
        page.setting("python", pip.python.as_ref(), &quoted(DEFAULT_PYTHON), |path| {
            quoted(&path.display().to_string())
        });
        page.setting("installer", pip.only_pip.as_ref(), "\"auto\"", |only| quoted(if *only { "pip" } else { "auto" }));
        page.setting("uv", pip.uv.as_ref(), "", asset);
        page.setting("compile", pip.compile.as_ref(), "true", bool::to_string);
        page.setting("beside-apt", pip.beside_apt.as_ref(), "false", bool::to_string);
        page.section("wheel");
        page.list("files", &self.wheels, asset);
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        let files = self.pip.requirements.iter();
        let files = files.map(|entry| NamedAsset::read_to_plan(&entry.value, &entry.origin, entry.optional));
        let uv = self
            .pip
            .uv
            .iter()
            .map(|uv| NamedAsset { read_to_plan: false, ..NamedAsset::read_to_plan(&uv.value, &uv.origin, false) });
        self.wheels.iter().map(NamedAsset::of).chain(files).chain(uv).collect()
    }

    fn indexes(&self) -> Vec<(&Url, &Origin)> {
        let first = self.pip.index_url.iter().map(|index| (&index.value, &index.origin));
        first.chain(self.pip.extra_index_urls.iter().map(|index| (&index.value, &index.origin))).collect()
    }

    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
        let (packages, files) =
            ("Python packages are asked for by their names", "requirements files ask for packages by their names");
        let packages = FetchedByName::of(packages, &self.pip.packages, |text| text);
        packages.into_iter().chain(FetchedByName::of(files, &self.pip.requirements, |file| &file.path)).collect()
    }

    fn logins(&self) -> &[Entry<Login>] {
        &[]
    }
}

/// The distribution a requirement is about, normalised: what a child overrides it by.
pub(super) fn requirement_name(text: &str) -> String {
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(text.len());
    normalised(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_compared_by_normalised_name() {
        assert_eq!(requirement_name("Scikit_Learn[x]>=1"), "scikit-learn");
        assert_eq!(requirement_name("a.b--c @ https://x"), "a-b-c");
    }
}
