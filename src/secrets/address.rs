//! The addresses of secrets at their sources.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use super::source_name::SourceName;

/// The address of one secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// An environment variable of nodeagent.
    Variable(String),
    /// A file `FOLDER/SCOPE/KEY`.
    File(PathBuf),
    /// A key in a scope of the Databricks workspace.
    Databricks {
        /// The scope.
        scope: String,
        /// The key.
        key: String,
    },
    /// A secret of an Azure Key Vault.
    KeyVault {
        /// The address of the vault, such as `https://family.vault.azure.net`.
        vault: url::Url,
        /// The secret's name.
        name: String,
        /// The version. `None` is the latest one.
        version: Option<String>,
    },
    /// A secret of credstash: an item in a `DynamoDB` table, encrypted with a key of KMS.
    Credstash {
        /// The table.
        table: String,
        /// The region. `None` is the region of the node.
        region: Option<String>,
        /// The secret's name.
        name: String,
        /// The version, as credstash writes it. `None` is the latest one.
        version: Option<String>,
        /// The encryption context that the secret was written with.
        context: BTreeMap<String, String>,
    },
    /// A secret of AWS Secrets Manager.
    SecretsManager {
        /// The region. `None` is the region of the node.
        region: Option<String>,
        /// The name or the ARN.
        id: String,
        /// The stage or the id of the version. `None` is `AWSCURRENT`.
        version: Option<String>,
    },
    /// A parameter of AWS Systems Manager.
    Parameter {
        /// The region. `None` is the region of the node.
        region: Option<String>,
        /// The parameter's name.
        name: String,
        /// The version. `None` is the latest one.
        version: Option<String>,
    },
}

/// `SOURCE:PLACE`, such as `databricks:family/token` or `credstash:credential-store/family/token`: the form in access
/// files and in the audit log. Version and region are omitted.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.source().name())?;
        match self {
            Self::Variable(name) | Self::SecretsManager { id: name, .. } | Self::Parameter { name, .. } => {
                f.write_str(name)
            }
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Databricks { scope, key } => write!(f, "{scope}/{key}"),
            Self::KeyVault { vault, name, .. } => {
                let port = vault.port().map(|port| format!(":{port}")).unwrap_or_default();
                write!(f, "{}{port}/{name}", vault.host_str().unwrap_or_default())
            }
            Self::Credstash { table, name, .. } => write!(f, "{table}/{name}"),
        }
    }
}

impl Address {
    /// The source of the secret.
    pub fn source(&self) -> SourceName {
        match self {
            Self::Variable(_) => SourceName::Env,
            Self::File(_) => SourceName::File,
            Self::Databricks { .. } => SourceName::Databricks,
            Self::KeyVault { .. } => SourceName::AzureKeyVault,
            Self::Credstash { .. } => SourceName::Credstash,
            Self::SecretsManager { .. } => SourceName::AwsSecretsManager,
            Self::Parameter { .. } => SourceName::AwsParameterStore,
        }
    }
}
