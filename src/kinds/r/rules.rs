//! Rules of `[r]`.

use super::{
    checked::{R, RPackage},
    written,
};
use crate::{
    grammar::{document::Part, names},
    lock::{GitCommit, is_subdir},
    profile::{Entry, Rules, long, place, within},
};

impl Rules<'_> {
    pub(super) fn r(&mut self, raw: &written::R) -> R {
        R {
            library: self.setting(&place!["r", "library"], raw.library.as_ref(), |rules, text| {
                rules.absolute(&place!["r", "library"], &text)
            }),
            repos: raw
                .repos
                .iter()
                .enumerate()
                .filter_map(|(index, text)| {
                    let path = place!["r", "repos", index];
                    let text = self.expanded(&path, text)?;
                    let value = self.url(&path, &text)?;
                    Some(Entry::plain(value, self.origin(&path)))
                })
                .collect(),
            packages: self.entries(&place!["r", "packages"], &raw.packages, |rules, path, text, long| {
                rules.r_entry(path, &text, long)
            }),
            sources: self.assets(&place!["r", "sources"], &raw.sources, |rules, path, archive| {
                let is_archive = archive.path.ends_with(".tar.gz");
                if !is_archive {
                    let hint = "its name is `package_version.tar.gz`; list package names under `packages`";
                    rules.mistake(path, format!("`{}` is not an R archive", archive.path), hint);
                }
                is_archive
            }),
        }
    }

    fn r_entry(&mut self, path: &[Part], text: &str, long: Option<&written::RPackage>) -> Option<RPackage> {
        let package = self.r_package(path, text)?;
        let Some(raw) = long else { return Some(package) };
        let at = |key: &str| within(&path[..path.len() - 1], key);
        let Some(git) = &raw.git else {
            let other =
                [("commit", &raw.commit), ("subdir", &raw.subdir)].into_iter().find(|(_, value)| value.is_some());
            if let Some((key, _)) = other {
                self.mistake(&at(key), format!("`{key}` needs `git`"), "add `git`, the address of the repository");
                return None;
            }
            return Some(package);
        };
        if package.version.is_some() {
            self.mistake(
                path,
                format!("`{text}` names a version, and `git` a repository"),
                "name the package only: `commit` names its version",
            );
            return None;
        }
        let url = self.expanded(&at("git"), git).and_then(|text| self.url(&at("git"), &text));
        let subdir = raw.subdir.as_ref().map(|subdir| self.subdir(&at("subdir"), subdir));
        let Some(commit) = &raw.commit else {
            let hint = "add `commit`: `git ls-remote URL` prints the commits of branches and tags";
            self.mistake(&at("git"), "an R package from a git repository needs `commit`", hint);
            return None;
        };
        let commit = self.commit(&at("commit"), commit);
        let git =
            GitCommit { url: url?, commit: commit?, subdir: subdir.map_or(Some(None), |subdir| subdir.map(Some))? };
        Some(RPackage { git: Some(git), ..package })
    }

    /// The folder of a package in its repository.
    fn subdir(&mut self, at: &[Part], text: &str) -> Option<String> {
        let text = self.expanded(at, text)?;
        let trimmed = text.trim_end_matches('/');
        if !is_subdir(trimmed) {
            self.mistake(
                at,
                format!("`{text}` is not a folder in a repository"),
                "a path without `..` that does not begin with `/`",
            );
            return None;
        }
        Some(trimmed.to_owned())
    }

    fn r_package(&mut self, path: &[Part], text: &str) -> Option<RPackage> {
        let (name, version) = text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
        if !names::is_r(name) {
            let hint = match name {
                _ if name.contains('/') => {
                    "write a package of a git repository as `{ name = \"…\", git = \"https://…\", commit = \"…\" }`; archives belong to `sources`"
                }
                _ if name.contains('=') => "pin an R package as `name@version`",
                _ if name.chars().count() == 1 => "a package's name has at least two characters",
                _ => "letters, digits and dots; `name@version` pins a version",
            };
            self.mistake(path, format!("`{name}` is not an R package name"), hint);
            return None;
        }
        if let Some(version) = version.filter(|version| !names::is_r_version(version)) {
            self.mistake(
                path,
                format!("`{version}` is not an R package version"),
                "a pin names one version exactly, such as `1.2.1`",
            );
            return None;
        }
        Some(RPackage { name: name.to_owned(), version: version.map(str::to_owned), git: None })
    }
}

long!(written::RPackage, name);
