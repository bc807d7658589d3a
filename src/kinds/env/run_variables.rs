//! The environment of a run: the variables that programs of the run get, and that the agent's own requests use.

use std::collections::BTreeMap;

use super::{
    checked::{Change, Env},
    destinations::Destination,
};

impl Env {
    /// The changes of the run's environment, by name. `None` removes the variable. `present` is the environment that
    /// they would have otherwise.
    pub fn of_run(&self, present: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
        let before = |name: &str| present.get(name).filter(|value| !value.is_empty());
        let value = |name: &str, change: &Change| match change {
            Change::Set(value) => Some(value.clone()),
            Change::Prepend(path) => Some(before(name).map_or(path.clone(), |others| format!("{path}:{others}"))),
            Change::Append(path) => Some(before(name).map_or(path.clone(), |others| format!("{others}:{path}"))),
            // A secret goes to Spark only.
            Change::Secret(_) | Change::Absent => None,
        };
        let changed = |(name, entry): (&str, &crate::profile::Entry<super::checked::Variable>)| {
            (name.to_owned(), value(name, &entry.value.change))
        };
        self.of(Destination::Run).map(changed).collect()
    }
}
