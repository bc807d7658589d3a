//! R's versions and requirements, such as `jsonlite (>= 1.2)`.

use std::fmt;

pub(super) use r_description::{Version, VersionConstraint};

/// Parses a version. `r-description` needs at least two numbers, but `R (>= 4)` has one.
pub(super) fn version(text: &str) -> Option<Version> {
    let text = text.trim();
    text.parse().ok().or_else(|| Some(Version { components: vec![text.parse().ok()?] }))
}

/// A required package and its accepted versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// The package, or `R` itself.
    pub(super) name: String,
    /// The accepted versions. `None` accepts all.
    pub(super) bound: Option<(VersionConstraint, Version)>,
}

impl Requirement {
    /// A requirement without a version.
    pub(super) fn any(name: &str) -> Self {
        Self { name: name.to_owned(), bound: None }
    }

    /// A requirement of exactly one version.
    pub(super) fn exactly(name: &str, version: Version) -> Self {
        Self { name: name.to_owned(), bound: Some((VersionConstraint::Equal, version)) }
    }

    /// Whether a version satisfies the requirement.
    pub(super) fn accepts(&self, version: &Version) -> bool {
        let Some((constraint, bound)) = &self.bound else { return true };
        match constraint {
            VersionConstraint::LessThan => version < bound,
            VersionConstraint::LessThanEqual => version <= bound,
            VersionConstraint::Equal => version == bound,
            VersionConstraint::NotEqual => version != bound,
            VersionConstraint::GreaterThan => version > bound,
            VersionConstraint::GreaterThanEqual => version >= bound,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bound {
            Some((constraint, version)) => write!(f, "{} {constraint} {version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A part of a dependency field that is not a requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid requirement")]
pub(super) struct InvalidRequirement(pub(super) String);

/// Parses a dependency field.
pub(super) fn requirements(field: &str) -> Result<Vec<Requirement>, InvalidRequirement> {
    field.split(',').map(str::trim).filter(|part| !part.is_empty()).map(requirement).collect()
}

fn requirement(part: &str) -> Result<Requirement, InvalidRequirement> {
    let bad = || InvalidRequirement(part.to_owned());
    let (name, bound) = match part.split_once('(') {
        None => (part, None),
        Some((name, rest)) => {
            let inner = rest.trim_end().strip_suffix(')').ok_or_else(bad)?.trim();
            let split = inner.find(|c: char| !"<>=!".contains(c)).ok_or_else(bad)?;
            let (constraint, number) = inner.split_at(split);
            (name.trim(), Some((constraint.parse().map_err(|_| bad())?, version(number).ok_or_else(bad)?)))
        }
    };
    if is_name(name) { Ok(Requirement { name: name.to_owned(), bound }) } else { Err(bad()) }
}

/// Whether a text is a valid package name. Only valid names become parts of paths or arguments.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_r_compares_them() {
        let v = |text| version(text).expect("a version");
        assert_eq!(v("2.5-1"), v("2.5.1"));
        assert!(v("1.2") < v("1.2.0") && v("1.10") > v("1.9") && v("4") < v("4.2.2"));
        assert_eq!(version("1.2a"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn all_operators_of_a_dependency_field_are_parsed() {
        let read =
            requirements("R (>= 4), methods,\n    a (>= 1.0), b(<2.0-1),c ( == 3.1 ), d (!= 1.1), ").expect("good");
        let shown: Vec<String> = read.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["R >= 4", "methods", "a >= 1.0", "b < 2.0.1", "c == 3.1", "d != 1.1"]);
    }

    #[test]
    fn an_invalid_dependency_is_reported() {
        assert_eq!(requirements("a, b (>= )"), Err(InvalidRequirement("b (>= )".into())));
        assert_eq!(requirements("../evil"), Err(InvalidRequirement("../evil".into())));
        assert_eq!(requirements("a (~ 1.0)"), Err(InvalidRequirement("a (~ 1.0)".into())));
    }

    #[test]
    fn every_operator_accepts_the_right_versions() {
        let accepted = |text: &str| {
            let read = requirements(text).expect("good");
            ["1.0", "2.0", "3.0"].map(|number| read[0].accepts(&version(number).expect("a version")))
        };
        assert_eq!(accepted("a (< 2.0)"), [true, false, false]);
        assert_eq!(accepted("a (<= 2.0)"), [true, true, false]);
        assert_eq!(accepted("a (== 2.0)"), [false, true, false]);
        assert_eq!(accepted("a (!= 2.0)"), [true, false, true]);
        assert_eq!(accepted("a (> 2.0)"), [false, false, true]);
        assert_eq!(accepted("a (>= 2.0)"), [false, true, true]);
    }
}
