//! Ties the crate `object_store` to our own client and our own credentials.

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

/// AwsKeys of AWS, as requests are signed with.
#[derive(Debug, Clone)]
pub struct AwsKeys {
    /// The access key's id.
    pub id: String,
    /// The secret key.
    pub secret: Secret,
    /// The session's token, when they are a session's.
    pub token: Option<Secret>,
}

/// Gives the keys that are good now.
pub type KeySource = Arc<dyn Fn() -> BoxFuture<'static, Result<AwsKeys, String>> + Send + Sync>;

/// AwsKeys in the form that the crate wants.
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
            String::from_utf8(secret.reveal().to_vec()).map_err(|_| failed("a key is no text".to_owned()))
        };
        let keys = (self.0)().await.map_err(failed)?;
        let token = keys.token.as_ref().map(text).transpose()?;
        Ok(Arc::new(AwsCredential { key_id: keys.id, secret_key: text(&keys.secret)?, token }))
    }
}

/// Our own client, as the crate wants one.
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
        // Requests to the link's own metadata service carry none of our credentials.
        if url.scheme() != "https" && !goes_direct(&url) {
            return Err(refused(HttpError::new(&url, HttpProblem::PlainText)));
        }
        tracing::debug!("asks {} {}", request.method(), host_and_path(&url));
        let client = if goes_direct(&url) { self.0.direct(&url) } else { self.0.calling(&url) };
        HttpService::call(client.map_err(refused)?, request).await
    }
}
