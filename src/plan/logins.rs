//! Decides which steps receive which logins.
//!
//! A login that matches an address of a section is passed to the steps of that section. A login that matches no address
//! of the profile is passed to every step: the node's configuration or an index may refer to its server.

use std::sync::LazyLock;

use regex::Regex;
use url::Url;

use crate::{
    diagnostic::Origin,
    profile::{self, Entry, NamedAsset},
};

/// A login that a step may need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The login.
    pub login: profile::Login,
    /// Whether tools that support one login for each host receive it. False for a login that only git repositories use.
    pub by_host: bool,
    /// The profile line.
    pub origin: Origin,
}

/// An address in a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The first top-level key of the kind whose steps use the address.
    pub kind: &'static str,
    /// Whether it is a git repository.
    pub is_git: bool,
    /// The address.
    pub url: Url,
}

impl Address {
    /// An address that is no git repository.
    pub fn plain(kind: &'static str, url: Url) -> Self {
        Self { kind, is_git: false, url }
    }
}

/// The logins that the steps of a kind may need.
pub(super) fn of_kind(logins: &[&Entry<profile::Login>], addresses: &[Address], kind: &str) -> Vec<Login> {
    let wanted = |entry: &&Entry<profile::Login>| {
        let covered: Vec<&Address> =
            addresses.iter().filter(|address| entry.value.url_prefix.covers(&address.url)).collect();
        let here: Vec<_> = covered.iter().filter(|address| address.kind == kind).collect();
        (covered.is_empty() || !here.is_empty()).then(|| Login {
            login: entry.value.clone(),
            by_host: here.is_empty() || here.iter().any(|address| !address.is_git),
            origin: entry.origin.clone(),
        })
    };
    logins.iter().filter_map(wanted).collect()
}

/// The addresses of files, of their signatures, and of the keys of these.
pub fn addresses_of_files(kind: &'static str, files: &[NamedAsset<'_>]) -> Vec<Address> {
    files.iter().flat_map(|named| named.file.all_urls()).map(|url| Address::plain(kind, url)).collect()
}

/// The addresses in a line of requirements.
pub fn addresses_in_line(kind: &'static str, line: &str) -> Vec<Address> {
    static ADDRESS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"(?i)(git\+)?(https?://[^\s"'<>;,]+)"#).expect("the pattern is fixed"));
    let found = ADDRESS.captures_iter(line).filter_map(|found| {
        let url = Url::parse(&found[2]).ok()?;
        Some(Address { kind, is_git: found.get(1).is_some(), url })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_wherever_they_stand_in_a_line() {
        let found = |line: &str| -> Vec<(bool, String)> {
            addresses_in_line("pip", line)
                .into_iter()
                .map(|address| (address.is_git, address.url.to_string()))
                .collect()
        };
        assert_eq!(
            found("helper[x] @ git+https://git.example/team/helper.git@v1#egg=helper ; python_version > '3'"),
            [(true, "https://git.example/team/helper.git@v1#egg=helper".to_owned())]
        );
        assert_eq!(found("--index-url=https://pypi.example/simple"), [(false, "https://pypi.example/simple".into())]);
        assert_eq!(found("nltk>=3"), []);
    }
}
