//! Replaces `${…}` in a profile's strings by variables and facts. Any other name is an error.

use std::collections::BTreeMap;

use crate::diagnostic::nearest;

/// The values that `${…}` may refer to. `None` is a value that exists but is unknown on this node.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    known: BTreeMap<String, Option<String>>,
    lenient: bool,
}

/// Why a text could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unexpandable {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Values {
    /// The values of facts. If `lenient` is set, unknown values stay as written (for `check` on a laptop).
    pub(super) fn new(facts: impl IntoIterator<Item = (String, Option<String>)>, lenient: bool) -> Self {
        Self { known: facts.into_iter().collect(), lenient }
    }

    /// Adds a value under its full name.
    pub(super) fn add(&mut self, name: &str, value: Option<String>) {
        self.known.insert(name.to_owned(), value);
    }

    /// Adds or replaces a variable, as `vars.NAME`.
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.known.insert(format!("vars.{name}"), Some(value));
    }

    /// Replaces every `${name}` in a text. `$${` stands for `${`. If `keeps_unknown` is set, unknown values stay as
    /// written.
    pub(super) fn expand(&self, text: &str, keeps_unknown: bool) -> Result<String, Unexpandable> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('$') {
                expanded.push_str(&rest[..start]);
                expanded.push('{');
                rest = &rest[start + 2..];
                continue;
            }
            expanded.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                return Err(Unexpandable {
                    message: format!("`{}` has no closing brace", rest[start..].lines().next().unwrap_or_default()),
                    hint: "write `${vars.NAME}`, or `$${` for a literal `${`".into(),
                });
            };
            let name = &rest[start + 2..start + length];
            match self.known.get(name) {
                Some(Some(value)) => expanded.push_str(value),
                Some(None) if self.lenient || keeps_unknown => expanded.push_str(&rest[start..=start + length]),
                Some(None) => {
                    return Err(Unexpandable {
                        message: format!("`${{{name}}}` is not known on this node"),
                        hint: format!(
                            "use it under a `when`, or a variable with a default in `[vars]` instead of `{name}`"
                        ),
                    });
                }
                None => return Err(self.unknown(name)),
            }
            rest = &rest[start + length + 1..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// Each name as written and, if it contains `${…}`, with the values in it. Each spelling once.
    pub(super) fn spellings(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut spellings = Vec::new();
        for name in names {
            let expanded = self.expand(&name, false).ok();
            for spelling in [Some(name), expanded].into_iter().flatten() {
                if !spellings.contains(&spelling) {
                    spellings.push(spelling);
                }
            }
        }
        spellings
    }

    fn unknown(&self, name: &str) -> Unexpandable {
        let hint = match nearest(name, self.known.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `${{{near}}}`? write `$${{{name}}}` for a literal `${{{name}}}`"),
            None => format!("declare it in `[vars]`, or write `$${{{name}}}` for a literal `${{{name}}}`"),
        };
        Unexpandable { message: format!("`${{{name}}}` is not a known value"), hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let mut values =
            Values::new([("node.role".to_owned(), Some("driver".to_owned())), ("cluster.name".into(), None)], false);
        values.set("tier", "gold".into());
        values
    }

    #[test]
    fn variables_and_facts_are_replaced_and_a_doubled_dollar_is_literal() {
        assert_eq!(
            values().expand("a-${vars.tier}-${node.role}-$${HOME}", false).as_deref(),
            Ok("a-gold-driver-${HOME}")
        );
        assert_eq!(values().expand("$HOME costs $5", false).as_deref(), Ok("$HOME costs $5"));
    }

    #[test]
    fn an_unknown_value_names_the_nearest() {
        let error = values().expand("${vars.teir}", false).expect_err("a slip");
        assert!(error.hint.contains("${vars.tier}"), "{error:?}");
    }

    #[test]
    fn a_fact_that_is_not_known_here_is_an_error_unless_lenient() {
        assert!(values().expand("${cluster.name}", false).is_err());
        let lenient = Values { lenient: true, ..values() };
        assert_eq!(lenient.expand("x${cluster.name}", false).as_deref(), Ok("x${cluster.name}"));
    }

    #[test]
    fn a_name_has_two_spellings_if_it_contains_a_value() {
        let names = ["files./etc/${vars.tier}".to_owned(), "files./etc/${vars.none}".to_owned(), "pip".to_owned()];
        let expected = ["files./etc/${vars.tier}", "files./etc/gold", "files./etc/${vars.none}", "pip"];
        assert_eq!(values().spellings(names), expected);
    }

    #[test]
    fn a_brace_that_is_never_closed_is_an_error() {
        assert!(values().expand("a ${vars.tier", false).is_err());
    }
}
