use super::*;
use crate::{kinds::r::RPackage, kinds::r::index::Index};

/// The inputs of a test: an R 4.2.2 with `tools`, some repositories and some installed packages.
struct World {
    wanted: RInstall,
    repositories: Vec<Repository>,
    archives: Vec<Candidate>,
    keep: BTreeMap<String, String>,
    rejected: BTreeMap<Url, String>,
    needs_of_installed: BTreeMap<String, Vec<Requirement>>,
}

fn world(packages: &[&str], repositories: &[&str]) -> World {
    let package = |text: &&str| match text.split_once('@') {
        Some((name, version)) => RPackage::named(name, Some(version)),
        None => RPackage::named(text, None),
    };
    let tools = RInstalled { version: "4.2.2".into(), library: "/usr/lib/R/library".into(), base: true, commit: None };
    World {
        wanted: RInstall {
            program: "R".into(),
            r_version: "4.2.2".into(),
            library: "/lib".into(),
            installed: [("tools".to_owned(), tools)].into(),
            repos: Vec::new(),
            packages: packages.iter().map(package).collect(),
            git: Vec::new(),
            archives: Vec::new(),
            locked: None,
            layer: None,
        },
        repositories: (1..)
            .zip(repositories)
            .map(|(number, text)| Repository {
                url: format!("https://r{number}.example").parse().expect("an address"),
                index: Index::of(&stanzas(text)),
            })
            .collect(),
        archives: Vec::new(),
        keep: BTreeMap::new(),
        rejected: BTreeMap::new(),
        needs_of_installed: BTreeMap::new(),
    }
}

/// Parses `a 1.0: b (>= 2), c | d 1.0` as an index. Text after `&` is copied unchanged.
fn stanzas(text: &str) -> String {
    text.split('|').map(|line| stanza(line) + "\n").collect()
}

fn stanza(line: &str) -> String {
    let (line, more) = line.split_once('&').unwrap_or((line, ""));
    let (head, needs) = line.split_once(':').unwrap_or((line, ""));
    let (name, version) = head.trim().split_once(' ').expect("name and version");
    format!("Package: {name}\nVersion: {}\nImports: {}\n{}\n", version.trim(), needs.trim(), more.trim())
}

impl World {
    fn with_installed(mut self, name: &str, version: &str, needs: &str) -> Self {
        let found = RInstalled { version: version.into(), library: "/site".into(), base: false, commit: None };
        self.wanted.installed.insert(name.into(), found);
        let needs = super::super::version::requirements(needs).expect("good");
        self.needs_of_installed.insert(name.into(), needs);
        self
    }

    fn with_archive(mut self, line: &str) -> Self {
        let description = Description::parse(&stanza(line)).expect("good");
        self.archives.push(Candidate {
            description,
            location: ArchiveLocation::File { path: "/x.tar.gz".into(), shown: "/x.tar.gz".into() },
        });
        self
    }

    fn resolve(&self) -> Result<Vec<ResolvedPackage>, ResolveError> {
        ResolverInput {
            wanted: &self.wanted,
            keep: &self.keep,
            repositories: &self.repositories,
            archives: &self.archives,
            needs_of_installed: &|name, _| self.needs_of_installed.get(name).cloned().unwrap_or_default(),
            rejected: &self.rejected,
        }
        .resolve()
    }

    /// Names and versions in installation order.
    fn order(&self) -> Vec<String> {
        let show = |chosen: ResolvedPackage| {
            format!("{} {}", chosen.candidate.description.name, chosen.candidate.description.version_text)
        };
        self.resolve().expect("resolved").into_iter().map(show).collect()
    }

    fn error(&self) -> crate::problem::Problem {
        self.resolve().expect_err("there is no answer").into_error(&["https://r1.example/".into()])
    }
}

#[test]
fn dependencies_are_included_and_come_first() {
    let world = world(
        &["plumber"],
        &["plumber 1.2: R6 (>= 2.0), httpuv | R6 2.5 | httpuv 1.6: later, tools, utils | later 1.3"],
    );
    assert_eq!(world.order(), ["R6 2.5", "later 1.3", "httpuv 1.6", "plumber 1.2"]);
    let chosen = world.resolve().expect("resolved");
    let plumber = chosen.last().expect("four");
    assert_eq!(plumber.needs, BTreeSet::from(["R6".to_owned(), "httpuv".to_owned()]));
}

#[test]
fn an_installed_package_is_kept_unless_it_is_too_old() {
    let world = world(&["a"], &["a 1.0: b (>= 2.0), c | b 2.1 | c 9.0"]);
    let world = world.with_installed("b", "1.9", "").with_installed("c", "1.0", "");
    assert_eq!(world.order(), ["b 2.1", "a 1.0"]);
}

#[test]
fn a_ready_node_needs_nothing() {
    let world =
        world(&["a", "b@1.0"], &["a 2.0 | b 2.0"]).with_installed("a", "1.0", "").with_installed("b", "1.0", "");
    assert_eq!(world.order(), Vec::<String>::new());
}

