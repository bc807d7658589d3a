//! The metadata service of an EC2 instance, version 2 only
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>).

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::error::not_configured;
use crate::{
    cloud::{
        CloudError, CloudErrorKind,
        aws::{
            client::AwsClient,
            credential_types::{Credentials, deserialize_secret},
        },
    },
    http::{Answer, Client, HttpError, Request},
    redact::Secret,
};

const DEFAULT: &str = "http://169.254.169.254";
const DEFAULT_IPV6: &str = "http://[fd00:ec2::254]";
/// On a machine that is not an instance, no server answers at the address. This limits the wait.
const TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 2;
const PAUSE: Duration = Duration::from_millis(200);
const ROLES: &str = "latest/meta-data/iam/security-credentials/";

/// The metadata service of the instance, with the limits of a request.
pub(in crate::cloud::aws) struct InstanceMetadata<'a> {
    http: &'a Client,
    base: Url,
    timeout: Duration,
    attempts: u32,
}

/// The answer of the service for a role.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialResponse {
    code: Option<String>,
    access_key_id: Option<String>,
    #[serde(default, deserialize_with = "some_secret")]
    secret_access_key: Option<Secret>,
    #[serde(default, deserialize_with = "some_secret")]
    token: Option<Secret>,
    expiration: Option<Timestamp>,
}

fn some_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    deserialize_secret(from).map(Some)
}

impl<'a> InstanceMetadata<'a> {
    /// The service at the configured address.
    pub(in crate::cloud::aws) fn of(client: &'a AwsClient) -> Result<Self, CloudError> {
        let setting = |name: &str| {
            let key = name.trim_start_matches("AWS_").to_ascii_lowercase();
            client.settings.variable(name).or_else(|| client.settings.profile_value(&key))
        };
        let ipv6 =
            setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        let address = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(if ipv6 { DEFAULT_IPV6 } else { DEFAULT });
        let base = Url::parse(&format!("{}/", address.trim_end_matches('/'))).map_err(|_| {
            CloudError::new(
                CloudErrorKind::Invalid,
                format!("`{address}` is not a valid address of a metadata service"),
            )
            .hint("correct AWS_EC2_METADATA_SERVICE_ENDPOINT")
        })?;
        let number = |name| client.settings.variable(name).and_then(|text| text.parse::<u32>().ok()).filter(|n| *n > 0);
        let timeout = number("AWS_METADATA_SERVICE_TIMEOUT").map_or(TIMEOUT, |n| Duration::from_secs(n.into()));
        let attempts = number("AWS_METADATA_SERVICE_NUM_ATTEMPTS").unwrap_or(ATTEMPTS);
        Ok(Self { http: &client.http, base, timeout, attempts })
    }

    /// The credentials of the instance's role.
    pub(super) async fn credentials(&self) -> Result<Credentials, CloudError> {
        let token = self.token().await?;
        let roles = self.get(ROLES, &token).await?;
        let role = text(&roles).and_then(|text| text.lines().next()).map(str::trim).filter(|role| !role.is_empty());
        let role = match (roles.status, role) {
            (200, Some(role)) => role.to_owned(),
            (200 | 404, _) => return Err(not_configured().detail("the instance has no role")),
            (status, _) => return Err(unexpected(&format!("answered with status {status} when asked for its role"))),
        };
        let answer = self.get(&format!("{ROLES}{role}"), &token).await?;
        // The parser's message is dropped: it may quote the answer.
        let given: CredentialResponse =
            answer.json().map_err(|_| unexpected(&format!("returned no credentials for the role `{role}`")))?;
        if let Some(code) = given.code.filter(|code| code != "Success") {
            let failed = unexpected(&format!("returns no credentials for the role `{role}`")).detail(&code);
            return Err(failed.hint("check the role's trust in ec2.amazonaws.com"));
        }
        match (given.access_key_id, given.secret_access_key, given.token) {
            (Some(key), Some(secret), Some(token)) => {
                Ok(Credentials { key, secret, token: Some(token), expires: given.expiration })
            }
            _ => Err(unexpected(&format!("returned no credentials for the role `{role}`"))),
        }
    }

    /// The region of the instance, if the service returns it.
    pub(in crate::cloud::aws) async fn region(&self) -> Option<String> {
        let token = self.token().await.ok()?;
        let answer = self.get("latest/meta-data/placement/region", &token).await.ok()?;
        text(&answer).filter(|_| answer.status == 200).map(|region| region.trim().to_owned())
    }

    /// The value of a key below `latest/meta-data`. `None` if the service has no such key.
    pub(in crate::cloud::aws) async fn value(&self, key: &str) -> Result<Option<String>, CloudError> {
        let no_token = "the instance's metadata service returned no session token";
        let token = self.token().await.map_err(|_| CloudError::new(CloudErrorKind::Unreachable, no_token))?;
        let answer = self.get(&format!("latest/meta-data/{key}"), &token).await?;
        match (answer.status, text(&answer)) {
            (200, Some(value)) => Ok(Some(value.trim().to_owned())),
            (200, None) => Err(unexpected("returned a value that is not text")),
            (404, _) => Ok(None),
            (status, _) => Err(unexpected(&format!("answered with status {status}"))),
        }
    }

    /// The session token that version 2 requires. If no service answers, no credentials are configured.
    async fn token(&self) -> Result<Secret, CloudError> {
        let request =
            Request::put(self.url("latest/api/token")).header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
        match self.ask(request).await {
            Ok(answer) if answer.status == 200 => Ok(Secret::new(answer.body.trim_ascii().to_vec())),
            Ok(answer) => {
                Err(not_configured().detail(&format!("the metadata service answered with status {}", answer.status)))
            }
            Err(error) => {
                Err(not_configured().detail(&format!("no metadata service at {}: {}", error.url, error.problem)))
            }
        }
    }

    async fn get(&self, path: &str, token: &Secret) -> Result<Answer, CloudError> {
        let request = Request::get(self.url(path)).link_credential("x-aws-ec2-metadata-token", token);
        self.ask(request).await.map_err(|error| CloudError::unanswered("the instance's metadata service", &error))
    }

    async fn ask(&self, request: Request) -> Result<Answer, HttpError> {
        let request = request.timeout(self.timeout).limit(1 << 20);
        for _ in 1..self.attempts {
            match self.http.call(&request).await {
                Ok(answer) if answer.status < 500 && answer.status != 429 => return Ok(answer),
                Err(error) if !error.is_transient() => return Err(error),
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        self.http.call(&request).await
    }

    fn url(&self, path: &str) -> Url {
        // The name of a role needs no encoding.
        self.base.join(path).unwrap_or_else(|_| self.base.clone())
    }
}

fn text(answer: &Answer) -> Option<&str> {
    std::str::from_utf8(&answer.body).ok()
}

fn unexpected(what: &str) -> CloudError {
    CloudError::new(CloudErrorKind::Malformed, format!("the instance's metadata service {what}"))
}
