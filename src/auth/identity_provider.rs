//! The services that authenticate a node.

use serde::Serialize;

/// A service that can authenticate the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityProvider {
    /// A Databricks workspace.
    Databricks,
    /// An AWS account.
    Aws,
    /// An Azure tenant.
    Azure,
}

impl IdentityProvider {
    /// All identity providers.
    pub const ALL: [Self; 3] = [Self::Databricks, Self::Aws, Self::Azure];

    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Databricks => "databricks",
            Self::Aws => "aws",
            Self::Azure => "azure",
        }
    }
}