#[test]
fn missing_dependencies_of_installed_packages_are_installed_first() {
    let world = world(&["a"], &["a 1.0: kept | missing 3.0"]).with_installed("kept", "1.0", "missing");
    assert_eq!(world.order(), ["missing 3.0", "a 1.0"]);
    let a = world.resolve().expect("resolved").pop().expect("two");
    assert_eq!(a.needs, BTreeSet::from(["missing".to_owned()]), "through the one that is kept");
}

#[test]
fn the_highest_version_wins_and_among_equals_the_first_repository() {
    let world = world(&["a", "b"], &["a 1.0 | b 1.0", "a 1.1 | b 1.0"]);
    let places: Vec<_> =
        world.resolve().expect("resolved").into_iter().map(|chosen| chosen.candidate.location).collect();
    let place = |url: &str| ArchiveLocation::Repository(url.parse().expect("an address"));
    assert_eq!(
        places,
        [place("https://r2.example/src/contrib/a_1.1.tar.gz"), place("https://r1.example/src/contrib/b_1.0.tar.gz")]
    );
}

#[test]
fn upper_bounds_and_exclusions_lead_to_an_older_version() {
    let world = world(&["a"], &["a 1.0: b (< 2.0), b (!= 1.9) | b 1.8", "b 2.0 | b 1.9"]);
    assert_eq!(world.order(), ["b 1.8", "a 1.0"]);
}

#[test]
fn a_requirement_found_late_changes_an_early_choice() {
    // `b` is met before `z`, which needs an older `b` | that older version needs another package.
    let world = world(&["b", "z"], &["b 2.0: new | b 1.0: old | z 1.0: b (< 2.0) | new 1.0 | old 1.0"]);
    assert_eq!(world.order(), ["old 1.0", "b 1.0", "z 1.0"]);
}

#[test]
fn a_pin_takes_precedence_over_newer_and_installed_versions() {
    let world = world(&["a@1.0"], &["a 1.0 | a 2.0"]).with_installed("a", "2.0", "");
    assert_eq!(world.order(), ["a 1.0"]);
}

#[test]
fn a_local_archive_takes_precedence() {
    let world = world(&["a"], &["a 9.0 | b 1.0"]).with_archive("a 1.0: b");
    assert_eq!(world.order(), ["b 1.0", "a 1.0"]);
    let again = world.with_installed("a", "1.0", "b").with_installed("b", "1.0", "");
    assert_eq!(again.order(), Vec::<String>::new());
}

#[test]
fn versions_for_another_r_are_excluded_with_a_reason() {
    let built = "Built: R 4.3.1";
    let both = world(&["a"], &[&format!("a 1.0 &{built}"), "a 0.9"]);
    assert_eq!(both.order(), ["a 0.9"]);
    let none = world(&["a"], &["a 1.0: b & Depends: R (>= 4.4)", "b 1.0"]).error();
    assert_eq!(none.message, "no version of R package `a` can be used");
    assert_eq!(none.causes, ["1.0 in `https://r1.example/` needs R >= 4.4, this is R 4.2.2"]);
}

#[test]
fn an_unknown_package_is_reported_with_its_dependents_and_a_suggestion() {
    let error = world(&["plumber"], &["plumber 1.0: foo | foo 1.0: httpv | httpuv 1.6"]).error();
    assert_eq!(error.message, "R package `httpv` is in none of the repositories");
    assert_eq!(error.causes, ["needed by `plumber` -> `foo` -> `httpv`", "looked in: https://r1.example/"]);
    assert_eq!(error.hint.as_deref(), Some("did you mean `httpuv`?"));
    assert!(!error.refused);
}

#[test]
fn unsatisfiable_requirements_are_reported_with_available_versions() {
    let error = world(&["a"], &["a 1.0: b (>= 3.0) | b 2.0"]).error();
    assert_eq!(error.message, "no version of R package `b` can be used");
    assert_eq!(error.causes, ["`a` needs b >= 3.0", "`https://r1.example/src/contrib/b_2.0.tar.gz` has 2.0"]);
}

#[test]
fn a_requirement_of_a_newer_base_package_is_reported() {
    let error = world(&["a"], &["a 1.0: tools (>= 4.3)"]).error();
    assert_eq!(error.message, "R's own package `tools` is 4.2.2, which is too old");
    assert_eq!(error.causes, ["`a` needs tools >= 4.3"]);
}

#[test]
fn base_packages_count_even_if_not_listed() {
    assert_eq!(world(&["a"], &["a 1.0: methods, stats (>= 4.0), grid"]).order(), ["a 1.0"]);
}

#[test]
fn a_dependency_cycle_is_an_error() {
    let error = world(&["a"], &["a 1.0: b | b 1.0: a"]).error();
    assert_eq!(error.causes, ["`a` -> `b` -> `a`"]);
}

#[test]
fn an_unusable_archive_is_replaced_by_another_repository() {
    let mut world = world(&["a"], &["a 1.1", "a 1.0"]);
    let url: Url = "https://r1.example/src/contrib/a_1.1.tar.gz".parse().expect("an address");
    world.rejected.insert(url, "cannot be used: it is damaged".into());
    assert_eq!(world.order(), ["a 1.0"]);
    world.repositories.pop();
    assert_eq!(world.error().causes, ["1.1 in `https://r1.example/` cannot be used: it is damaged"]);
}
