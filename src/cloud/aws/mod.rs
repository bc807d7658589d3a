//! An AWS account: credentials as the official chain finds them, and signed calls.
//!
//! The chain is our own, of documented calls, so that every request passes the one door and every failure has a cause;
//! the signature is `reqsign`'s.

mod caller_identity;
mod client;
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
pub use error::AwsError;
use serde::{Serialize, de::DeserializeOwned};
pub use service::{Service, is_region};
use tokio::sync::{Mutex, OnceCell};

use self::{
    client::{AwsClient, AwsRequest, secret},
    credentials::{CredentialProvider, Credentials, InstanceMetadata},
    settings::Settings,
};
use super::{ClientEnvironment, CloudError, CloudErrorKind};
use crate::{
    http::{self, Answer},
    redact::Secret,
};

/// An account, as somebody in it.
pub struct Account {
    client: AwsClient,
    provider: CredentialProvider,
    held: Mutex<Arc<Credentials>>,
    region: OnceCell<Result<String, CloudError>>,
    caller: OnceCell<Result<CallerIdentity, CloudError>>,
}

impl Account {
    pub(super) async fn connect(http: Arc<http::Client>, environment: &ClientEnvironment) -> Result<Self, CloudError> {
        let client = AwsClient { http, settings: Settings::read(environment)? };
        let provider = CredentialProvider::find(&client.settings)?;
        let held = Mutex::new(Arc::new(provider.fetch(&client).await?));
        Ok(Self { client, provider, held, region: OnceCell::new(), caller: OnceCell::new() })
    }

    /// Where the credentials come from, in words, such as ``the profile `family` ``.
    pub fn source(&self) -> &str {
        &self.provider.described
    }

    /// Who the node is here, by STS. It is asked once.
    pub async fn caller(&self) -> Result<CallerIdentity, CloudError> {
        let ask = || async {
            // Without a region anywhere, the STS that all of the partition share knows too.
            let region = match self.client.settings.region() {
                Some(region) => service::checked(region)?,
                None if self.provider.begins_at_the_instance() => self.region(None).await?,
                None => sts::default_region("").to_owned(),
            };
            let answer = self.ask(&AwsRequest::of_sts(&region, sts::WHO, &[])).await?;
            sts::caller(&answer)
        };
        self.caller.get_or_init(ask).await.clone()
    }

    /// Calls a service that speaks JSON. `region`: that of the call; the node's own without one.
    ///
    /// A refusal carries the service's code; one for want of rights says who asked.
    pub async fn call<T: DeserializeOwned>(
        &self,
        service: Service,
        action: &str,
        region: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T, AwsError> {
        let region = self.region(region).await?;
        let body = serde_json::to_vec(body).expect("our own types can be written");
        let answer = match self.ask(&AwsRequest { service, region: &region, action, body }).await {
            Ok(answer) => answer,
            Err(refusal) if refusal.error.kind == CloudErrorKind::Denied => return Err(self.denied(refusal).await),
            Err(refusal) => return Err(refusal),
        };
        // The parser's words may quote a secret.
        let unread =
            || CloudError::new(CloudErrorKind::Malformed, format!("the answer of {} makes no sense", service.name()));
        answer.json().map_err(|_| unread().hint("check the endpoint: a proxy may stand in between").into())
    }

    /// The region of a call: the one named, else that of variables, of the profile, of the instance.
    pub async fn region(&self, named: Option<&str>) -> Result<String, CloudError> {
        if let Some(region) = named {
            return service::checked(region);
        }
        let find = || async {
            if let Some(region) = self.client.settings.region() {
                return service::checked(region);
            }
            let of_instance = match InstanceMetadata::of(&self.client) {
                Ok(metadata) if !self.client.settings.says_yes("AWS_EC2_METADATA_DISABLED") => metadata.region().await,
                _ => None,
            };
            of_instance.map_or_else(|| Err(no_region()), |region| service::checked(&region))
        };
        self.region.get_or_init(find).await.clone()
    }

    /// Asks with credentials that are good; once more with newer ones when the service says that they are not.
    async fn ask(&self, question: &AwsRequest<'_>) -> Result<Answer, AwsError> {
        let used = self.credentials().await?;
        match self.client.ask(question, Some(&used), self.source()).await {
            Err(refusal) if refusal.is_expiry() && self.provider.renews() => {
                let newer = self.renewed(&used).await?;
                self.client.ask(question, Some(&newer), self.source()).await
            }
            ended => ended,
        }
    }

    /// The keys that requests of others to sign are signed with: those of the store in S3.
    pub async fn keys(&self) -> Result<http::AwsKeys, CloudError> {
        let held = self.credentials().await?;
        Ok(http::AwsKeys { id: held.key.clone(), secret: held.secret.clone(), token: held.token.clone() })
    }

    /// Where S3 is, when the configuration names another address than Amazon's.
    pub fn s3_endpoint(&self) -> Option<&str> {
        self.client.settings.endpoint("S3")
    }

    /// The credentials, fetched anew shortly before they end. While they are good, a failure to do so is none.
    async fn credentials(&self) -> Result<Arc<Credentials>, CloudError> {
        let mut held = self.held.lock().await;
        if held.are_fresh() || !self.provider.renews() {
            return Ok(Arc::clone(&held));
        }
        match self.provider.fetch(&self.client).await {
            Ok(newer) => *held = Arc::new(newer),
            Err(_) if held.are_valid() => {}
            Err(error) => return Err(error),
        }
        Ok(Arc::clone(&held))
    }

    /// Others than those that were rejected. Callers that were rejected together share one renewal.
    async fn renewed(&self, rejected: &Arc<Credentials>) -> Result<Arc<Credentials>, CloudError> {
        let mut held = self.held.lock().await;
        if Arc::ptr_eq(&held, rejected) {
            *held = Arc::new(self.provider.fetch(&self.client).await?);
        }
        Ok(Arc::clone(&held))
    }

    /// Says who was denied: whoever may help asks for that first.
    async fn denied(&self, refusal: AwsError) -> AwsError {
        let Ok(caller) = self.caller().await else { return refusal };
        let who = caller.described();
        let action = refusal.error.message.strip_prefix("AWS denies ").unwrap_or_default().to_owned();
        let message = format!("{} to {who}", refusal.error.message);
        let hint = format!("ask whoever keeps the account to allow {action} to {who}");
        AwsError { error: CloudError { message, hint: Some(hint), ..refusal.error }, ..refusal }
    }
}

/// For answers that hold a secret: takes a value in as what it is.
pub(crate) fn as_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    secret(from)
}

fn no_region() -> CloudError {
    CloudError::new(CloudErrorKind::NotConfigured, "no region of AWS is known").hint(
        "name one: `region` in `[secrets]`, AWS_REGION, AWS_DEFAULT_REGION, or `region` in the profile of ~/.aws/config",
    )
}
