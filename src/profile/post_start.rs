//! The work after the launch. Its entries wait until a probe succeeds.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    probe::{Probe, ProbeCheck},
    stage::Decisions,
};
use crate::{
    diagnostic::Origin,
    facts::{NodeFacts, Platform, Role},
};

/// The file that the driver of Databricks writes when it has started.
const DRIVER_ENVIRONMENT: &str = "/tmp/driver-env.sh";
/// The time limit of `ready`, by default.
pub(super) const READY_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The work of a profile after the launch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostStart {
    /// The names of its entries, as in `after`, with their lines. Only entries that apply to the node.
    pub entries: BTreeMap<String, Origin>,
    /// The test that the node is ready for them.
    pub ready: Option<Ready>,
    /// The decisions about conditions, by file and position. The later stage uses those of the launch.
    pub decisions: Decisions,
}

/// The test that the node is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The test.
    pub probe: Probe,
    /// The profile line.
    pub origin: Origin,
}

impl PostStart {
    /// Whether an entry runs after the launch.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The same with the values of a profile that extends this one.
    pub(super) fn under(mut self, child: Self) -> Self {
        self.entries.extend(child.entries);
        Self { entries: self.entries, ready: child.ready.or(self.ready), decisions: child.decisions }
    }

    /// Adds the default of `ready`. False if the node has none.
    pub(super) fn complete(&mut self, facts: &NodeFacts) -> bool {
        let is_driver = facts.platform == Platform::Databricks && facts.role == Some(Role::Driver);
        if let (None, true, Some(origin)) = (&self.ready, is_driver, self.entries.values().next()) {
            let check = ProbeCheck::Path { path: PathBuf::from(DRIVER_ENVIRONMENT), pattern: None };
            let probe = Probe { check, timeout: READY_TIMEOUT };
            self.ready = Some(Ready { probe, origin: origin.clone() });
        }
        self.entries.is_empty() || self.ready.is_some()
    }
}
