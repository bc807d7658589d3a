//! Which steps may need which logins.
//!
//! A login that covers an address of a section is for the steps of that section. One that covers no address of the
//! profile is for all of them: the node's own configuration, or an index, may name its server.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use url::Url;

use super::build::Builder;
use crate::{
    diagnostic::Origin,
    profile::{self, Entry, requirements::Requirements},
};

/// A login that a step may need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The login.
    pub login: profile::Login,
    /// Whether the tools that know one login a host are given it: not where it is for repositories of git alone.
    pub by_host: bool,
    /// The profile line.
    pub origin: Origin,
}

/// The sections whose steps fetch packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Apt,
    Python,
    R,
}

/// An address that a profile names.
struct Address {
    section: Section,
    is_git: bool,
    url: Url,
}

impl Builder<'_> {
    /// The logins that the steps of a section may need.
    pub(super) fn logins(&self, section: Section) -> Vec<Login> {
        if self.profile.logins.is_empty() {
            return Vec::new();
        }
        let addresses = self.addresses();
        let wanted = |entry: &Entry<profile::Login>| {
            let covered: Vec<&Address> =
                addresses.iter().filter(|address| entry.value.site.covers(&address.url)).collect();
            let here: Vec<_> = covered.iter().filter(|address| address.section == section).collect();
            (covered.is_empty() || !here.is_empty()).then(|| Login {
                login: entry.value.clone(),
                by_host: here.is_empty() || here.iter().any(|address| !address.is_git),
                origin: entry.origin.clone(),
            })
        };
        self.profile.logins.iter().filter_map(wanted).collect()
    }

    /// Refuses two logins for one host where the tools can have one only. A netrc file knows hosts, no paths or ports.
    pub(super) fn one_login_a_host(&mut self, logins: &[Login]) {
        for (index, second) in logins.iter().enumerate().filter(|(_, login)| login.by_host) {
            let host = second.login.site.host();
            let same_host = |first: &&Login| first.by_host && first.login.site.host() == host;
            let differs =
                |first: &&Login| (&first.login.user, &first.login.from) != (&second.login.user, &second.login.from);
            if let Some(first) = logins[..index].iter().filter(same_host).find(differs) {
                let message = format!(
                    "pip and uv can have one login for a host, and `{host}` has two: at {} and at {}",
                    first.origin, second.origin
                );
                let hint = "give one user the rights to both, or limit one of them with `when`".to_owned();
                self.refuse(&second.origin, message, hint);
            }
        }
    }

    fn addresses(&self) -> Vec<Address> {
        let profile = self.profile;
        let plain = |section| move |url: Url| Address { section, is_git: false, url };
        let sources = profile.apt.sources.iter().flat_map(|source| &source.value.uris);
        let apt = sources.filter_map(|uri| Url::parse(uri).ok()).map(plain(Section::Apt));
        let r = profile.r.repos.iter().map(|repo| repo.value.clone()).map(plain(Section::R));
        let indexes = profile.pip.index_url.iter().map(|index| index.value.clone());
        let indexes = indexes.chain(profile.pip.extra_index_urls.iter().map(|index| index.value.clone()));
        let mut all: Vec<Address> = apt.chain(r).chain(indexes.map(plain(Section::Python))).collect();
        let mut lines: Vec<String> = profile.pip.packages.iter().map(|entry| entry.value.clone()).collect();
        for entry in &profile.pip.requirements {
            let Some(found) = self.inventory.asset(&entry.value) else { continue };
            let text = String::from_utf8_lossy(found.bytes.as_deref().unwrap_or_default());
            // What cannot be read is refused where the section is planned.
            let read = Requirements::read(&found.asset.label(), &text, found.asset.folder());
            lines.extend(read.into_iter().flat_map(|read| read.lines).map(|line| line.text));
        }
        all.extend(lines.iter().flat_map(|line| in_line(line)));
        all
    }
}

/// The addresses in a line of requirements.
fn in_line(line: &str) -> Vec<Address> {
    static ADDRESS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"(?i)(git\+)?(https?://[^\s"'<>;,]+)"#).expect("the pattern is fixed"));
    let found = ADDRESS.captures_iter(line).filter_map(|found| {
        let url = Url::parse(&found[2]).ok()?;
        Some(Address { section: Section::Python, is_git: found.get(1).is_some(), url })
    });
    found.collect()
}

/// The lines of requirements files that hold a password: not what stands for one, as `${TOKEN}` does.
pub(super) fn with_passwords(requirements: &Requirements) -> BTreeSet<Origin> {
    static PASSWORD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)https?://[^\s/@:]*:([^\s/@]+)@").expect("the pattern is fixed"));
    let holds = |text: &str| PASSWORD.captures_iter(text).any(|found| !found[1].starts_with("${"));
    requirements.lines.iter().filter(|line| holds(&line.text)).map(|line| line.origin.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_wherever_they_stand_in_a_line() {
        let found = |line: &str| -> Vec<(bool, String)> {
            in_line(line).into_iter().map(|address| (address.is_git, address.url.to_string())).collect()
        };
        assert_eq!(
            found("helper[x] @ git+https://git.example/team/helper.git@v1#egg=helper ; python_version > '3'"),
            [(true, "https://git.example/team/helper.git@v1#egg=helper".to_owned())]
        );
        assert_eq!(found("--index-url=https://pypi.example/simple"), [(false, "https://pypi.example/simple".into())]);
        assert_eq!(found("nltk>=3"), []);
    }

    #[test]
    fn a_password_is_found_and_a_variable_is_none() {
        let lines = "-i https://reader:hunter2@x.example/simple\nnltk\n-f https://${USER}:${TOKEN}@x.example/\n\
                     a @ git+ssh://git@x.example/a\nb @ https://reader@x.example/b.whl\n";
        let read = Requirements::read("r.txt", lines, None).expect("nothing else to read");
        assert_eq!(with_passwords(&read).iter().map(|origin| origin.line).collect::<Vec<_>>(), [1]);
    }
}
