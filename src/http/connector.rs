//! Connects the crate `object_store` to nodeagent's HTTP client and credentials.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use object_store::{
    ClientOptions, CredentialProvider, Error,
    aws::AwsCredential,
    client::{
        HttpClient, HttpConnector, HttpError as CallError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    },
};
use url::Url;

use super::{
    address::{goes_direct, host_and_path},
    client::Client,
    error::{HttpError, HttpProblem},
};
use crate::redact::Secret;

/// AWS credentials to sign requests with.
#[derive(Debug, Clone)]
pub struct AwsKeys {
    /// The access key ID.
    pub id: String,
    /// The secret access key.
    pub secret: Secret,
    /// The session token of temporary credentials.
    pub token: Option<Secret>,
}

/// Returns the credentials that are valid now.
pub type KeySource = Arc<dyn Fn() -> BoxFuture<'static, Result<AwsKeys, String>> + Send + Sync>;

/// Implements the crate's credential provider.
pub(super) struct Provider(pub(super) KeySource);

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}

#[async_trait]
impl CredentialProvider for Provider {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let failed = |why: String| Error::Generic { store: "S3", source: why.into() };
        let text = |secret: &Secret| {
            String::from_utf8(secret.reveal().to_vec()).map_err(|_| failed("a key is not UTF-8 text".to_owned()))
        };
        let keys = (self.0)().await.map_err(failed)?;
        let token = keys.token.as_ref().map(text).transpose()?;
        Ok(Arc::new(AwsCredential { key_id: keys.id, secret_key: text(&keys.secret)?, token }))
    }
}

/// Implements the crate's HTTP connector.
#[derive(Debug, Clone)]
pub(super) struct SharedClient(pub(super) Arc<Client>);

impl HttpConnector for SharedClient {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for SharedClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let refused = |error: HttpError| CallError::new(HttpErrorKind::Unknown, error);
        let address = request.uri().to_string();
        let url = Url::parse(&address).map_err(|error| CallError::new(HttpErrorKind::Unknown, error))?;
        // Requests to the metadata service carry no credentials of nodeagent.
        if url.scheme() != "https" && !goes_direct(&url) {
            return Err(refused(HttpError::new(&url, HttpProblem::PlainText)));
        }
        #[cfg(any(test, fuzzing))]
        if let Some(response) = self.0.next_prepared_response(&url) {
            return response;
        }
        tracing::debug!("asks {} {}", request.method(), host_and_path(&url));
        let client = if goes_direct(&url) { self.0.direct(&url) } else { self.0.calling(&url) };
        HttpService::call(&client.map_err(refused)?, request).await
    }
}
