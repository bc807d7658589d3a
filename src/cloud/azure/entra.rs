//! Tokens of Entra ID for an application: the client credentials flow, version 2, by a secret or by the token of an
//! issuer that the application trusts.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::{path::Path, time::Duration};

use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use url::Url;

use super::{
    credential::Application,
    token::{LIMIT, Token},
};
use crate::{
    cloud::{CloudError, CloudErrorKind, read_token},
    http::{Answer, Client, Request, RetryPolicy},
    redact::Secret,
};

const SERVICE: &str = "Azure sign-in";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const RETRYING: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(30),
    statuses: &[429, 500, 502, 503, 504],
    first: Duration::from_millis(500),
};

/// What people do about the errors they meet: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
const HINTS: [(u32, &str); 11] = [
    (7_000_215, "`AZURE_CLIENT_SECRET` is no secret of this application; take the secret's value, not its id"),
    (7_000_222, "the client secret has expired; make a new one for the application"),
    (700_016, "the tenant has no such application; check `AZURE_CLIENT_ID` and `AZURE_TENANT_ID`"),
    (90_002, "there is no such tenant; check `AZURE_TENANT_ID` and `AZURE_AUTHORITY_HOST`"),
    (900_023, "there is no such tenant; check `AZURE_TENANT_ID`"),
    (70_021, FEDERATION),
    (700_211, FEDERATION),
    (700_212, FEDERATION),
    (700_213, FEDERATION),
    (
        700_024,
        "the token in `AZURE_FEDERATED_TOKEN_FILE` is too old or too new; check its renewal and the node's clock",
    ),
    (500_011, "the tenant does not know the service; check that the vault and the identity are of the same cloud"),
];
const FEDERATION: &str =
    "no federated credential of the application matches the token; compare its issuer, subject and audience";

/// The body of an error of OAuth, with Entra ID's numbers.
#[derive(Deserialize)]
struct EntraError {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u32>,
}

/// A token by the application's secret.
pub(super) async fn by_secret(
    http: &Client,
    authority: &Url,
    application: &Application,
    secret: &Secret,
    resource: &str,
) -> Result<Token, CloudError> {
    let secret = String::from_utf8_lossy(secret.reveal());
    ask(http, authority, application, resource, &[("client_secret", &secret)]).await
}

/// A token by the token in a file. The file is read each time: it is renewed.
pub(super) async fn by_assertion(
    http: &Client,
    authority: &Url,
    application: &Application,
    file: &Path,
    resource: &str,
) -> Result<Token, CloudError> {
    let unreadable = |said: &str| {
        let message = format!("the token file `{}` could not be used", file.display());
        CloudError::new(CloudErrorKind::NotConfigured, message).said(said).hint("check `AZURE_FEDERATED_TOKEN_FILE`")
    };
    let text = Zeroizing::new(read_token(file).map_err(|error| unreadable(&error.to_string()))?);
    let assertion = Secret::new(text.trim_ascii().to_vec());
    let assertion = match std::str::from_utf8(assertion.reveal()) {
        Ok("") => return Err(unreadable("it is empty")),
        Ok(assertion) => assertion,
        Err(_) => return Err(unreadable("it is not text")),
    };
    let fields = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)];
    ask(http, authority, application, resource, &fields).await
}

async fn ask(
    http: &Client,
    authority: &Url,
    application: &Application,
    resource: &str,
    proof: &[(&str, &str)],
) -> Result<Token, CloudError> {
    let mut url = authority.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend([&application.tenant, "oauth2", "v2.0", "token"]);
    }
    let scope = format!("{resource}/.default");
    let fields = [("grant_type", "client_credentials"), ("client_id", &application.client), ("scope", &scope)];
    let request = Request::form(url, &[&fields[..], proof].concat()).limit(LIMIT).retrying(RETRYING);
    let answer = http.call(&request).await.map_err(|error| CloudError::unanswered(SERVICE, &error))?;
    if answer.is_success() { Token::read(SERVICE, &answer) } else { Err(refused(application, &answer)) }
}

fn refused(application: &Application, answer: &Answer) -> CloudError {
    let who = format!("the application `{}` of tenant `{}`", application.client, application.tenant);
    let kind = match answer.status {
        429 => CloudErrorKind::Limited,
        500.. => CloudErrorKind::Unreachable,
        300..=399 => CloudErrorKind::Malformed,
        _ => CloudErrorKind::TokenRejected,
    };
    let Ok(refusal) = answer.json::<EntraError>() else {
        let kind = if kind == CloudErrorKind::TokenRejected { CloudErrorKind::Malformed } else { kind };
        return CloudError::new(kind, format!("{SERVICE} answered with status {} for {who}", answer.status))
            .hint("check `AZURE_AUTHORITY_HOST` and the proxy");
    };
    let known = HINTS.iter().find(|(code, _)| refusal.error_codes.contains(code)).map(|(_, hint)| *hint);
    let kind = match refusal.error.as_str() {
        "temporarily_unavailable" if kind == CloudErrorKind::TokenRejected => CloudErrorKind::Unreachable,
        // Neither the application nor its proof is at fault.
        "invalid_request" | "invalid_scope" | "invalid_resource" if known.is_none() => CloudErrorKind::Invalid,
        _ => kind,
    };
    let said = first_sentence(&refusal.error_description).unwrap_or(&refusal.error);
    CloudError::new(kind, format!("{SERVICE} refused {who}"))
        .said(said)
        .hint(known.unwrap_or("look the AADSTS number up at https://login.microsoftonline.com/error"))
}

/// The number and the first sentence; what follows is for Microsoft's support.
fn first_sentence(description: &str) -> Option<&str> {
    let text = description.split("Trace ID").next().unwrap_or_default();
    let text = text.lines().next().unwrap_or_default();
    let text = text.split(". ").next().unwrap_or_default().trim().trim_end_matches('.');
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_description_the_number_and_the_first_sentence_are_left() {
        let long = "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the \
                    client secret value, not the client secret ID, for a secret added to app 'x'. Trace ID: 1 \
                    Correlation ID: 2 Timestamp: 2026-11-21 00:00:00Z";
        assert_eq!(first_sentence(long), Some("AADSTS7000215: Invalid client secret provided"));
        assert_eq!(
            first_sentence("AADSTS90002: Tenant 'x' not found.\r\nTrace ID: 1"),
            Some("AADSTS90002: Tenant 'x' not found")
        );
        assert_eq!(first_sentence(" Trace ID: 1"), None);
    }
}
