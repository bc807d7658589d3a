//! Opens buckets of S3 and Google and containers of Azure with the node's identity.

use std::sync::Arc;

use futures::FutureExt as _;
use url::Url;

use super::{CloudError, Clouds};
use crate::http::{Bucket, BucketAccess, BucketError, KeySource};

/// Settings that would make the library start `az`, which would inherit the whole environment.
const STARTS_A_PROGRAM: [&str; 2] = ["AZURE_USE_AZURE_CLI", "AZURE_CREDENTIAL_TYPE"];

/// Opens the bucket of an address. Sends no request to the bucket yet.
///
/// # Errors
/// If the address or the settings are invalid, or the node has no identity.
pub async fn open_bucket(clouds: &Arc<Clouds>, url: &Url) -> Result<Bucket, BucketError> {
    let access = match url.scheme() {
        "s3" | "s3a" => s3(clouds).await?,
        scheme => {
            let prefix = if scheme == "gs" { "GOOGLE_" } else { "AZURE_" };
            let variables = clouds.environment.variables.iter();
            let settings = variables.filter(|(name, value)| {
                name.starts_with(prefix) && !value.is_empty() && !STARTS_A_PROGRAM.contains(&name.as_str())
            });
            BucketAccess::Settings(settings.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
    };
    Bucket::open(&clouds.http, url, access)
}

/// Credentials, region and endpoint of S3, from the same chain as for secrets.
async fn s3(clouds: &Arc<Clouds>) -> Result<BucketAccess, BucketError> {
    let unusable = |error: CloudError| BucketError::Failed(error.to_string());
    let account = clouds.aws().await.map_err(unusable)?;
    let region = account.region(None).await.map_err(unusable)?;
    let endpoint = account.s3_endpoint().map(str::to_owned);
    let clouds = Arc::clone(clouds);
    let keys = Arc::new(move || {
        let clouds = Arc::clone(&clouds);
        async move {
            let account = clouds.aws().await.map_err(|error| error.to_string())?;
            account.keys().await.map_err(|error| error.to_string())
        }
        .boxed()
    });
    Ok(BucketAccess::S3 { region, endpoint, keys: keys as KeySource })
}
