//! Decides whether a `when` condition applies to this node.

use regex::Regex;

use super::{
    expansion::{Unexpandable, Value},
    shorthand::{OneOrMany, Scalar},
    written::{self, Conditions, When},
};
use crate::{
    facts::{AccessMode, Cloud, ENVIRONMENTS, NodeFacts, Platform, Role, os::Os, runtime::RuntimeCondition},
    grammar::document::Part,
};

/// A mistake in a condition: its key, the message, the hint.
pub(super) type Mistake = (Vec<Part>, String, String);

/// The variables and texts that conditions use.
pub(super) trait Scope {
    /// A variable. `None` if no profile declares it.
    fn variable(&self, name: &str) -> Option<Value>;

    /// A text with its `${…}` replaced.
    fn expand(&self, text: &str) -> Result<String, Unexpandable>;
}

/// Whether all conditions hold. No condition holds for an unknown fact.
pub(super) fn holds(when: &When, facts: &NodeFacts, scope: &dyn Scope) -> Result<bool, Mistake> {
    let positive = all_hold(when.conditions(), facts, scope)?;
    let Some(negated) = &when.not else { return Ok(positive) };
    match all_hold(negated.conditions(), facts, scope) {
        Ok(negated) => Ok(positive && !negated),
        Err((at, message, hint)) => Err(([vec!["not".into()], at].concat(), message, hint)),
    }
}

fn all_hold(when: Conditions<'_>, facts: &NodeFacts, scope: &dyn Scope) -> Result<bool, Mistake> {
    let texts = [runtime_fits(when, facts)?, cluster_name_fits(when, facts)?, os_fits(when, facts)?];
    let values = [paths_fit(when, facts, scope)?, variables_fit(when, scope)?];
    let facts_fit = one_of(when.role, |role| facts.role == Some(role_of(*role)))
        && one_of(when.environment, |wanted| facts.environment.as_deref() == Some(environment(*wanted)))
        && one_of(when.mode, |wanted| facts.mode.as_deref() == Some(mode(*wanted)))
        && one_of(when.business_unit, |wanted| {
            facts.business_unit.as_deref().is_some_and(|unit| unit.eq_ignore_ascii_case(wanted))
        })
        && one_of(when.arch, |wanted| facts.arch == arch(*wanted))
        && one_of(when.access_mode, |wanted| facts.access_mode == Some(access_mode(*wanted)))
        && one_of(when.platform, |wanted| facts.platform == platform(*wanted))
        && one_of(when.cloud, |wanted| facts.cloud() == Some(cloud(*wanted)))
        && when.gpu.is_none_or(|wanted| facts.has_gpu() == wanted)
        && when.env.iter().all(|(name, wanted)| variable_fits(facts.env.get(name).map(String::as_str), wanted));
    Ok(facts_fit && texts.into_iter().chain(values).all(|fits| fits))
}

fn runtime_fits(when: Conditions<'_>, facts: &NodeFacts) -> Result<bool, Mistake> {
    let Some(text) = when.runtime else { return Ok(true) };
    let wanted = text.parse::<RuntimeCondition>().map_err(|error| {
        (vec!["runtime".into()], error.to_string(), "write it as `>=14.3`, `<16` or `>=14.3, <16`".to_owned())
    })?;
    Ok(facts.runtime.as_deref().is_some_and(|version| wanted.matches(version)))
}

fn cluster_name_fits(when: Conditions<'_>, facts: &NodeFacts) -> Result<bool, Mistake> {
    let Some(pattern) = when.cluster_name else { return Ok(true) };
    let wanted = Regex::new(pattern).map_err(|error| {
        let message = format!("`{pattern}` is not a regular expression: {}", regex_error(&error));
        (vec!["cluster-name".into()], message, "see https://docs.rs/regex for the syntax".to_owned())
    })?;
    Ok(facts.cluster_name.as_deref().is_some_and(|name| wanted.is_match(name)))
}

/// The reason of an invalid regular expression, in one line.
pub(super) fn regex_error(error: &regex::Error) -> String {
    let reason = error.to_string();
    reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn os_fits(when: Conditions<'_>, facts: &NodeFacts) -> Result<bool, Mistake> {
    let systems = when.os.iter().flat_map(|systems| &systems.0);
    for word in systems.filter(|word| !facts.os.has_name(word)) {
        if let Some(hint) = Os::spelling_hint(word) {
            return Err((vec!["os".into()], format!("`{word}` is not an operating system"), hint));
        }
    }
    Ok(one_of(when.os, |wanted| facts.os.has_name(wanted)))
}

/// Whether one of the paths exists on the node. A path whose `${…}` are unknown does not.
fn paths_fit(when: Conditions<'_>, facts: &NodeFacts, scope: &dyn Scope) -> Result<bool, Mistake> {
    let Some(paths) = when.path else { return Ok(true) };
    let mut exists = false;
    for path in &paths.0 {
        if !path.starts_with('/') && !path.starts_with("${") {
            let hint = "name a path on the node, with `/` at its start".to_owned();
            return Err((vec!["path".into()], format!("`{path}` is not an absolute path"), hint));
        }
        let path = scope.expand(path).ok();
        exists |= path.is_some_and(|path| facts.root.join(path.trim_start_matches('/')).exists());
    }
    Ok(exists)
}

fn variables_fit(when: Conditions<'_>, scope: &dyn Scope) -> Result<bool, Mistake> {
    let mut fits = true;
    for (name, wanted) in when.vars {
        let Some(value) = scope.variable(name) else {
            let message = format!("the variable `{name}` is not declared");
            return Err((vec!["vars".into(), name.as_str().into()], message, "declare it in `[vars]`".to_owned()));
        };
        let value = match &value {
            Value::Text(text) => Some(text.as_str()),
            Value::Unknown(_) => None,
        };
        fits &= profile_variable_fits(value, wanted);
    }
    Ok(fits)
}

/// The variables that a condition compares.
pub(super) fn used_variables(when: &When) -> Vec<String> {
    when.vars.keys().chain(when.not.iter().flat_map(|negated| negated.vars.keys())).cloned().collect()
}

/// The facts that a condition uses, apart from those that the runtime determines.
pub(super) fn used_facts(when: &When) -> impl Iterator<Item = &'static str> {
    let negated = when.not.iter().flat_map(|negated| facts_of(negated.conditions()));
    facts_of(when.conditions()).chain(negated).collect::<Vec<_>>().into_iter()
}

