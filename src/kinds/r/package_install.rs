//! The packages of a step, ready to install.

use std::{collections::BTreeSet, path::PathBuf};

use url::Url;

use super::{fetch::FetchedPackage, library::Expected, order, queue::Task, repository, resolve::ArchiveLocation};

/// Resolved packages whose archives are in the agent's cache. Nothing else was changed.
#[derive(Debug)]
pub struct Packages {
    pub(super) work: Vec<PackageInstall>,
}

impl Packages {
    pub(super) fn of(fetched: Vec<FetchedPackage>) -> Self {
        // Downloads finish in any order, so the packages are sorted by the graph.
        let needs = fetched.iter().map(|one| (one.description.name.clone(), one.chosen.needs.clone())).collect();
        let order = order::in_order(&needs).unwrap_or_default();
        let mut work: Vec<PackageInstall> = fetched.into_iter().map(PackageInstall::new).collect();
        work.sort_by_key(|work| order.iter().position(|name| *name == work.name));
        Self { work }
    }
}

/// One package to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackageInstall {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) archive: PathBuf,
    pub(super) bytes: u64,
    pub(super) source: bool,
    pub(super) compiled: bool,
    /// Whether its C++ code uses template headers, which compile slowly: `later` has 55 kB and takes 15 s.
    pub(super) templates: bool,
    pub(super) needs: BTreeSet<String>,
    /// All packages that it is built with, including installed ones.
    pub(super) requires: BTreeSet<String>,
    pub(super) from: String,
    /// The commit of the git repository that it comes from.
    pub(super) commit: Option<String>,
    /// The URL of a downloaded archive, or of a git repository.
    pub(super) url: Option<Url>,
}

impl PackageInstall {
    pub(super) fn new(fetched: FetchedPackage) -> Self {
        let FetchedPackage { chosen, archive, bytes, description } = fetched;
        let from = match &chosen.candidate.location {
            ArchiveLocation::Repository(url) | ArchiveLocation::Archived(url, _) => repository::shown(url),
            ArchiveLocation::File { shown, .. } => shown.clone(),
            ArchiveLocation::Git(package, _) => package.from.url.to_string(),
        };
        let on_templates = |name: &str| ["Rcpp", "BH"].iter().any(|headers| name.starts_with(headers));
        let url = match chosen.candidate.location {
            ArchiveLocation::Repository(url) | ArchiveLocation::Archived(url, _) => Some(url),
            ArchiveLocation::Git(package, _) => Some(package.from.url),
            ArchiveLocation::File { .. } => None,
        };
        let requires: BTreeSet<String> = description.packages().map(|needed| needed.name.clone()).collect();
        let templates = requires.iter().any(|name| on_templates(name));
        Self {
            source: description.built.is_none(),
            compiled: description.needs_compilation.unwrap_or(true),
            templates,
            name: description.name,
            version: description.version_text,
            commit: description.commit,
            archive,
            bytes,
            needs: chosen.needs,
            requires,
            from,
            url,
        }
    }

    /// The version and the commit that the library must have afterwards.
    pub(super) fn expected(&self) -> Expected<'_> {
        Expected { version: &self.version, commit: self.commit.as_deref() }
    }

    pub(super) fn task(&self) -> Task {
        Task { name: self.name.clone(), needs: self.needs.clone(), cost: self.cost() }
    }

    /// The estimated installation time in milliseconds. Compiled code takes by far the longest.
    pub(super) fn cost(&self) -> u64 {
        let kilobytes = self.bytes / 1024;
        match (self.source, self.compiled) {
            (false, _) => 20 + kilobytes / 20,
            (true, false) => 2_000 + kilobytes,
            (true, true) if self.templates => 12_000 + kilobytes * 200,
            (true, true) => 4_000 + kilobytes * 10,
        }
    }
}
