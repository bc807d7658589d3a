//! Credentials of a container: a task of ECS or a pod of EKS
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>).

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use crate::{
    cloud::{
        CloudError, CloudErrorKind,
        aws::{
            credential_types::{Credentials, deserialize_secret},
            settings::Settings,
        },
        client_environment::read_token,
    },
    http::{Client, Request, RetryPolicy, is_loopback},
    redact::Secret,
};

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The host of a relative address.
const HOST: &str = "169.254.170.2";
/// The hosts besides loopback that plain http is allowed for: the link-local endpoints of ECS and EKS.
const LINK_LOCAL_HOSTS: [&str; 3] = [HOST, "169.254.170.23", "[fd00:ec2::23]"];
const RETRYING: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(10),
    statuses: &[429, 500, 502, 503, 504],
    first: Duration::from_millis(200),
};
const TIMEOUT: Duration = Duration::from_secs(5);

/// An endpoint that returns credentials.
#[derive(Debug, Clone)]
pub(super) struct ContainerEndpoint {
    url: Url,
    token: Option<AuthorizationToken>,
}

#[derive(Debug, Clone)]
/// The token that authorizes a request to the endpoint.
enum AuthorizationToken {
    /// A file, read for each request because the platform replaces it.
    File(PathBuf),
    Token(Secret),
}

/// The answer of the endpoint.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialResponse {
    access_key_id: String,
    #[serde(deserialize_with = "deserialize_secret")]
    secret_access_key: Secret,
    #[serde(deserialize_with = "deserialize_secret")]
    token: Secret,
    expiration: Option<Timestamp>,
}

impl ContainerEndpoint {
    /// The endpoint that the variables configure.
    ///
    /// # Errors
    /// If the address is not trusted: over plain http, another machine could answer.
    pub(super) fn find(settings: &Settings) -> Result<Option<Self>, CloudError> {
        let url = match (settings.variable(RELATIVE), settings.variable(FULL)) {
            (Some(path), _) => {
                let url = Url::parse(&format!("http://{HOST}{path}")).ok();
                url.filter(|url| path.starts_with('/') && url.host_str() == Some(HOST))
                    .ok_or_else(|| untrusted(RELATIVE))?
            }
            (None, Some(address)) => Url::parse(address).ok().filter(is_trusted).ok_or_else(|| untrusted(FULL))?,
            (None, None) => return Ok(None),
        };
        let file = settings
            .variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
            .map(|path| AuthorizationToken::File(path.into()));
        let token = || {
            let token = settings.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")?;
            Some(AuthorizationToken::Token(Secret::from(token.to_owned())))
        };
        Ok(Some(Self { url, token: file.or_else(token) }))
    }

    pub(super) async fn credentials(&self, http: &Client) -> Result<Credentials, CloudError> {
        let mut request = Request::get(self.url.clone()).timeout(TIMEOUT).retrying(RETRYING).limit(1 << 20);
        if let Some(token) = &self.token {
            request = request.link_credential("authorization", &token.token()?);
        }
        let endpoint = "the container's credentials endpoint";
        let answer = http.call(&request).await.map_err(|error| CloudError::unanswered(endpoint, &error))?;
        if !answer.is_success() {
            let failed = format!("{endpoint} {} answered with status {}", self.url, answer.status);
            let kind = if matches!(answer.status, 401 | 403) {
                CloudErrorKind::TokenRejected
            } else {
                CloudErrorKind::Unreachable
            };
            return Err(CloudError::new(kind, failed).hint("check the task's or the pod's role and its agent"));
        }
        // The parser's message is dropped: it may quote the answer.
        let response: CredentialResponse = answer.json().map_err(|_| {
            CloudError::new(CloudErrorKind::Malformed, format!("{endpoint} {} returned no credentials", self.url))
        })?;
        Ok(Credentials {
            key: response.access_key_id,
            secret: response.secret_access_key,
            token: Some(response.token),
            expires: response.expiration,
        })
    }
}

impl AuthorizationToken {
    fn token(&self) -> Result<Secret, CloudError> {
        let token = match self {
            Self::Token(token) => token.clone(),
            Self::File(path) => {
                let bytes = read_token(path).map_err(|error| {
                    let failed = format!("the token of the container in `{}` could not be read", path.display());
                    CloudError::new(CloudErrorKind::Invalid, failed).detail(&error.to_string())
                })?;
                Secret::new(bytes.trim_ascii_end().to_vec())
            }
        };
        if token.reveal().iter().any(u8::is_ascii_control) {
            return Err(CloudError::new(CloudErrorKind::Invalid, "the token of the container has more than one line"));
        }
        Ok(token)
    }
}

fn is_trusted(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(url) || url.host_str().is_some_and(|host| LINK_LOCAL_HOSTS.contains(&host)),
        _ => false,
    }
}

fn untrusted(variable: &str) -> CloudError {
    let failed =
        CloudError::new(CloudErrorKind::Invalid, format!("{variable} is not a trusted address for credentials"));
    failed.hint("use https, or http to loopback or to the endpoints of ECS and EKS")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::aws::settings::tests::settings;

    fn found(variables: &[(&str, &str)]) -> Result<Option<ContainerEndpoint>, CloudError> {
        ContainerEndpoint::find(&settings(variables, "", ""))
    }

    #[test]
    fn a_relative_address_belongs_to_ecs_and_is_preferred() {
        let both = [(RELATIVE, "/v2/credentials/x"), (FULL, "https://example.org/")];
        let url = found(&both).expect("trusted").expect("configured").url;
        assert_eq!(url.as_str(), "http://169.254.170.2/v2/credentials/x");
        assert!(found(&[]).expect("nothing").is_none());
    }

    #[test]
    fn credentials_are_accepted_from_trusted_addresses_only() {
        for address in
            ["https://example.org/c", "http://127.0.0.1:1/c", "http://169.254.170.23/v1/c", "http://[fd00:ec2::23]/c"]
        {
            assert!(found(&[(FULL, address)]).is_ok(), "{address}");
        }
        for address in ["http://example.org/c", "http://169.254.169.254/c", "file:///etc/passwd", "no address"] {
            assert_eq!(found(&[(FULL, address)]).expect_err(address).kind, CloudErrorKind::Invalid);
        }
        // The part before `@` would be the user name, and the host another one.
        assert!(found(&[(RELATIVE, "@example.org/c")]).is_err());
    }

    #[test]
    fn a_token_with_more_than_one_line_is_refused() {
        let variables = [(FULL, "http://127.0.0.1:1/c"), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nb: c")];
        let token = found(&variables).expect("trusted").expect("configured").token.expect("a token");
        assert!(token.token().is_err());
    }
}
