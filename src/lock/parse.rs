//! Parses and validates a lock. The agent writes locks, but other people may be able to change them. Names become
//! arguments and paths, so each one is checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    path::{Component, Path},
};

use serde_json::Value;
use url::Url;

use super::{
    ArchiveSource, GitCommit, Lock, LockedAsset, LockedDeb, LockedDistribution, LockedFile, LockedGit, LockedRPackage,
    Runtime, SCHEMA, Section, bare, is_object_name, written,
};
use crate::{
    diagnostic::Diagnostic,
    digest::Digest,
    grammar::{
        self, DocumentKind,
        document::{Document, Part},
        names,
    },
};

pub(super) const KIND: DocumentKind = DocumentKind {
    the: "the lock",
    a: "a lock",
    stand_ins: &[("schema", "1"), ("serial", "1"), ("profile", "'unnamed'")],
    missed: &[],
    mistyped: &[],
};
/// The hint for all errors.
const RECREATE_HINT: &str =
    "do not edit a lock by hand: restore the last valid one, or create it again with `nodeagent lock`";

/// The JSON Schema (draft 2020-12) of a lock.
pub fn json_schema() -> Value {
    grammar::json_schema::<written::Lock>(SCHEMA)
}

impl Lock {
    /// Parses a lock. `label` is its path in messages.
    ///
    /// # Errors
    /// All mistakes, each with its location.
    pub fn parse(label: &str, bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        // Every run reads the lock. Tracking the locations of values costs three times as much and is only needed for
        // errors.
        if let Some(lock) = quick(bytes) {
            return Ok(lock);
        }
        let mut found = Vec::new();
        let Some((document, raw)) = grammar::read::<written::Lock>(&KIND, &json_schema(), label, bytes, &mut found)
        else {
            return Err(found);
        };
        if raw.schema != SCHEMA {
            found.push(grammar::unknown_version(&KIND, &document, raw.schema, SCHEMA));
        }
        let mut rules = Rules { document: Some(&document), found, failed: false };
        let lock = rules.lock(raw);
        if rules.found.is_empty() { Ok(lock) } else { Err(rules.found) }
    }
}

/// Parses a valid lock; `None` if anything is wrong with it.
pub(super) fn quick(bytes: &[u8]) -> Option<Lock> {
    let raw: written::Lock = toml::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
    let mut rules = Rules { document: None, found: Vec::new(), failed: raw.schema != SCHEMA };
    let lock = rules.lock(raw);
    (!rules.failed).then_some(lock)
}

pub(super) struct Rules<'a> {
    /// The locations of the values. Without it, mistakes are only counted.
    pub(super) document: Option<&'a Document>,
    pub(super) found: Vec<Diagnostic>,
    pub(super) failed: bool,
}

fn at(path: &[Part], part: impl Into<Part>) -> Vec<Part> {
    path.iter().cloned().chain([part.into()]).collect()
}

