//! A scope at its source: what all its secrets have in common, and where each of them is.

use std::{collections::BTreeMap, path::PathBuf};

use url::Url;

use super::Address;

/// The table that credstash uses unless told otherwise.
pub const CREDSTASH_TABLE: &str = "credential-store";
/// Where the vaults of Azure's public cloud are.
const VAULTS: &str = "vault.azure.net";

/// A scope at its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretScope {
    /// The scope.
    pub scope: String,
    /// Where its secrets come from.
    pub source: Source,
}

/// Where secrets come from, with what all of a scope have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Variables of the agent's environment.
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
    /// A table that credstash writes.
    Credstash {
        /// The table.
        table: String,
        /// Its region; the node's own without one.
        region: Option<String>,
        /// The encryption context.
        context: BTreeMap<String, String>,
    },
    /// AWS Secrets Manager.
    SecretsManager {
        /// The region; the node's own without one.
        region: Option<String>,
    },
    /// Parameters of AWS Systems Manager.
    ParameterStore {
        /// The region; the node's own without one.
        region: Option<String>,
    },
}

impl SecretScope {
    /// Where a key of the scope is; under another name, or in a version, where the source has such.
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

/// The variable that holds a secret unless another is named: `FAMILY_ANALYTICS_READ_ONLY`.
pub fn variable(scope: &str, key: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{scope}_{key}").chars().map(word).collect()
}

/// The address of a Key Vault, by its name or by the address itself where it is in another cloud.
pub fn key_vault(vault: &str) -> Option<Url> {
    let is_name = !vault.is_empty() && vault.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let address = if is_name { format!("https://{vault}.{VAULTS}") } else { vault.to_owned() };
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
    fn a_vault_is_named_or_written_out() {
        assert_eq!(key_vault("kv-family").expect("a name").as_str(), "https://kv-family.vault.azure.net/");
        assert!(key_vault("https://kv.vault.azure.cn").is_some());
        assert!(key_vault("http://kv.vault.azure.net").is_none(), "tokens go there");
    }

    #[test]
    fn names_at_the_source_are_made_of_scope_and_key() {
        let place = SecretScope { scope: "family".into(), source: Source::ParameterStore { region: None } };
        let named = |name| place.address("token", name, None);
        let parameter = |name: &str| Address::Parameter { region: None, name: name.into(), version: None };
        assert_eq!(named(None), parameter("/family/token"));
        assert_eq!(named(Some("/elsewhere")), parameter("/elsewhere"));
    }
}
