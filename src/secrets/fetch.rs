//! Fetches secrets from their sources.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};

use super::{Address, SecretError, aws, credstash, databricks, key_vault, local};
use crate::{cloud::Clouds, redact::Secret};

/// The number of secrets that are fetched at the same time.
pub(super) const CONCURRENCY: usize = 16;

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

/// Fetches secrets concurrently. Returns the result for each address.
pub async fn fetch_all<'a>(
    addresses: impl IntoIterator<Item = &'a Address>,
    clouds: &Clouds,
) -> BTreeMap<Address, Result<Secret, SecretError>> {
    let each = |address: &'a Address| async move { (address.clone(), fetch(address, clouds).await) };
    stream::iter(addresses).map(each).buffer_unordered(CONCURRENCY).collect().await
}
