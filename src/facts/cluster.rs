//! The naming convention of clusters: `(Dev|PreProd|Prod)-(Discovery|Operational)-<BusinessUnit>-<runtime>-<name>-<n>`.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde::Serialize;

/// The parts of a cluster's name. Runtime, given name and number are optional.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClusterName {
    /// The complete name.
    pub name: String,
    /// `Dev`, `PreProd` or `Prod`.
    pub environment: String,
    /// `Discovery` or `Operational`.
    pub mode: String,
    /// The business unit.
    pub business_unit: String,
    /// The runtime version.
    pub runtime: Option<String>,
    /// The name given by the owner.
    pub given_name: Option<String>,
    /// The number.
    pub number: Option<u32>,
}

/// The environments.
pub const ENVIRONMENTS: [&str; 3] = ["Dev", "PreProd", "Prod"];

static CONVENTION: LazyLock<Regex> = LazyLock::new(|| {
    let environments = ENVIRONMENTS.join("|");
    let pattern = r"-(Discovery|Operational)-([A-Za-z][A-Za-z0-9_]*)(?:-(\d+\.\d+[A-Za-z0-9._]*))?(?:-([A-Za-z].*?))?(?:-(\d{1,9}))?$";
    Regex::new(&format!("^({environments}){pattern}")).expect("the pattern is fixed and tested")
});

impl ClusterName {
    /// Parses a name; `None` if it does not follow the convention.
    pub fn parse(name: &str) -> Option<Self> {
        let parts = CONVENTION.captures(name)?;
        let part = |index| parts.get(index).map(|found| found.as_str().to_owned());
        Some(Self {
            name: name.to_owned(),
            environment: part(1)?,
            mode: part(2)?,
            business_unit: part(3)?,
            runtime: part(4),
            given_name: part(5),
            number: part(6).and_then(|digits| digits.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_name_has_all_parts() {
        let name =
            ClusterName::parse("PreProd-Discovery-Family-14.3-case-search-2").expect("it follows the convention");
        assert_eq!((&*name.environment, &*name.mode, &*name.business_unit), ("PreProd", "Discovery", "Family"));
        assert_eq!(name.runtime.as_deref(), Some("14.3"));
        assert_eq!(name.given_name.as_deref(), Some("case-search"));
        assert_eq!(name.number, Some(2));
    }

    #[test]
    fn runtime_given_name_and_number_may_be_missing() {
        let short = ClusterName::parse("Dev-Operational-IT").expect("it follows the convention");
        assert_eq!((short.runtime, short.given_name, short.number), (None, None, None));
        let numbered = ClusterName::parse("Dev-Operational-IT-3").expect("it follows the convention");
        assert_eq!((numbered.given_name, numbered.number), (None, Some(3)));
        let named = ClusterName::parse("Prod-Operational-Family-15.4.x-nightly").expect("it follows the convention");
        assert_eq!((named.runtime.as_deref(), named.given_name.as_deref()), (Some("15.4.x"), Some("nightly")));
    }

    #[test]
    fn a_name_of_another_convention_is_not_parsed() {
        for name in ["", "my cluster", "Test-Operational-Family", "Dev-Family-14.3"] {
            assert_eq!(ClusterName::parse(name), None, "{name}");
        }
    }
}
