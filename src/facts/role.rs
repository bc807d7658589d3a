//! The role of a node in its cluster.

use serde::Serialize;

/// The role of a node in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The driver.
    Driver,
    /// A worker.
    Worker,
}

impl Role {
    /// The name in profiles.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Worker => "worker",
        }
    }
}
