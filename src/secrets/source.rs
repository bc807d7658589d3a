//! The sources of secrets, by the names that profiles, access files and the audit log use.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, Source};

/// A source of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum SourceName {
    /// A scope of the workspace.
    Databricks,
    /// A vault.
    AzureKeyVault,
    /// A table of credstash.
    Credstash,
    /// AWS Secrets Manager.
    AwsSecretsManager,
    /// AWS Systems Manager's parameters.
    AwsParameterStore,
    /// The agent's environment.
    Env,
    /// A folder.
    File,
}
use SourceName::{AwsParameterStore, AwsSecretsManager, AzureKeyVault, Credstash, Databricks, Env, File};

impl SourceName {
    /// As it is written.
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

    /// The source by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }

    /// The source of a scope.
    pub fn of(source: &Source) -> Self {
        match source {
            Source::Databricks => Databricks,
            Source::KeyVault { .. } => AzureKeyVault,
            Source::Credstash { .. } => Credstash,
            Source::SecretsManager { .. } => AwsSecretsManager,
            Source::ParameterStore { .. } => AwsParameterStore,
            Source::Env => Env,
            Source::File { .. } => File,
        }
    }

    /// The source of a secret.
    pub fn of_address(address: &Address) -> Self {
        match address {
            Address::Variable(_) => Env,
            Address::File(_) => File,
            Address::Databricks { .. } => Databricks,
            Address::KeyVault { .. } => AzureKeyVault,
            Address::Credstash { .. } => Credstash,
            Address::SecretsManager { .. } => AwsSecretsManager,
            Address::Parameter { .. } => AwsParameterStore,
        }
    }
}
