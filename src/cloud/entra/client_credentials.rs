//! The OAuth 2.0 client credentials flow: an application gets an access token for its secret, or for a token of an
//! issuer that it trusts.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::{path::Path, time::Duration};

use secrecy::zeroize::Zeroizing;
use url::Url;

use super::{VariableNames, application::Application, refusal};
use crate::{
    cloud::{CloudError, CloudErrorKind, client_environment::read_token},
    http::{Answer, Client, Request, RetryPolicy},
    redact::Secret,
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// No answer with a token is larger than this, in bytes.
const LIMIT: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);
const RETRYING: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(30),
    statuses: &[429, 500, 502, 503, 504],
    first: Duration::from_millis(500),
};

/// How the application proves its identity.
#[derive(Clone, Copy)]
pub(in crate::cloud) enum Proof<'a> {
    /// A client secret.
    Secret(&'a Secret),
    /// A file that contains a token of an issuer that the application trusts. It is read for each request, because the
    /// issuer replaces it.
    AssertionFile(&'a Path),
}

/// The service that accepts the token.
#[derive(Clone, Copy)]
pub(in crate::cloud) enum Audience<'a> {
    /// A resource, for version 1 of the endpoint. The Databricks clients use it.
    Resource(&'a str),
    /// A resource, requested as the scope `RESOURCE/.default` of version 2. Azure's clients use it.
    Scope(&'a str),
}

/// A request for an access token.
pub(in crate::cloud) struct TokenRequest<'a> {
    /// The sign-in server, such as `https://login.microsoftonline.com`.
    pub(in crate::cloud) authority: &'a Url,
    pub(in crate::cloud) application: &'a Application,
    pub(in crate::cloud) proof: Proof<'a>,
    pub(in crate::cloud) audience: Audience<'a>,
    /// The variables that hints name.
    pub(in crate::cloud) variables: VariableNames,
}

impl TokenRequest<'_> {
    /// Sends the request. Returns the successful answer, which contains the token.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses the application or its proof.
    pub(in crate::cloud) async fn send(&self, http: &Client) -> Result<Answer, CloudError> {
        match self.proof {
            Proof::Secret(secret) => {
                let secret = Zeroizing::new(String::from_utf8_lossy(secret.reveal()).into_owned());
                self.post(http, &[("client_secret", &secret)]).await
            }
            Proof::AssertionFile(file) => {
                let assertion = assertion(file)?;
                let text =
                    std::str::from_utf8(assertion.reveal()).map_err(|_| unusable(file, "it is not UTF-8 text"))?;
                self.post(http, &[("client_assertion_type", JWT_BEARER), ("client_assertion", text)]).await
            }
        }
    }

    async fn post(&self, http: &Client, proof: &[(&str, &str)]) -> Result<Answer, CloudError> {
        let (version, audience) = match self.audience {
            Audience::Resource(resource) => (None, ("resource", resource.to_owned())),
            Audience::Scope(resource) => (Some("v2.0"), ("scope", format!("{resource}/.default"))),
        };
        let mut url = self.authority.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend([self.application.tenant.as_str(), "oauth2"]).extend(version).push("token");
        }
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", self.application.client.as_str()),
            (audience.0, audience.1.as_str()),
        ];
        let request =
            Request::form(url, &[&fields[..], proof].concat()).limit(LIMIT).timeout(TIMEOUT).retrying(RETRYING);
        let answer = http.call(&request).await.map_err(|error| CloudError::unanswered(refusal::SERVICE, &error))?;
        if answer.is_success() {
            return Ok(answer);
        }
        Err(refusal::refused(self.application, self.variables, &answer))
    }
}

fn assertion(file: &Path) -> Result<Secret, CloudError> {
    let text = Zeroizing::new(read_token(file).map_err(|error| unusable(file, &error.to_string()))?);
    let assertion = Secret::new(text.trim_ascii().to_vec());
    if assertion.reveal().is_empty() { Err(unusable(file, "it is empty")) } else { Ok(assertion) }
}

fn unusable(file: &Path, reason: &str) -> CloudError {
    let message = format!("the token file `{}` could not be used", file.display());
    CloudError::new(CloudErrorKind::NotConfigured, message).detail(reason).hint("check `AZURE_FEDERATED_TOKEN_FILE`")
}
