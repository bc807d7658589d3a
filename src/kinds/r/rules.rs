//! Rules of `[r]`.

use super::{
    checked::{R, RPackage},
    written,
};
use crate::{
    grammar::{document::Part, names},
    profile::{Entry, Rules, long, place},
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
            packages: self
                .entries(&place!["r", "packages"], &raw.packages, |rules, path, text, _| rules.r_package(path, &text)),
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

    fn r_package(&mut self, path: &[Part], text: &str) -> Option<RPackage> {
        let (name, version) = text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
        if !names::is_r(name) {
            let hint = match name {
                _ if name.contains('/') => {
                    "packages come from repositories or, as archives, from `sources`; repositories of source code are not read"
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
        Some(RPackage { name: name.to_owned(), version: version.map(str::to_owned) })
    }
}

long!(written::RPackage, name);
