//! A scope at its source, and the addresses of its secrets.

use std::{collections::BTreeMap, path::PathBuf};

use url::Url;

use super::{address::Address, source_name::SourceName};

/// The default table of credstash.
pub const CREDSTASH_TABLE: &str = "credential-store";
/// The domain of vaults in Azure's public cloud.
const VAULT_DOMAIN: &str = "vault.azure.net";

/// A scope at its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretScope {
    /// The name of the scope.
    pub scope: String,
    /// The source of its secrets.
    pub source: Source,
}

/// A source, with the settings that all secrets of a scope have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Environment variables of nodeagent.
    Env,
    /// Files `FOLDER/SCOPE/KEY`.
    File {
        /// The folder of all scopes.
        folder: PathBuf,
    },
    /// A scope of the Databricks workspace.
    Databricks,
    /// An Azure Key Vault.
    KeyVault {
        /// Its address.
        vault: Url,
    },
    /// A table of credstash.
    Credstash {
        /// The table.
        table: String,
        /// The region. `None` is the region of the node.
        region: Option<String>,
        /// The encryption context.
        context: BTreeMap<String, String>,
    },
    /// AWS Secrets Manager.
    SecretsManager {
        /// The region. `None` is the region of the node.
        region: Option<String>,
    },
    /// Parameters of AWS Systems Manager.
    ParameterStore {
        /// The region. `None` is the region of the node.
        region: Option<String>,
    },
}

impl Source {
    /// The name of the source.
    pub fn name(&self) -> SourceName {
        match self {
            Self::Databricks => SourceName::Databricks,
            Self::KeyVault { .. } => SourceName::AzureKeyVault,
            Self::Credstash { .. } => SourceName::Credstash,
            Self::SecretsManager { .. } => SourceName::AwsSecretsManager,
            Self::ParameterStore { .. } => SourceName::AwsParameterStore,
            Self::Env => SourceName::Env,
            Self::File { .. } => SourceName::File,
        }
    }
}

impl SecretScope {
    /// The address of a key. `name` replaces the name that is made of scope and key. Sources without versions ignore
    /// `version`.
    pub fn address(&self, key: &str, name: Option<&str>, version: Option<&str>) -> Address {
        let scope = &self.scope;
        let path = || name.map_or_else(|| format!("{scope}/{key}"), str::to_owned);
        let version = version.map(str::to_owned);
        match self.source.clone() {
            Source::Env => Address::Variable(name.map_or_else(|| variable(scope, key), str::to_owned)),
            Source::File { folder } => Address::File(folder.join(scope).join(key)),
            Source::Databricks => Address::Databricks { scope: scope.clone(), key: key.to_owned() },
            Source::KeyVault { vault } => Address::KeyVault { vault, name: name.unwrap_or(key).to_owned(), version },
            Source::Credstash { table, region, context } => {
                Address::Credstash { table, region, name: path(), version, context }
            }
            Source::SecretsManager { region } => Address::SecretsManager { region, id: path(), version },
            Source::ParameterStore { region } => {
                let name = name.map_or_else(|| format!("/{scope}/{key}"), str::to_owned);
                Address::Parameter { region, name, version }
            }
        }
    }
}

/// The default variable of a secret, such as `FAMILY_ANALYTICS_READ_ONLY`.
pub fn variable(scope: &str, key: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{scope}_{key}").chars().map(word).collect()
}

/// The address of a Key Vault. `vault` is a name in Azure's public cloud, or an https address in any cloud.
pub fn key_vault(vault: &str) -> Option<Url> {
    let is_name = !vault.is_empty() && vault.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let address = if is_name { format!("https://{vault}.{VAULT_DOMAIN}") } else { vault.to_owned() };
    Url::parse(&address).ok().filter(|url| url.scheme() == "https" && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_variable_is_scope_and_key_in_capitals() {
        assert_eq!(variable("family", "analytics-read-only"), "FAMILY_ANALYTICS_READ_ONLY");
    }

    #[test]
    fn a_vault_is_a_name_or_an_https_address() {
        assert_eq!(key_vault("kv-family").expect("a name").as_str(), "https://kv-family.vault.azure.net/");
        assert!(key_vault("https://kv.vault.azure.cn").is_some());
        assert!(key_vault("http://kv.vault.azure.net").is_none(), "tokens are sent to it");
    }

    #[test]
    fn the_default_name_consists_of_scope_and_key() {
        let scope = SecretScope { scope: "family".into(), source: Source::ParameterStore { region: None } };
        let named = |name| scope.address("token", name, None);
        let parameter = |name: &str| Address::Parameter { region: None, name: name.into(), version: None };
        assert_eq!(named(None), parameter("/family/token"));
        assert_eq!(named(Some("/elsewhere")), parameter("/elsewhere"));
    }
}
