//! Azure Key Vault.

use url::Url;

use crate::{
    cloud::{CloudError, Clouds},
    redact::Secret,
};

pub(super) async fn fetch(
    clouds: &Clouds,
    vault: &Url,
    name: &str,
    version: Option<&str>,
) -> Result<Secret, CloudError> {
    clouds.azure().await?.vault(vault).secret(name, version).await
}

/// The names of all secrets of a vault, in order, also of those that are disabled.
pub async fn names(clouds: &Clouds, vault: &Url) -> Result<Vec<String>, CloudError> {
    clouds.azure().await?.vault(vault).names().await
}
