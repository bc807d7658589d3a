//! The stages of a node's start.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// When an entry runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum RunStage {
    /// During the launch.
    #[default]
    Launch,
    /// After the launch, when `ready` of `[post-start]` succeeds.
    PostStart,
}

impl RunStage {
    /// The stage as a profile names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::PostStart => "post-start",
        }
    }
}

/// Decisions about conditions, by file and position.
pub type Decisions = BTreeMap<String, bool>;
