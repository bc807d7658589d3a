//! Managed identity: tokens of the machine's metadata service and of App Service. Who may run a program on the machine
//! may have them; there is nothing to prove.
//!
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::token::{LIMIT, Token};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::{Answer, Client, Request, RetryPolicy},
    redact::Secret,
};

const METADATA: &str = "the metadata service";
const APP_SERVICE: &str = "the identity endpoint";
/// A service of the machine's own link answers at once, or is not there.
const PROBE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(10);
/// As the official clients do: five tries within half a minute.
const RETRYING: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(25),
    statuses: &[404, 429, 500, 502, 503, 504],
    first: Duration::from_millis(800),
};
/// While the host is updated, for up to 70 seconds.
const UPDATING: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(70),
    statuses: &[404, 410, 429, 500, 502, 503, 504],
    first: Duration::from_secs(5),
};

/// The body of an error. App Service writes other ones, which say less.
#[derive(Deserialize, Default)]
struct ManagedIdentityError {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Whether this machine has Azure's metadata service. Other clouds have theirs at the same address.
pub(super) async fn probe(http: &Client, endpoint: &Url, incomplete: Option<&str>) -> Result<(), CloudError> {
    let nobody = |said: &str| {
        let error = CloudError::new(CloudErrorKind::NotConfigured, "no Azure identity is configured").said(said);
        let hint =
            "set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`, or give the machine an identity";
        error.hint(incomplete.map_or_else(|| hint.to_owned(), |why| format!("{why}; {hint}")))
    };
    // Without its header the service gives no token, and answers all the same.
    let request = Request::get(with(endpoint, &[("api-version", "2018-02-01")])).limit(LIMIT).timeout(PROBE);
    let Ok(answer) = http.call(&request).await else {
        return Err(nobody("there is no metadata service"));
    };
    let is_azure =
        !matches!(answer.status, 300..=399 | 401 | 403 | 404 | 405) || answer.json::<ManagedIdentityError>().is_ok();
    if is_azure { Ok(()) } else { Err(nobody("the metadata service is not Azure's")) }
}

/// A token of the machine's metadata service.
pub(super) async fn of_machine(
    http: &Client,
    endpoint: &Url,
    client: Option<&str>,
    resource: &str,
) -> Result<Token, CloudError> {
    let url = with(endpoint, &query("2018-02-01", resource, client));
    let request = Request::get(url).header("metadata", "true").limit(LIMIT).timeout(TIMEOUT);
    ask(http, METADATA, &request, client).await
}

/// A token of App Service, Functions or Container Apps. Their endpoint is on the machine or on its own link, in plain http.
pub(super) async fn of_app_service(
    http: &Client,
    endpoint: &Url,
    header: &Secret,
    client: Option<&str>,
    resource: &str,
) -> Result<Token, CloudError> {
    let url = with(endpoint, &query("2019-08-01", resource, client));
    let request = Request::get(url).link_credential("x-identity-header", header).limit(LIMIT).timeout(TIMEOUT);
    ask(http, APP_SERVICE, &request, client).await
}

async fn ask(http: &Client, service: &str, request: &Request, client: Option<&str>) -> Result<Token, CloudError> {
    let mut answer = None;
    for retrying in [RETRYING, UPDATING] {
        let request = request.clone().retrying(retrying);
        let said = http.call(&request).await.map_err(|error| CloudError::unanswered(service, &error))?;
        if said.status != 410 {
            return if said.is_success() { Token::read(service, &said) } else { Err(refused(service, &said, client)) };
        }
        answer = Some(said);
    }
    Err(refused(service, &answer.expect("asked twice"), client))
}

fn refused(service: &str, answer: &Answer, client: Option<&str>) -> CloudError {
    let refusal: ManagedIdentityError = answer.json().unwrap_or_default();
    let said = if refusal.error_description.is_empty() { &refusal.error } else { &refusal.error_description };
    let (kind, message) = match (answer.status, client) {
        (400, Some(client)) => (
            CloudErrorKind::NotConfigured,
            format!("this machine has no managed identity with the client id `{client}`"),
        ),
        (400, None) => (CloudErrorKind::NotConfigured, "this machine has no managed identity".to_owned()),
        (401 | 403, _) => (CloudErrorKind::TokenRejected, format!("{service} refused to give a token")),
        (429, _) => (CloudErrorKind::Limited, format!("{service} has had too many requests")),
        (410, _) => (CloudErrorKind::Unreachable, format!("{service} is being updated")),
        (status, _) => (CloudErrorKind::Unreachable, format!("{service} answered with status {status}")),
    };
    let hint = match (kind, client) {
        (CloudErrorKind::NotConfigured, Some(_)) => "assign the identity to the machine, or correct `AZURE_CLIENT_ID`",
        (CloudErrorKind::NotConfigured, None) => {
            "assign an identity to the machine; where it has several, name one with `AZURE_CLIENT_ID`"
        }
        (CloudErrorKind::TokenRejected, _) => "check `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`",
        _ => "run nodeagent again later",
    };
    CloudError::new(kind, message).said(said).hint(hint)
}

fn query<'a>(version: &'a str, resource: &'a str, client: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let client = client.map(|client| ("client_id", client));
    [("api-version", version), ("resource", resource)].into_iter().chain(client).collect()
}

fn with(endpoint: &Url, query: &[(&str, &str)]) -> Url {
    let mut url = endpoint.clone();
    url.query_pairs_mut().extend_pairs(query);
    url
}