fn facts_of(when: Conditions<'_>) -> impl Iterator<Item = &'static str> {
    let used = [
        ("role", when.role.is_some()),
        ("environment", when.environment.is_some()),
        ("mode", when.mode.is_some()),
        ("cluster-name", when.cluster_name.is_some()),
        ("business-unit", when.business_unit.is_some()),
        ("access-mode", when.access_mode.is_some()),
        ("platform", when.platform.is_some()),
        ("cloud", when.cloud.is_some()),
        ("gpu", when.gpu.is_some()),
    ];
    used.into_iter().filter(|(_, used)| *used).map(|(name, _)| name)
}

fn one_of<T>(wanted: Option<&OneOrMany<T>>, fits: impl Fn(&T) -> bool) -> bool {
    wanted.is_none_or(|wanted| wanted.0.iter().any(fits))
}

fn variable_fits(value: Option<&str>, wanted: &Scalar) -> bool {
    match wanted {
        Scalar::Truth(set) => value.is_some_and(|value| !value.is_empty()) == *set,
        Scalar::Text(text) => value == Some(text.as_str()),
        Scalar::Number(number) => value.is_some_and(|value| value == number.to_string()),
    }
}

/// Whether a variable of `[vars]` has the wanted value. `false` is a value of such a variable.
fn profile_variable_fits(value: Option<&str>, wanted: &Scalar) -> bool {
    match wanted {
        Scalar::Truth(truth) => value.is_some_and(|value| !["", "false"].contains(&value)) == *truth,
        Scalar::Text(_) | Scalar::Number(_) => variable_fits(value, wanted),
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

fn platform(platform: written::Platform) -> Platform {
    match platform {
        written::Platform::Databricks => Platform::Databricks,
        written::Platform::Dataproc => Platform::Dataproc,
        written::Platform::Emr => Platform::Emr,
        written::Platform::Other => Platform::Other,
    }
}

fn cloud(cloud: written::Cloud) -> Cloud {
    match cloud {
        written::Cloud::Aws => Cloud::Aws,
        written::Cloud::Azure => Cloud::Azure,
        written::Cloud::Gcp => Cloud::Gcp,
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

    /// Variables with fixed values.
    struct Fixed;

    impl Scope for Fixed {
        fn variable(&self, name: &str) -> Option<Value> {
            let value = match name {
                "tier" => "gold",
                "with-x" => "true",
                "with-y" => "false",
                "empty" => "",
                _ => return None,
            };
            Some(Value::Text(value.to_owned()))
        }

        fn expand(&self, text: &str) -> Result<String, Unexpandable> {
            Ok(text.to_owned())
        }
    }

    fn decide(text: &str) -> bool {
        holds(&toml::from_str(text).expect("a condition"), &facts(), &Fixed).expect("no mistake")
    }

    #[test]
    fn a_negated_table_holds_if_one_of_its_conditions_does_not() {
        assert!(decide("not = { role = 'worker' }") && !decide("not = { role = 'driver' }"));
        assert!(decide("not = { role = 'driver', mode = 'Discovery' }"));
        assert!(decide("role = 'driver'\nnot = { platform = 'databricks' }"));
    }

    #[test]
    fn variables_platform_and_paths_are_compared() {
        assert!(decide("vars = { tier = 'gold' }") && !decide("vars = { tier = false }"));
        assert!(decide("platform = ['emr', 'other']") && !decide("cloud = 'aws'"));
        assert!(decide("gpu = false") && !decide("path = '/etc'"), "the root of the test has no files");
        let undeclared = toml::from_str("not = { vars = { none = 1 } }").expect("a condition");
        let (at, message, _) = holds(&undeclared, &facts(), &Fixed).expect_err("it is not declared");
        assert_eq!((at.len(), message.as_str()), (3, "the variable `none` is not declared"));
    }

    #[test]
    fn truth_values_of_the_profile_are_compared_by_their_meaning() {
        assert!(decide("vars = { with-x = true, with-y = false, tier = true, empty = false }"));
        assert!(!decide("vars = { with-y = true }") && !decide("vars = { with-x = false }"));
        assert!(!decide("vars = { empty = true }") && decide("vars = { with-y = 'false' }"));
        assert!(decide("env = { GPU = true }") && !decide("env = { GPU = false }"), "a value of `env` is a text");
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
