//! Implements the contract of kinds for `[pip]` and `[wheel]`: merging, printing, files and addresses.

use url::Url;

use super::written::Written;
use crate::{
    diagnostic::{Diagnostic, Origin},
    kinds::no_stages::has_no_stages,
    profile::{
        AssetRef, Assets, CoveredBy, Entry, FetchedByName, Login, NamedAsset, Page, PlainAddress, Rules, SecretUse,
        Section, UnencryptedSource, Whole, asset, quoted, united,
    },
};

use super::{
    checked::{DEFAULT_PYTHON, Pip, Python},
    package::{Package, WheelFile},
    pins,
    requirements_file::requirements_asset,
    venvs,
};

impl Section for Python {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["pip", "wheel"];
    const LOCKED: bool = true;

    has_no_stages!();

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        written.pip.venvs.keys().map(|folder| format!("pip.venvs.{folder}")).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        Self { pip: rules.pip(&written.pip), wheels: rules.wheels(&written.wheel) }
    }

    fn merge(parent: Self, child: Self) -> Self {
        let wheels = united(parent.wheels, child.wheels, |wheel| wheel.file.path.clone());
        let (parent, child) = (parent.pip, child.pip);
        // The child decides whether a distribution is installed or removed.
        let mut inherited = parent.packages;
        inherited.retain(|entry| child.absent.iter().all(|absent| absent.value != entry.value.name()));
        let mut absent = parent.absent;
        absent.retain(|entry| child.packages.iter().all(|package| package.value.name() != entry.value));
        let pip = Pip {
            packages: united(inherited, child.packages, Package::name),
            absent: united(absent, child.absent, String::clone),
            requirements: united(parent.requirements, child.requirements, |file| file.path.clone()),
            guard: child.guard.or(parent.guard),
            allow_change: united(parent.allow_change, child.allow_change, String::clone),
            index_url: child.index_url.or(parent.index_url),
            extra_index_urls: united(parent.extra_index_urls, child.extra_index_urls, Clone::clone),
            find_links: united(parent.find_links, child.find_links, String::clone),
            no_index: child.no_index.or(parent.no_index),
            prereleases: child.prereleases.or(parent.prereleases),
            smoke: united(parent.smoke, child.smoke, String::clone),
            python: child.python.or(parent.python),
            only_pip: child.only_pip.or(parent.only_pip),
            uv: child.uv.or(parent.uv),
            compile: child.compile.or(parent.compile),
            venvs: venvs::merge(parent.venvs, child.venvs),
            beside_apt: child.beside_apt.or(parent.beside_apt),
        };
        Self { pip, wheels }
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
        let of_pip = venvs::of_pip(&self.pip.venvs, self.interpreter());
        let venvs = self.pip.venvs.values().flat_map(|venv| pins::contradictions(&venv.value.packages, &[]));
        let pinned = pins::contradictions(&self.pip.packages, &self.wheels).into_iter().chain(venvs);
        found.extend(of_pip.chain(pinned).map(|problem| whole.mistake(problem)));
    }

    fn show(&self, page: &mut Page) {
        let pip = &self.pip;
        page.section("pip");
        page.list("packages", &pip.packages, Package::shown);
        page.list("requirements", &pip.requirements, asset);
        page.setting("guard", pip.guard.as_ref(), "\"runtime\"", |on| quoted(if *on { "runtime" } else { "off" }));
        page.list("allow-change", &pip.allow_change, |name| quoted(name));
        page.setting("index-url", pip.index_url.as_ref(), "", |url| quoted(url.as_str()));
        page.list("extra-index-urls", &pip.extra_index_urls, |url| quoted(url.as_str()));
        page.list("find-links", &pip.find_links, |link| quoted(link));
        page.setting("no-index", pip.no_index.as_ref(), "false", bool::to_string);
        page.setting("prereleases", pip.prereleases.as_ref(), "false", bool::to_string);
        page.list("absent", &pip.absent, |name| quoted(name));
        page.list("smoke", &pip.smoke, |name| quoted(name));
        page.setting("python", pip.python.as_ref(), &quoted(DEFAULT_PYTHON), |path| {
            quoted(&path.display().to_string())
        });
        page.setting("installer", pip.only_pip.as_ref(), "\"auto\"", |only| quoted(if *only { "pip" } else { "auto" }));
        page.setting("uv", pip.uv.as_ref(), "", asset);
        page.setting("compile", pip.compile.as_ref(), "true", bool::to_string);
        page.setting("beside-apt", pip.beside_apt.as_ref(), "false", bool::to_string);
        venvs::show(&pip.venvs, page);
        page.section("wheel");
        page.list("files", &self.wheels, shown_wheel);
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        let files = self.pip.requirements.iter();
        let files = files.map(|entry| requirements_asset(entry, entry.optional));
        let uv = self
            .pip
            .uv
            .iter()
            .map(|uv| NamedAsset { read_to_plan: false, ..NamedAsset::read_to_plan(&uv.value, &uv.origin, false) });
        let wheels = self.wheels.iter().map(|entry| NamedAsset {
            read_to_plan: false,
            ..NamedAsset::read_to_plan(&entry.value.file, &entry.origin, entry.optional)
        });
        wheels.chain(files).chain(uv).chain(venvs::assets(&self.pip.venvs)).collect()
    }

    fn indexes(&self) -> Vec<(&Url, &Origin)> {
        let first = self.pip.index_url.iter().map(|index| (&index.value, &index.origin));
        first.chain(self.pip.extra_index_urls.iter().map(|index| (&index.value, &index.origin))).collect()
    }

    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
        let (packages, files) =
            ("Python packages are requested by name", "requirements files request packages by name");
        let packages = FetchedByName::of(packages, &self.pip.packages, |package| &package.text);
        let files_of = |list| FetchedByName::of(files, list, |file: &AssetRef| &file.path);
        let mut all: Vec<FetchedByName<'_>> = packages.into_iter().chain(files_of(&self.pip.requirements)).collect();
        for venv in self.pip.venvs.values().map(|entry| &entry.value) {
            all.extend(FetchedByName::of("Python packages are requested by name", &venv.packages, |package| {
                &package.text
            }));
            all.extend(files_of(&venv.requirements));
        }
        all
    }

    fn unencrypted_sources(&self) -> Vec<UnencryptedSource<'_>> {
        let links = self.pip.find_links.iter().filter_map(|link| Some((Url::parse(&link.value).ok()?, &link.origin)));
        let indexes = self.indexes().into_iter().map(|(url, origin)| (url.clone(), origin)).chain(links);
        let indexes =
            indexes.filter_map(|(url, origin)| UnencryptedSource::of_packages(&url, origin, CoveredBy::PythonPackages));
        let of_venvs = self.pip.venvs.values().flat_map(|venv| &venv.value.packages);
        let requirements = self.pip.packages.iter().chain(of_venvs).flat_map(|entry| {
            let addresses = PlainAddress::in_requirement(&entry.value.text).into_iter();
            addresses.map(|address| UnencryptedSource {
                address,
                origin: &entry.origin,
                covered_by: CoveredBy::PythonPackages,
                remedy: "end the address with `#sha256=…`",
            })
        });
        indexes.chain(requirements).collect()
    }

    fn logins(&self) -> &[Entry<Login>] {
        &[]
    }

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        Vec::new()
    }
}

fn shown_wheel(wheel: &WheelFile) -> String {
    let file = asset(&wheel.file);
    if wheel.deps {
        return file;
    }
    let inner = file.strip_prefix("{ ").and_then(|text| text.strip_suffix(" }"));
    let key = if wheel.file.urls.is_empty() { "path" } else { "url" };
    let inner = inner.map_or_else(|| format!("{key} = {file}"), str::to_owned);
    format!("{{ {inner}, deps = false }}")
}
