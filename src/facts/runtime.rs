//! Runtime versions and the conditions on them in profiles: `>=14.3`, `>=14.3, <16`, `15.4`.

use std::{cmp::Ordering, str::FromStr};

/// A condition on a runtime version. All its clauses must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeCondition(Vec<(Operator, Vec<u32>)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

/// The text is not a condition on a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a condition on a runtime version")]
pub struct InvalidRuntimeCondition(String);

const OPERATORS: [(&str, Operator); 7] = [
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("!=", Operator::NotEqual),
    ("==", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("=", Operator::Equal),
];

impl FromStr for RuntimeCondition {
    type Err = InvalidRuntimeCondition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let clause = |clause: &str| {
            let clause = clause.trim();
            let (operator, version) = OPERATORS
                .iter()
                .find_map(|(sign, operator)| clause.strip_prefix(sign).map(|rest| (*operator, rest)))
                .unwrap_or((Operator::Equal, clause));
            version.trim().split('.').map(str::parse).collect::<Result<_, _>>().ok().map(|version| (operator, version))
        };
        text.split(',')
            .map(clause)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| InvalidRuntimeCondition(text.to_owned()))
    }
}

impl RuntimeCondition {
    /// Whether a version satisfies the condition. Equality compares only the numbers in the condition: `15` matches
    /// 15.4.
    pub fn matches(&self, version: &str) -> bool {
        let version = numbers(version);
        self.0.iter().all(|(operator, wanted)| {
            let order = compare(&version, wanted);
            let same = version.len() >= wanted.len() && version[..wanted.len()] == wanted[..];
            match operator {
                Operator::Less => order == Ordering::Less,
                Operator::LessOrEqual => order != Ordering::Greater || same,
                Operator::Equal => same || order == Ordering::Equal,
                Operator::NotEqual => !same && order != Ordering::Equal,
                Operator::GreaterOrEqual => order != Ordering::Less,
                Operator::Greater => order == Ordering::Greater && !same,
            }
        })
    }
}

/// The leading numbers of a version: `14.3.x-scala2.12` is 14.3.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

fn compare(left: &[u32], right: &[u32]) -> Ordering {
    let at = |numbers: &[u32], index: usize| numbers.get(index).copied().unwrap_or(0);
    (0..left.len().max(right.len()))
        .map(|index| at(left, index).cmp(&at(right, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let fits =
            |condition: &str, version| condition.parse::<RuntimeCondition>().expect("a condition").matches(version);
        assert!(fits(">=14.3", "14.3") && fits(">=14.3", "15.4.x-scala2.12") && !fits(">=14.3", "9.1"));
        assert!(fits(">=14.3, <16", "15.4") && !fits(">=14.3, <16", "16.0"));
        assert!(fits("15", "15.4") && !fits("15", "16.1") && fits("!=15", "16.1"));
        assert!(fits("<=15", "15.4") && !fits(">15", "15.4") && fits(">15", "16.4"));
    }

    #[test]
    fn an_invalid_condition_is_an_error() {
        for text in ["", "latest", ">=", "14.x"] {
            assert!(text.parse::<RuntimeCondition>().is_err(), "{text}");
        }
    }
}
