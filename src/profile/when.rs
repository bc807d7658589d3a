//! Decides whether a `when` condition applies to this node.

use regex::Regex;

use super::{
    shorthand::{OneOrMany, Scalar},
    written::{self, When},
};
use crate::{
    facts::{AccessMode, ENVIRONMENTS, NodeFacts, Role, os::Os, runtime::RuntimeCondition},
    grammar::document::Part,
};

/// A mistake in a condition: its key, the message, the hint.
pub(super) type Mistake = (Vec<Part>, String, String);

/// Whether all conditions hold. No condition holds for an unknown fact.
pub(super) fn holds(when: &When, facts: &NodeFacts) -> Result<bool, Mistake> {
    let runtime = when
        .runtime
        .as_deref()
        .map(|text| {
            text.parse::<RuntimeCondition>().map_err(|error| {
                (vec!["runtime".into()], error.to_string(), "write it as `>=14.3`, `<16` or `>=14.3, <16`".to_owned())
            })
        })
        .transpose()?;
    let cluster_name = when
        .cluster_name
        .as_deref()
        .map(|pattern| {
            Regex::new(pattern).map_err(|error| {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                (
                    vec!["cluster-name".into()],
                    format!("`{pattern}` is not a regular expression: {reason}"),
                    "see https://docs.rs/regex for the syntax".to_owned(),
                )
            })
        })
        .transpose()?;
    let systems = when.os.iter().flat_map(|systems| &systems.0);
    for word in systems.filter(|word| !facts.os.has_name(word)) {
        if let Some(hint) = Os::spelling_hint(word) {
            return Err((vec!["os".into()], format!("`{word}` is not an operating system"), hint));
        }
    }
    let cluster_name_fits =
        cluster_name.is_none_or(|pattern| facts.cluster_name.as_deref().is_some_and(|name| pattern.is_match(name)));
    let runtime_fits =
        runtime.is_none_or(|wanted| facts.runtime.as_deref().is_some_and(|version| wanted.matches(version)));
    Ok(cluster_name_fits
        && runtime_fits
        && one_of(when.role.as_ref(), |role| facts.role == Some(role_of(*role)))
        && one_of(when.environment.as_ref(), |wanted| facts.environment.as_deref() == Some(environment(*wanted)))
        && one_of(when.mode.as_ref(), |wanted| facts.mode.as_deref() == Some(mode(*wanted)))
        && one_of(when.business_unit.as_ref(), |wanted| {
            facts.business_unit.as_deref().is_some_and(|unit| unit.eq_ignore_ascii_case(wanted))
        })
        && one_of(when.os.as_ref(), |wanted| facts.os.has_name(wanted))
        && one_of(when.arch.as_ref(), |wanted| facts.arch == arch(*wanted))
        && one_of(when.access_mode.as_ref(), |wanted| facts.access_mode == Some(access_mode(*wanted)))
        && when.env.iter().all(|(name, wanted)| variable_fits(facts.env.get(name), wanted)))
}

/// The facts that a condition uses, apart from those that the runtime determines.
pub(super) fn used_facts(when: &When) -> impl Iterator<Item = &'static str> {
    let used = [
        ("role", when.role.is_some()),
        ("environment", when.environment.is_some()),
        ("mode", when.mode.is_some()),
        ("cluster-name", when.cluster_name.is_some()),
        ("business-unit", when.business_unit.is_some()),
        ("access-mode", when.access_mode.is_some()),
    ];
    used.into_iter().filter(|(_, used)| *used).map(|(name, _)| name)
}

fn one_of<T>(wanted: Option<&OneOrMany<T>>, fits: impl Fn(&T) -> bool) -> bool {
    wanted.is_none_or(|wanted| wanted.0.iter().any(fits))
}

fn variable_fits(value: Option<&String>, wanted: &Scalar) -> bool {
    match wanted {
        Scalar::Truth(set) => value.is_some_and(|value| !value.is_empty()) == *set,
        Scalar::Text(text) => value == Some(text),
        Scalar::Number(number) => value.is_some_and(|value| *value == number.to_string()),
    }
}

fn role_of(role: written::Role) -> Role {
    match role {
        written::Role::Driver => Role::Driver,
        written::Role::Worker => Role::Worker,
    }
}

fn environment(environment: written::Environment) -> &'static str {
    let [dev, pre_prod, prod] = ENVIRONMENTS;
    match environment {
        written::Environment::Dev => dev,
        written::Environment::PreProd => pre_prod,
        written::Environment::Prod => prod,
    }
}

fn mode(mode: written::Mode) -> &'static str {
    match mode {
        written::Mode::Discovery => "Discovery",
        written::Mode::Operational => "Operational",
    }
}

fn arch(arch: written::Arch) -> &'static str {
    match arch {
        written::Arch::Amd64 => "amd64",
        written::Arch::Arm64 => "arm64",
    }
}

fn access_mode(mode: written::AccessMode) -> AccessMode {
    match mode {
        written::AccessMode::Dedicated => AccessMode::Dedicated,
        written::AccessMode::Standard => AccessMode::Standard,
        written::AccessMode::NoIsolation => AccessMode::NoIsolation,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;

    fn facts() -> NodeFacts {
        let env = [("DB_IS_DRIVER", "TRUE"), ("DB_CLUSTER_NAME", "Prod-Operational-Family-15.4-x-1"), ("GPU", "1")];
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>();
        NodeFacts::gather(Path::new("/nowhere"), env)
    }

    fn decide(text: &str) -> bool {
        holds(&toml::from_str(text).expect("a condition"), &facts()).expect("no mistake")
    }

    #[test]
    fn all_conditions_must_hold_and_a_list_holds_by_one() {
        assert!(decide("role = 'driver'\nenvironment = ['PreProd', 'Prod']\nmode = 'Operational'"));
        assert!(!decide("role = 'driver'\nenvironment = 'Dev'"));
    }

    #[test]
    fn names_versions_and_variables_are_compared() {
        assert!(decide("cluster-name = '-Family-'\nruntime = '>=14.3, <16'\nbusiness-unit = 'family'"));
        assert!(!decide("runtime = '<15'"));
        assert!(decide("env = { GPU = 1, MISSING = false }") && !decide("env = { MISSING = true }"));
    }

    #[test]
    fn an_unknown_fact_fits_no_condition() {
        assert!(!decide("access-mode = ['standard', 'dedicated', 'no-isolation']"));
        assert!(!decide("os = 'ubuntu'"));
    }
}
