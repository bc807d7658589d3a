//! Checks whether requirements are satisfied, including their dependencies.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr as _,
};

use pep440_rs::Version;
use pep508_rs::{ExtraName, MarkerEnvironment, Requirement, VerbatimUrl, VersionOrUrl};
use url::Url;

use crate::{
    facts::{
        PythonEnv,
        python::{Distribution, is_parsable},
    },
    profile::requirements::{Named, Requirements},
};

type WantedRequirement = Requirement<VerbatimUrl>;

/// An environment to compare requirements with.
pub(super) struct Satisfied<'a> {
    env: &'a PythonEnv,
    markers: &'a MarkerEnvironment,
    constraints: BTreeMap<String, &'a WantedRequirement>,
}

impl<'a> Satisfied<'a> {
    pub(super) fn new(env: &'a PythonEnv, markers: &'a MarkerEnvironment, constraints: &'a [Named]) -> Self {
        let constraints = constraints
            .iter()
            .filter(|constraint| constraint.requirement.evaluate_markers(markers, &[]))
            .map(|constraint| (constraint.requirement.name.to_string(), &constraint.requirement))
            .collect();
        Self { env, markers, constraints }
    }

    /// Whether a requirement applies to this interpreter.
    pub(super) fn counts(&self, wanted: &WantedRequirement) -> bool {
        wanted.evaluate_markers(self.markers, &[])
    }

    /// Whether a requirement is installed, and with `deps` all its dependencies.
    pub(super) fn is(&self, wanted: &WantedRequirement, deps: bool) -> bool {
        if deps {
            self.closure(wanted, &[], &mut BTreeSet::new())
        } else {
            !self.counts(wanted) || self.installed(wanted).is_some()
        }
    }

    /// The installed distribution that a requirement accepts.
    fn installed(&self, wanted: &WantedRequirement) -> Option<&Distribution> {
        let name = wanted.name.to_string();
        let found = self.env.distributions.get(&name).filter(|found| found.is_complete)?;
        let is_limited = self.constraints.get(&name).is_some_and(|limit| !fits(limit, &found.version, || None));
        (fits(wanted, &found.version, || found.direct_url()) && !is_limited).then_some(found)
    }

    fn closure(
        &self,
        wanted: &WantedRequirement,
        extras: &[ExtraName],
        seen: &mut BTreeSet<(String, Vec<String>)>,
    ) -> bool {
        if !wanted.evaluate_markers(self.markers, extras) {
            return true;
        }
        let Some(found) = self.installed(wanted) else { return false };
        let name = wanted.name.to_string();
        let mut extra_names: Vec<String> = wanted.extras.iter().map(ToString::to_string).collect();
        extra_names.sort();
        if !seen.insert((name, extra_names)) {
            return true;
        }
        found
            .requires
            .iter()
            // Most lines belong to unused extras, and parsing them would take most of the time.
            .filter(|line| !wanted.extras.is_empty() || !line.contains("extra =="))
            .filter(|line| is_parsable(line))
            .filter_map(|line| WantedRequirement::from_str(line).ok())
            .all(|required| self.closure(&required, &wanted.extras, seen))
    }
}

/// The unsatisfied requirements, as written. With `deps`, their dependencies must be installed, too.
pub(super) fn unsatisfied(env: &PythonEnv, arch: &str, requirements: &Requirements, deps: bool) -> Vec<String> {
    let Some(markers) = env.markers(arch) else { return Vec::new() };
    let satisfied = Satisfied::new(env, &markers, &requirements.constraints);
    let missing = requirements.named.iter().filter(|named| !satisfied.is(&named.requirement, deps));
    missing.map(|named| named.requirement.to_string()).collect()
}

/// Whether a requirement accepts a version.
pub(super) fn fits(wanted: &WantedRequirement, version: &str, url: impl FnOnce() -> Option<String>) -> bool {
    match &wanted.version_or_url {
        None => true,
        Some(VersionOrUrl::Url(address)) => url().is_some_and(|url| same_address(&url, &address.to_url())),
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => {
            Version::from_str(version).is_ok_and(|version| specifiers.contains(&version))
        }
    }
}

