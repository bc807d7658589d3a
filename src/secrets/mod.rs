//! Where secrets come from: one file a source. All of a run are fetched at the same time.

pub mod aws;
pub mod credstash;
pub mod databricks;
mod error;
pub mod file_formats;
mod key_vault;
mod keys;
mod local;
mod scope;
mod source;

use std::{collections::BTreeMap, fmt, path::PathBuf};

pub use error::SecretError;
use futures::{StreamExt as _, stream};
pub use key_vault::names as key_vault_names;
pub use keys::{keys, probe_all};
pub use scope::{CREDSTASH_TABLE, SecretScope, Source, key_vault, variable};
pub use source::SourceName;

use crate::cloud::Clouds;
pub use crate::{cloud::aws::is_region, redact::Secret};

/// Secrets that are fetched at once.
const AT_ONCE: usize = 16;

/// Where one secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// A variable of the agent's environment.
    Variable(String),
    /// A file `FOLDER/SCOPE/KEY`.
    File(PathBuf),
    /// A key of a scope of the Databricks workspace.
    Databricks {
        /// The scope.
        scope: String,
        /// The key.
        key: String,
    },
    /// A secret of an Azure Key Vault.
    KeyVault {
        /// The vault's address, such as `https://family.vault.azure.net`.
        vault: url::Url,
        /// The secret's name.
        name: String,
        /// Its version; the latest without one.
        version: Option<String>,
    },
    /// A secret that credstash wrote: an item of a `DynamoDB` table, its key by KMS.
    Credstash {
        /// The table.
        table: String,
        /// Its region; the node's own without one.
        region: Option<String>,
        /// The secret's name.
        name: String,
        /// Its version as credstash writes it; the latest without one.
        version: Option<String>,
        /// The encryption context it was written with.
        context: BTreeMap<String, String>,
    },
    /// A secret of AWS Secrets Manager.
    SecretsManager {
        /// The region; the node's own without one.
        region: Option<String>,
        /// The secret's name or ARN.
        id: String,
        /// Its version's stage or id; `AWSCURRENT` without one.
        version: Option<String>,
    },
    /// A parameter of AWS Systems Manager.
    Parameter {
        /// The region; the node's own without one.
        region: Option<String>,
        /// The parameter's name.
        name: String,
        /// Its version; the latest without one.
        version: Option<String>,
    },
}

/// `SOURCE:PLACE`, such as `databricks:family/token` or `credstash:credential-store/family/token`: as people write it in
/// an access file and read it in the audit log. It names the secret, not its value; version and region are left out.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", SourceName::of_address(self).name())?;
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

/// Fetches a secret.
pub async fn fetch(address: &Address, clouds: &Clouds) -> Result<Secret, SecretError> {
    match address {
        Address::Variable(name) => local::from_variable(name, &clouds.environment.variables),
        Address::File(path) => local::from_file(path).await,
        Address::Databricks { scope, key } => Ok(databricks::fetch(clouds, scope, key).await?),
        Address::KeyVault { vault, name, version } => {
            Ok(key_vault::fetch(clouds, vault, name, version.as_deref()).await?)
        }
        Address::Credstash { table, region, name, version, context } => {
            let item =
                credstash::ItemRef { table, region: region.as_deref(), name, version: version.as_deref(), context };
            Ok(credstash::fetch(clouds, item).await?)
        }
        Address::SecretsManager { region, id, version } => {
            Ok(aws::secret(clouds, region.as_deref(), id, version.as_deref()).await?)
        }
        Address::Parameter { region, name, version } => {
            Ok(aws::parameter(clouds, region.as_deref(), name, version.as_deref()).await?)
        }
    }
}

/// Fetches secrets at the same time; each comes back with its address.
pub async fn fetch_all<'a>(
    addresses: impl IntoIterator<Item = &'a Address>,
    clouds: &Clouds,
) -> BTreeMap<Address, Result<Secret, SecretError>> {
    let each = |address: &'a Address| async move { (address.clone(), fetch(address, clouds).await) };
    stream::iter(addresses).map(each).buffer_unordered(AT_ONCE).collect().await
}
