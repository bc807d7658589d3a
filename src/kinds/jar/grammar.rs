//! Implements the contract of kinds for `[jar]`: merging, printing, files and addresses.

use url::Url;

use super::{
    checked::{Jar, JarFile},
    written::Written,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    kinds::no_stages::has_no_stages,
    profile::{
        AssetProof, AssetRef, Assets, CoveredBy, CreatedBy, Entry, FetchedByName, Login, NamedAsset, Page,
        PlainAddress, RequiredContent, Rules, SecretUse, Section, UnencryptedSource, Whole, asset, quoted, united,
    },
};

/// The repository that Maven itself uses.
const MAVEN_CENTRAL: &str = "https://repo.maven.apache.org/maven2/";

impl Section for Jar {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["jar"];
    const LOCKED: bool = true;

    has_no_stages!();

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(_: &Written) -> Vec<String> {
        Vec::new()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.jars(&written.jar)
    }

    fn merge(parent: Self, child: Self) -> Self {
        let or = |child: Vec<_>, parent| if child.is_empty() { parent } else { child };
        Self {
            files: united(parent.files, child.files, JarFile::identity),
            to: if child.to.is_empty() { parent.to } else { child.to },
            repositories: or(child.repositories, parent.repositories),
        }
    }

    fn complete(&mut self, assets: &Assets<'_>, _: &mut Vec<Diagnostic>) {
        let central = [Url::parse(MAVEN_CENTRAL).expect("the constant is a valid URL")];
        let named: Vec<Url> = self.repositories.iter().map(|entry| entry.value.clone()).collect();
        let repositories = if named.is_empty() { &central[..] } else { &named };
        for jar in self.files.iter_mut().map(|entry| &mut entry.value) {
            if let Some(coordinates) = &jar.maven {
                let path = coordinates.path();
                let urls: Vec<Url> = repositories.iter().filter_map(|base| base.join(&path).ok()).collect();
                let sha256 = jar.asset.sha256.clone();
                jar.asset = AssetRef { path: urls[0].to_string(), beside: None, sha256, signed_by: None, urls };
            }
        }
        let entries = std::mem::take(&mut self.files);
        self.files = entries.into_iter().flat_map(|entry| expanded(entry, assets)).collect();
    }

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        page.section("jar");
        page.list("files", &self.files, shown);
        page.list("to", &self.to, |folder| quoted(&folder.display().to_string()));
        page.list("repositories", &self.repositories, |url| quoted(url.as_str()));
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        let named = |entry| {
            let Entry { value, .. }: &Entry<JarFile> = entry;
            NamedAsset {
                file: &value.asset,
                origin: &entry.origin,
                optional: entry.optional,
                read_to_plan: false,
                content: RequiredContent::Any,
                // The checksum of the repository authenticates a jar without another digest.
                proof: if value.maven.is_some() { AssetProof::RepositoryChecksum } else { AssetProof::Digest },
                created_by: CreatedBy::Nothing,
            }
        };
        self.files.iter().map(named).collect()
    }

    fn indexes(&self) -> Vec<(&Url, &Origin)> {
        Vec::new()
    }

    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
        Vec::new()
    }

    fn unencrypted_sources(&self) -> Vec<UnencryptedSource<'_>> {
        // The checksums of a repository come from the same server, so they authenticate nothing.
        let jars = self.files.iter().map(|entry| &entry.value);
        let unverified = jars.filter(|jar| jar.maven.is_some() && jar.asset.sha256.is_none());
        let sources = unverified.flat_map(|jar| {
            self.repositories.iter().filter_map(|repository| {
                Some(UnencryptedSource {
                    address: PlainAddress::of(&repository.value)?,
                    origin: &repository.origin,
                    covered_by: CoveredBy::File(&jar.asset),
                    remedy: "add the `sha256` of each jar",
                })
            })
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

/// An entry whose path is a glob, as one entry for each file. A glob without a match stays, as a missing file.
fn expanded(entry: Entry<JarFile>, assets: &Assets<'_>) -> Vec<Entry<JarFile>> {
    let files = if entry.value.is_glob() { assets.matches(&entry.value.asset) } else { Vec::new() };
    if files.is_empty() {
        return vec![entry];
    }
    files.into_iter().map(|asset| entry.with(JarFile { asset, ..entry.value.clone() })).collect()
}

fn shown(jar: &JarFile) -> String {
    let mut parts = Vec::new();
    if let Some(coordinates) = &jar.maven {
        parts.push(format!("maven = {}", quoted(&coordinates.to_string())));
        parts.extend(jar.asset.sha256.as_ref().map(|digest| format!("sha256 = \"{}\"", digest.hex())));
    }
    parts.extend(jar.file_name.as_ref().map(|name| format!("as = {}", quoted(name))));
    parts.extend(jar.replaces.as_ref().map(|glob| format!("replaces = {}", quoted(glob))));
    if jar.maven.is_some() {
        return format!("{{ {} }}", parts.join(", "));
    }
    let place = asset(&jar.asset);
    if parts.is_empty() {
        return place;
    }
    let inner = place.strip_prefix("{ ").and_then(|text| text.strip_suffix(" }"));
    let key = if jar.asset.urls.is_empty() { "path" } else { "url" };
    let place = inner.map_or_else(|| format!("{key} = {place}"), str::to_owned);
    format!("{{ {place}, {} }}", parts.join(", "))
}