/// Whether a distribution was installed from the requested address. After `#`, only the subfolder is compared: digests
/// were checked at the installation, and a name (`egg=`) adds nothing.
fn same_address(found: &str, wanted: &Url) -> bool {
    let part = |url: &Url| {
        let fragments = url.fragment().unwrap_or_default().split('&');
        fragments.into_iter().find(|part| part.starts_with("subdirectory=")).map(str::to_owned)
    };
    let bare = |url: &Url| {
        let mut url = url.clone();
        url.set_fragment(None);
        url
    };
    Url::parse(found).is_ok_and(|found| bare(&found) == bare(wanted) && part(&found) == part(wanted))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::facts::python::Distribution;

    fn env(distributions: &[(&str, &str, &[&str])]) -> PythonEnv {
        let distribution = |(name, version, requires): &(&str, &str, &[&str])| {
            let found = Distribution {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                requires: requires.iter().map(|&line| line.to_owned()).collect(),
                folder: PathBuf::new(),
                is_complete: true,
            };
            ((*name).to_owned(), found)
        };
        PythonEnv {
            interpreter: "/x/bin/python".into(),
            version: (3, 11, 2),
            site_packages: "/x/lib".into(),
            virtualenv: true,
            distributions: distributions.iter().map(distribution).collect(),
        }
    }

    fn is(env: &PythonEnv, wanted: &str) -> bool {
        let markers = env.markers("amd64").expect("an interpreter");
        Satisfied::new(env, &markers, &[]).is(&wanted.parse().expect("a requirement"), true)
    }

    #[test]
    fn without_dependencies_the_distribution_itself_is_enough() {
        let env = env(&[("spacy", "3.8.1", &["thinc>=8.3"])]);
        let markers = env.markers("amd64").expect("an interpreter");
        let is = |wanted: &str| Satisfied::new(&env, &markers, &[]).is(&wanted.parse().expect("a requirement"), false);
        assert!(is("spacy>=3.8") && is("nltk; python_version < '3'"));
        assert!(!is("spacy>=3.9") && !is("nltk"));
    }

    #[test]
    fn dependencies_of_a_distribution_must_be_installed() {
        let whole = env(&[("spacy", "3.8.1", &["thinc>=8.3", "cupy; extra == 'cuda'"]), ("thinc", "8.3.2", &[])]);
        assert!(is(&whole, "spacy") && is(&whole, "spacy>=3.8,<4"));
        assert!(!is(&whole, "spacy>=3.9") && !is(&whole, "spacy[cuda]") && !is(&whole, "nltk"));
        let torn = env(&[("spacy", "3.8.1", &["thinc>=8.3"]), ("thinc", "8.2", &[])]);
        assert!(!is(&torn, "spacy"));
    }

    #[test]
    fn a_digest_or_a_name_behind_an_address_makes_no_other_address() {
        let same = |found: &str, wanted: &str| same_address(found, &wanted.parse().expect("an address"));
        assert!(same("https://x/a.whl", "https://x/a.whl#sha256=0123"));
        assert!(same("git+https://x/a.git@v1", "git+https://x/a.git@v1#egg=a"));
        assert!(same("git+https://x/a.git#subdirectory=b", "git+https://x/a.git#egg=a&subdirectory=b"));
        assert!(!same("git+https://x/a.git@v1", "git+https://x/a.git@v2"));
        assert!(!same("git+https://x/a.git", "git+https://x/a.git#subdirectory=b"));
    }

    #[test]
    fn circles_end_and_markers_of_other_pythons_do_not_count() {
        let circle = env(&[("a", "1", &["b"]), ("b", "1", &["a", "c; python_version < '3'"])]);
        assert!(is(&circle, "a") && is(&circle, "zzz; sys_platform == 'win32'"));
    }

    #[test]
    fn a_constraint_that_is_broken_asks_for_work() {
        let env = env(&[("a", "2", &[])]);
        let markers = env.markers("amd64").expect("an interpreter");
        let origin = crate::diagnostic::Origin { file: "c.txt".into(), line: 1, column: 1 };
        let limits = [Named { requirement: "a<2".parse().expect("a requirement"), origin }];
        assert!(!Satisfied::new(&env, &markers, &limits).is(&"a".parse().expect("a requirement"), true));
    }
}
