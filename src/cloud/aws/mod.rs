//! An AWS account: credentials from the standard provider chain, and signed calls.
//!
//! The chain is implemented here, not by the AWS SDK, so that every request uses `http` and every error has a hint.
//! `reqsign` computes the signature.

mod caller_identity;
mod client;
mod credential_types;
mod credentials;
mod error;
mod service;
mod settings;
mod sts;
#[cfg(test)]
mod tests;
mod xml;

use std::sync::Arc;

pub use caller_identity::CallerIdentity;
pub(crate) use credential_types::deserialize_secret;
pub use error::AwsError;
use serde::{Serialize, de::DeserializeOwned};
pub use service::{Service, is_region};
use tokio::sync::{Mutex, OnceCell};

use self::{
    client::{AwsClient, AwsRequest},
    credential_types::Credentials,
    credentials::{CredentialProvider, InstanceMetadata, find_provider},
    settings::Settings,
};
use super::{ClientEnvironment, CloudError, CloudErrorKind};
use crate::http::{self, Answer};

/// An account, accessed with the identity of the node.
pub struct Account {
    client: AwsClient,
    provider: CredentialProvider,
    credentials: Mutex<Arc<Credentials>>,
    region: OnceCell<Result<String, CloudError>>,
    caller: OnceCell<Result<CallerIdentity, CloudError>>,
}

impl Account {
    pub(super) async fn connect(http: Arc<http::Client>, environment: &ClientEnvironment) -> Result<Self, CloudError> {
        let client = AwsClient { http, settings: Settings::read(environment)? };
        let provider = find_provider(&client.settings)?;
        let credentials = Mutex::new(Arc::new(provider.fetch(&client).await?));
        Ok(Self { client, provider, credentials, region: OnceCell::new(), caller: OnceCell::new() })
    }

    /// The origin of the credentials, for messages, such as ``the profile `family` ``.
    pub fn source(&self) -> &str {
        &self.provider.description
    }

    /// The identity of the node. STS is asked once.
    pub async fn caller(&self) -> Result<CallerIdentity, CloudError> {
        let ask = || async {
            // Without a configured region, use the default STS of the partition.
            let region = match self.client.settings.region() {
                Some(region) => service::checked(region)?,
                None if self.provider.is_instance() => self.region(None).await?,
                None => sts::default_region("").to_owned(),
            };
            let answer = self.send(&AwsRequest::sts(&region, sts::GET_CALLER_IDENTITY, &[])).await?;
            sts::caller(&answer)
        };
        self.caller.get_or_init(ask).await.clone()
    }

    /// Calls a service with a JSON protocol. Without `region`, the call goes to the region of the node.
    ///
    /// # Errors
    /// The error of the service, with its code. If access is denied, the error names the caller.
    pub async fn call<T: DeserializeOwned>(
        &self,
        service: Service,
        action: &str,
        region: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T, AwsError> {
        let region = self.region(region).await?;
        let body = serde_json::to_vec(body).expect("the request types serialize to JSON");
        let answer = match self.send(&AwsRequest { service, region: &region, action, body }).await {
            Ok(answer) => answer,
            Err(error) if error.error.kind == CloudErrorKind::Denied => return Err(self.denied(error).await),
            Err(error) => return Err(error),
        };
        // The parser's message is dropped: it may quote a secret.
        let malformed =
            || CloudError::new(CloudErrorKind::Malformed, format!("the answer of {} is malformed", service.name()));
        answer.json().map_err(|_| malformed().hint("check the endpoint: a proxy may have answered").into())
    }

    /// The region of a call: `region`, else the region of the variables, of the profile or of the instance.
    pub async fn region(&self, region: Option<&str>) -> Result<String, CloudError> {
        if let Some(region) = region {
            return service::checked(region);
        }
        let find = || async {
            if let Some(region) = self.client.settings.region() {
                return service::checked(region);
            }
            let instance_region = match InstanceMetadata::of(&self.client) {
                Ok(metadata) if !self.client.settings.is_true("AWS_EC2_METADATA_DISABLED") => metadata.region().await,
                _ => None,
            };
            instance_region.map_or_else(|| Err(no_region()), |region| service::checked(&region))
        };
        self.region.get_or_init(find).await.clone()
    }

    /// Sends a request. If the service says that the credentials have expired, renews them and sends it once more.
    async fn send(&self, request: &AwsRequest<'_>) -> Result<Answer, AwsError> {
        let used = self.credentials().await?;
        match self.client.send(request, Some(&used), self.source()).await {
            Err(error) if error.is_expiry() && self.provider.is_renewable() => {
                let newer = self.renewed(&used).await?;
                self.client.send(request, Some(&newer), self.source()).await
            }
            ended => ended,
        }
    }

    /// The keys that sign requests to S3.
    pub async fn keys(&self) -> Result<http::AwsKeys, CloudError> {
        let Credentials { key, secret, token, .. } = (*self.credentials().await?).clone();
        Ok(http::AwsKeys { id: key, secret, token })
    }

    /// The configured endpoint of S3, if it is not Amazon's.
    pub fn s3_endpoint(&self) -> Option<&str> {
        self.client.settings.endpoint("S3")
    }

    /// The credentials. They are renewed shortly before they expire. While they are valid, a failed renewal is ignored.
    async fn credentials(&self) -> Result<Arc<Credentials>, CloudError> {
        let mut held = self.credentials.lock().await;
        if held.are_fresh() || !self.provider.is_renewable() {
            return Ok(Arc::clone(&held));
        }
        match self.provider.fetch(&self.client).await {
            Ok(newer) => *held = Arc::new(newer),
            Err(_) if held.are_valid() => {}
            Err(error) => return Err(error),
        }
        Ok(Arc::clone(&held))
    }

    /// New credentials in place of rejected ones. Concurrent callers share one renewal.
    async fn renewed(&self, rejected: &Arc<Credentials>) -> Result<Arc<Credentials>, CloudError> {
        let mut held = self.credentials.lock().await;
        if Arc::ptr_eq(&held, rejected) {
            *held = Arc::new(self.provider.fetch(&self.client).await?);
        }
        Ok(Arc::clone(&held))
    }

    /// Adds the caller to an error: the owner of the account needs it to grant access.
    async fn denied(&self, denied: AwsError) -> AwsError {
        let Ok(caller) = self.caller().await else { return denied };
        let caller = caller.description();
        let action = denied.error.message.strip_prefix("AWS denies ").unwrap_or_default().to_owned();
        let message = format!("{} to {caller}", denied.error.message);
        let hint = format!("ask the owner of the account to allow {action} to {caller}");
        AwsError { error: CloudError { message, hint: Some(hint), ..denied.error }, ..denied }
    }
}

/// The value of a key of the instance's metadata. `None` if the service has no such key.
pub(super) async fn metadata(
    http: &Arc<http::Client>,
    environment: &ClientEnvironment,
    key: &str,
) -> Result<Option<String>, CloudError> {
    let client = AwsClient { http: Arc::clone(http), settings: Settings::read(environment)? };
    InstanceMetadata::of(&client)?.value(key).await
}

fn no_region() -> CloudError {
    CloudError::new(CloudErrorKind::NotConfigured, "no AWS region is configured").hint(
        "set one of: `region` in `[secrets]`, AWS_REGION, AWS_DEFAULT_REGION, or `region` in the profile of ~/.aws/config",
    )
}