impl Rules<'_> {
    fn mistake(&mut self, path: &[Part], message: impl FnOnce() -> String) {
        self.failed = true;
        if let Some(document) = self.document {
            self.found.push(document.mistake(path, message()).hint(RECREATE_HINT));
        }
    }

    fn check(&mut self, fits: bool, path: &[Part], key: &str, text: &str, what: &str) {
        if !fits {
            self.mistake(&at(path, key), || format!("`{text}` is not {what}"));
        }
    }

    pub(super) fn lock(&mut self, raw: written::Lock) -> Lock {
        self.check(names::is_profile(&raw.profile), &[], "profile", &raw.profile, "a profile name");
        if raw.serial == 0 {
            self.mistake(&["serial".into()], || "serials start at 1".to_owned());
        }
        let files = raw.files.into_iter().enumerate().map(|(index, file)| {
            let path = ["files".into(), index.into()];
            self.check(!file.path.is_empty(), &path, "path", &file.path, "a path");
            LockedFile { sha256: self.digest(&path, &file.sha256), path: file.path }
        });
        let files = files.collect();
        let mut seen: BTreeMap<(Runtime, Vec<String>), usize> = BTreeMap::new();
        let mut sections = Vec::new();
        for (index, raw) in raw.runtimes.into_iter().enumerate() {
            let path = ["runtimes".into(), index.into()];
            let section = self.section(&path, raw);
            if seen.insert((section.runtime.clone(), section.asks.clone()), index).is_some() {
                let message = || format!("{} is there twice, with the same requests", section.runtime);
                self.mistake(&at(&path, "os"), message);
            }
            sections.push(section);
        }
        Lock { serial: raw.serial, profile: raw.profile, files, sections }
    }

    fn section(&mut self, path: &[Part], raw: written::Section) -> Section {
        self.check(names::is_field(&raw.os), path, "os", &raw.os, "an operating system");
        self.check(names::is_file_name(&raw.arch), path, "arch", &raw.arch, "a processor");
        let versions =
            [("runtime", &raw.runtime), ("python-version", &raw.python_version), ("r-version", &raw.r_version)];
        for (key, version) in versions {
            if let Some(version) = version {
                self.check(names::is_file_name(version), path, key, version, "a version");
            }
        }
        let runtime =
            Runtime { os: raw.os, arch: raw.arch, version: raw.runtime, python: raw.python_version, r: raw.r_version };
        let apt = self.each(path, "apt", raw.apt, |raw| (raw.name.clone(), raw.arch.clone()), Self::deb);
        let key = |raw: &written::Distribution| (raw.venv.clone(), raw.name.clone());
        let (mut python, mut venvs) = (Vec::new(), BTreeMap::<String, Vec<LockedDistribution>>::new());
        for (venv, file) in self.each(path, "python", raw.python, key, Self::distribution) {
            venv.map_or(&mut python, |folder| venvs.entry(folder).or_default()).push(file);
        }
        let known: BTreeSet<String> = raw.r.iter().map(|package| package.name.clone()).collect();
        let r = self.each(path, "r", raw.r, |raw| raw.name.clone(), |rules, path, raw| rules.r(path, raw, &known));
        let git = self.each(path, "git", raw.git, |raw| raw.folder.clone(), Self::git);
        let folders = self.each(path, "folders", raw.folders, |raw| raw.path.clone(), Self::folder);
        let assets = self.each(path, "assets", raw.assets, |raw| raw.path.clone(), Self::asset);
        Section {
            runtime,
            conditions: raw.conditions.into_iter().collect(),
            asks: raw.asks,
            apt,
            python,
            venvs,
            r,
            git,
            folders: folders.into_iter().collect(),
            assets,
        }
    }

    /// Checks the tables of a list. Two tables with the same key are a mistake.
    fn each<R, K: Ord, T>(
        &mut self,
        path: &[Part],
        list: &str,
        tables: Vec<R>,
        key: impl Fn(&R) -> K,
        mut check: impl FnMut(&mut Self, &[Part], R) -> T,
    ) -> Vec<T> {
        let (path, mut seen) = (at(path, list), BTreeSet::new());
        let tables = tables.into_iter().enumerate().map(|(index, table)| {
            let path = at(&path, index);
            if !seen.insert(key(&table)) {
                self.mistake(&path, || "this entry is there twice".to_owned());
            }
            check(self, &path, table)
        });
        tables.collect()
    }

    fn deb(&mut self, path: &[Part], raw: written::Deb) -> LockedDeb {
        self.check(names::is_apt(&raw.name), path, "name", &raw.name, "an apt package name");
        self.check(names::is_apt_version(&raw.version), path, "version", &raw.version, "a Debian version");
        self.check(names::is_file_name(&raw.arch), path, "arch", &raw.arch, "an architecture");
        self.check(is_file(&raw.file) && raw.file.ends_with(".deb"), path, "file", &raw.file, "the name of a deb");
        let (url, sha256) = (self.url(path, "url", &raw.url), self.digest(path, &raw.sha256));
        let written::Deb { name, version, arch, file, size, only_for, .. } = raw;
        LockedDeb { name, version, arch, file, url, size, sha256, only_for }
    }

    /// A distribution, with the folder of its virtual environment.
    fn distribution(&mut self, path: &[Part], raw: written::Distribution) -> (Option<String>, LockedDistribution) {
        if let Some(folder) = &raw.venv {
            self.check(folder.starts_with('/'), path, "venv", folder, "an absolute path");
        }
        self.check(names::is_distribution(&raw.name), path, "name", &raw.name, "a normalised name of a distribution");
        self.check(names::is_python_version(&raw.version), path, "version", &raw.version, "a version");
        self.check(is_file(&raw.file), path, "file", &raw.file, "the name of a wheel or of a source archive");
        let (url, sha256) = (self.url(path, "url", &raw.url), self.digest(path, &raw.sha256));
        let written::Distribution { venv, name, version, file, only_for, .. } = raw;
        (venv, LockedDistribution { name, version, file, url, sha256, only_for })
    }

    fn r(&mut self, path: &[Part], raw: written::RPackage, known: &BTreeSet<String>) -> LockedRPackage {
        self.check(names::is_r(&raw.name), path, "name", &raw.name, "an R package name");
        self.check(names::is_r_version(&raw.version), path, "version", &raw.version, "a version of an R package");
        let from = match (raw.url.as_deref(), raw.file, raw.git.as_deref()) {
            (Some(url), None, None) => ArchiveSource::Url(self.url(path, "url", url)),
            (None, Some(file), None) => ArchiveSource::Asset(file),
            (None, None, Some(url)) => {
                let commit = raw.commit.unwrap_or_default();
                self.check(names::is_commit(&commit), path, "commit", &commit, "a commit");
                if let Some(subdir) = &raw.subdir {
                    self.check(is_subdir(subdir), path, "subdir", subdir, "a folder in a repository");
                }
                ArchiveSource::Git(GitCommit { url: self.url(path, "git", url), commit, subdir: raw.subdir })
            }
            _ => {
                self.mistake(path, || "an archive needs exactly one of `url`, `file` and `git`".to_owned());
                ArchiveSource::Asset(String::new())
            }
        };
        if let Some(unknown) = raw.needs.iter().find(|name| !known.contains(*name)) {
            self.mistake(&at(path, "needs"), || format!("`{unknown}` is not an R package of this section"));
        }
        let sha256 = self.digest(path, &raw.sha256);
        let written::RPackage { name, version, binary, needs, only_for, .. } = raw;
        LockedRPackage { name, version, from, sha256, binary, needs, only_for }
    }

    fn git(&mut self, path: &[Part], raw: written::Git) -> LockedGit {
        self.check(raw.folder.starts_with('/'), path, "folder", &raw.folder, "an absolute path");
        self.check(names::is_commit(&raw.commit), path, "commit", &raw.commit, "a commit");
        let name = raw.revision.strip_prefix("branch ").or(raw.revision.strip_prefix("tag ")).unwrap_or_default();
        self.check(names::is_git_reference(name), path, "revision", &raw.revision, "`branch NAME` or `tag NAME`");
        let written::Git { folder, revision, commit, .. } = raw;
        LockedGit { folder, url: self.url(path, "url", &raw.url), revision, commit }
    }

    fn folder(&mut self, path: &[Part], raw: written::Folder) -> (String, Vec<String>) {
        let is_address = Url::parse(&raw.path).is_ok_and(|url| {
            matches!(url.scheme(), "s3" | "gs" | "abfss") && is_bare(&url) && url.path().ends_with('/')
        });
        self.check(is_address, path, "path", &raw.path, "the address of a folder in a bucket");
        if let Some(name) = raw.files.iter().find(|name| !is_object_name(name)) {
            self.mistake(&at(path, "files"), || format!("{name:?} is not the name of a file in a folder"));
        }
        (raw.path, raw.files)
    }

    fn asset(&mut self, path: &[Part], raw: written::Asset) -> LockedAsset {
        self.check(!raw.path.is_empty(), path, "path", &raw.path, "a path");
        LockedAsset { sha256: self.digest(path, &raw.sha256), path: raw.path, size: raw.size }
    }

    fn digest(&mut self, path: &[Part], text: &str) -> Digest {
        self.read(path, "sha256", text.parse()).unwrap_or_else(|| Digest::Sha256(String::new()))
    }

    fn url(&mut self, path: &[Part], key: &str, text: &str) -> Url {
        let url = self.read(path, key, Url::parse(text));
        if let Some(url) = &url {
            let is_known = matches!(url.scheme(), "http" | "https" | "file");
            self.check(is_known, path, key, text, "an http, https or file address");
            if !is_bare(url) {
                // The address is not repeated in the message, because it contains a credential.
                self.mistake(&at(path, "name"), || "its address contains a login".to_owned());
            }
        }
        url.unwrap_or_else(|| Url::parse("file:///").expect("a constant"))
    }

    fn read<T, E: Display>(&mut self, path: &[Part], key: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.mistake(&at(path, key), || error.to_string())).ok()
    }
}

/// Whether a name is a file name without a path.
fn is_file(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-~%!".contains(c);
    !name.starts_with(['.', '-']) && !name.is_empty() && name.chars().all(plain)
}

/// Whether a path is a folder in a repository: relative, and without `..`.
pub fn is_subdir(path: &str) -> bool {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    !path.is_empty() && !path.contains('\0') && Path::new(path).components().all(is_plain)
}

/// Whether an address contains no credentials.
pub fn is_bare(url: &Url) -> bool {
    bare(url) == *url
}
