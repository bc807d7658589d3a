//! Everything that decides a build, as one name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    digest::Digest,
    store::{Key, Kind},
};

/// What decides how a package comes out of its source. Its names are in keys: a change of one makes all builds unknown.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct KeyInputs {
    /// The version of R.
    pub(super) r: String,
    /// What R was built for, such as `x86_64-pc-linux-gnu`.
    pub(super) platform: String,
    /// Operating system and release, such as `debian 12`.
    pub(super) os: String,
    /// The receiving library: some packages remember where they are.
    pub(super) library: PathBuf,
    /// SHA-256 of the source archive.
    pub(super) source: String,
    /// The packages it is built on.
    pub(super) needs: BTreeMap<String, Dependency>,
    /// What compiles and how; `None` where nothing is compiled.
    pub(super) tools: Option<Toolchain>,
}

/// A package that another is built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Dependency {
    /// It is built, too: the key of that.
    Built(String),
    /// It is unpacked from an archive with this SHA-256.
    Unpacked(String),
    /// It was there, in this version.
    Installed(String),
}

/// Compilers and their settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Toolchain {
    /// What each compiler calls itself, by R's name for it.
    pub(super) compilers: BTreeMap<String, String>,
    /// SHA-256 of all settings that R builds with, ours among them.
    pub(super) settings: String,
    /// Variables that `configure` scripts and compilers listen to.
    pub(super) variables: BTreeMap<String, String>,
}

impl KeyInputs {
    pub(super) fn key(&self) -> Key {
        Key::of(Kind::RBuild, self)
    }
}

/// The SHA-256 of a file, in digits.
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
    fn a_key_changes_with_each_part_of_what_decides_a_build() {
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
