//! Computes the store key of a build from everything that affects its result.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    digest::Digest,
    store::{Key, Kind},
};

/// The inputs of a build's key. Renaming a field changes the keys of all builds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct KeyInputs {
    /// The version of R.
    pub(super) r: String,
    /// The platform of R, such as `x86_64-pc-linux-gnu`.
    pub(super) platform: String,
    /// Operating system and release, such as `debian 12`.
    pub(super) os: String,
    /// The target library, because some packages store its path.
    pub(super) library: PathBuf,
    /// SHA-256 of the source archive.
    pub(super) source: String,
    /// The packages that it is built with.
    pub(super) needs: BTreeMap<String, Dependency>,
    /// The compilers and their settings. `None` if nothing is compiled.
    pub(super) tools: Option<Toolchain>,
}

/// A package that another one is built with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Dependency {
    /// A built package, by the key of its build.
    Built(String),
    /// An unpacked package, by the SHA-256 of its archive.
    Unpacked(String),
    /// An installed package, by its version.
    Installed(String),
}

/// Compilers and their settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Toolchain {
    /// The version line of each compiler, by R's name for it.
    pub(super) compilers: BTreeMap<String, String>,
    /// SHA-256 of all build settings of R, including the agent's.
    pub(super) settings: String,
    /// Environment variables that affect `configure` scripts and compilers.
    pub(super) variables: BTreeMap<String, String>,
}

impl KeyInputs {
    pub(super) fn key(&self) -> Key {
        Key::of(Kind::RBuild, self)
    }
}

/// The hexadecimal SHA-256 of a file.
pub(super) fn sha256(path: &Path) -> std::io::Result<String> {
    Digest::sha256_of_file(path).map(|digest| digest.hex().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decides() -> KeyInputs {
        KeyInputs {
            r: "4.2.2".into(),
            platform: "x86_64-pc-linux-gnu".into(),
            os: "debian 12".into(),
            library: "/lib".into(),
            source: "aa".into(),
            needs: [("later".to_owned(), Dependency::Built("bb".into()))].into(),
            tools: Some(Toolchain {
                compilers: [("CC".to_owned(), "gcc (Debian 12.2.0-14) 12.2.0".to_owned())].into(),
                settings: "cc".into(),
                variables: BTreeMap::new(),
            }),
        }
    }

    #[test]
    fn every_input_changes_the_key() {
        type Change = fn(&mut KeyInputs);
        let changes: [(&str, Change); 13] = [
            ("version of R", |d| d.r = "4.2.3".into()),
            ("platform", |d| d.platform = "aarch64-unknown-linux-gnu".into()),
            ("release", |d| d.os = "debian 13".into()),
            ("library", |d| d.library = "/other".into()),
            ("source", |d| d.source = "ab".into()),
            ("a need is built otherwise", |d| {
                d.needs.insert("later".into(), Dependency::Built("bc".into()));
            }),
            ("a need is unpacked", |d| {
                d.needs.insert("later".into(), Dependency::Unpacked("bb".into()));
            }),
            ("a need was there", |d| {
                d.needs.insert("later".into(), Dependency::Installed("1.3.0".into()));
            }),
            ("another need", |d| {
                d.needs.insert("Rcpp".into(), Dependency::Installed("1.0".into()));
            }),
            ("no compiler", |d| d.tools = None),
            ("compiler", |d| {
                d.tools.as_mut().expect("tools").compilers.insert("CC".into(), "gcc 13".into());
            }),
            ("settings", |d| d.tools.as_mut().expect("tools").settings = "cd".into()),
            ("variables", |d| {
                d.tools.as_mut().expect("tools").variables.insert("CPPFLAGS".into(), "-I/x".into());
            }),
        ];
        let mut keys = std::collections::BTreeSet::from([decides().key()]);
        assert_eq!(decides().key(), decides().key());
        for (part, change) in changes {
            let mut other = decides();
            change(&mut other);
            assert!(keys.insert(other.key()), "{part}");
        }
    }
}
