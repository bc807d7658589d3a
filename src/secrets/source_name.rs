//! The names of the sources of secrets, in profiles, access files and the audit log.

use schemars::JsonSchema;
use serde::Deserialize;

/// A source of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum SourceName {
    /// A scope of the Databricks workspace.
    Databricks,
    /// An Azure Key Vault.
    AzureKeyVault,
    /// A table of credstash.
    Credstash,
    /// AWS Secrets Manager.
    AwsSecretsManager,
    /// Parameters of AWS Systems Manager.
    AwsParameterStore,
    /// Environment variables of nodeagent.
    Env,
    /// Files in a folder.
    File,
}
use SourceName::{AwsParameterStore, AwsSecretsManager, AzureKeyVault, Credstash, Databricks, Env, File};

impl SourceName {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Databricks => "databricks",
            AzureKeyVault => "azure-key-vault",
            Credstash => "credstash",
            AwsSecretsManager => "aws-secrets-manager",
            AwsParameterStore => "aws-parameter-store",
            Env => "env",
            File => "file",
        }
    }

    /// Every source.
    pub const ALL: [Self; 7] = [Databricks, AzureKeyVault, Credstash, AwsSecretsManager, AwsParameterStore, Env, File];

    /// The source with a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}
