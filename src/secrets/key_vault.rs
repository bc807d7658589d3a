//! Secrets of Azure Key Vault.

use url::Url;

use crate::{
    cloud::{CloudError, Clouds, azure::Vault},
    redact::Secret,
};

pub(super) async fn fetch(
    clouds: &Clouds,
    vault: &Url,
    name: &str,
    version: Option<&str>,
) -> Result<Secret, CloudError> {
    Vault::new(clouds.azure().await?, vault).secret(name, version).await
}

/// The names of all secrets of a vault, sorted, including disabled ones.
pub async fn names(clouds: &Clouds, vault: &Url) -> Result<Vec<String>, CloudError> {
    Vault::new(clouds.azure().await?, vault).names().await
}
