//! Managed identities: tokens from the metadata service of a virtual machine, or from the identity endpoint of App
//! Service. Every program on the machine can request them without a credential.
//!
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::VariableNames;
use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::{Answer, Client, Request, RetryPolicy},
    redact::Secret,
};

/// The path of the token endpoint of the metadata service.
pub(in crate::cloud) const METADATA_PATH: &str = "/metadata/identity/oauth2/token";
const API_VERSION: &str = "2018-02-01";
const APP_SERVICE_API_VERSION: &str = "2019-08-01";
const METADATA: &str = "the metadata service";
const APP_SERVICE: &str = "the identity endpoint";
/// No answer with a token is larger than this, in bytes.
const LIMIT: usize = 1 << 20;
/// A link-local service answers at once, or does not exist.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(10);
/// The official clients send five requests within half a minute.
const RETRYING: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(25),
    statuses: &[404, 429, 500, 502, 503, 504],
    first: Duration::from_millis(800),
};
/// Status 410 means that the host is being updated, which takes up to 70 seconds.
const RETRYING_DURING_UPDATE: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(70),
    statuses: &[404, 410, 429, 500, 502, 503, 504],
    first: Duration::from_secs(5),
};

/// The body of an error. The errors of App Service have other fields, and less information.
#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Checks that this machine has Azure's metadata service. Other clouds have one at the same address. `incomplete` says
/// which variable of another credential is missing, for the hint.
pub(in crate::cloud) async fn probe(http: &Client, endpoint: &Url, incomplete: Option<&str>) -> Result<(), CloudError> {
    let not_configured = |detail: &str| {
        let error = CloudError::new(CloudErrorKind::NotConfigured, "no Azure identity is configured").detail(detail);
        let hint =
            "set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`, or assign an identity to the machine";
        error.hint(incomplete.map_or_else(|| hint.to_owned(), |reason| format!("{reason}; {hint}")))
    };
    // Without the header `metadata`, the service answers with an error instead of a token.
    let request = Request::get(with_query(endpoint, &[("api-version", API_VERSION)])).limit(LIMIT);
    let Ok(answer) = http.call(&request.timeout(PROBE_TIMEOUT)).await else {
        return Err(not_configured("there is no metadata service"));
    };
    let is_azure = !matches!(answer.status, 300..=399 | 401 | 403 | 404 | 405) || answer.json::<ErrorBody>().is_ok();
    if is_azure { Ok(()) } else { Err(not_configured("the metadata service is not Azure's")) }
}

/// A request to the metadata service of the machine.
pub(in crate::cloud) struct MetadataToken<'a> {
    /// The token endpoint, with [`METADATA_PATH`].
    pub(in crate::cloud) endpoint: &'a Url,
    /// The client id of a user-assigned identity. A machine with several identities requires it.
    pub(in crate::cloud) client: Option<&'a str>,
    pub(in crate::cloud) resource: &'a str,
    /// The variables that hints name.
    pub(in crate::cloud) variables: VariableNames,
}

impl MetadataToken<'_> {
    /// Sends the request. Returns the successful answer, which contains the token.
    ///
    /// # Errors
    /// If the service cannot be reached, or the machine does not have the identity.
    pub(in crate::cloud) async fn send(&self, http: &Client) -> Result<Answer, CloudError> {
        let url = token_url(self.endpoint, API_VERSION, self.resource, self.client);
        let request = Request::get(url).header("metadata", "true").limit(LIMIT).timeout(TIMEOUT);
        send(http, METADATA, &request, self.client, self.variables.client_id).await
    }
}

/// Requests a token from App Service, Functions or Container Apps. The endpoint is local to the machine and uses plain
/// http.
pub(in crate::cloud) async fn app_service_token(
    http: &Client,
    endpoint: &Url,
    header: &Secret,
    client: Option<&str>,
    resource: &str,
) -> Result<Answer, CloudError> {
    let url = token_url(endpoint, APP_SERVICE_API_VERSION, resource, client);
    let request = Request::get(url).link_credential("x-identity-header", header).limit(LIMIT).timeout(TIMEOUT);
    send(http, APP_SERVICE, &request, client, super::AZURE_VARIABLES.client_id).await
}

async fn send(
    http: &Client,
    service: &str,
    request: &Request,
    client: Option<&str>,
    variable: &str,
) -> Result<Answer, CloudError> {
    let call = async |retrying| {
        let answer = http.call(&request.clone().retrying(retrying)).await;
        answer.map_err(|error| CloudError::unanswered(service, &error))
    };
    let mut answer = call(RETRYING).await?;
    if answer.status == 410 {
        answer = call(RETRYING_DURING_UPDATE).await?;
    }
    if answer.is_success() { Ok(answer) } else { Err(refused(service, &answer, client, variable)) }
}

fn refused(service: &str, answer: &Answer, client: Option<&str>, variable: &str) -> CloudError {
    let body: ErrorBody = answer.json().unwrap_or_default();
    let detail = if body.error_description.is_empty() { &body.error } else { &body.error_description };
    let (kind, message) = match (answer.status, client) {
        (400, Some(client)) => (
            CloudErrorKind::NotConfigured,
            format!("this machine has no managed identity with the client id `{client}`"),
        ),
        (400, None) => (CloudErrorKind::NotConfigured, "this machine has no managed identity".to_owned()),
        (401 | 403, _) => (CloudErrorKind::TokenRejected, format!("{service} refused to issue a token")),
        (429, _) => (CloudErrorKind::Limited, format!("{service} received too many requests")),
        (410, _) => (CloudErrorKind::Unreachable, format!("{service} is being updated")),
        (status, _) => (CloudErrorKind::Unreachable, format!("{service} answered with status {status}")),
    };
    let hint = match (kind, client) {
        (CloudErrorKind::NotConfigured, Some(_)) => {
            format!("assign the identity to the machine, or correct `{variable}`")
        }
        (CloudErrorKind::NotConfigured, None) => {
            format!("assign a managed identity to the machine; if it has several, select one with `{variable}`")
        }
        (CloudErrorKind::TokenRejected, _) if service == APP_SERVICE => {
            "check `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`".to_owned()
        }
        _ => "run nodeagent again later".to_owned(),
    };
    CloudError::new(kind, message).detail(detail).hint(hint)
}

fn token_url(endpoint: &Url, version: &str, resource: &str, client: Option<&str>) -> Url {
    let mut url = with_query(endpoint, &[("api-version", version), ("resource", resource)]);
    if let Some(client) = client {
        url.query_pairs_mut().append_pair("client_id", client);
    }
    url
}

fn with_query(endpoint: &Url, query: &[(&str, &str)]) -> Url {
    let mut url = endpoint.clone();
    url.query_pairs_mut().extend_pairs(query);
    url
}
