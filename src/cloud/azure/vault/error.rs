//! Errors of a vault. Each cause has its own hint.

use serde::Deserialize;
use url::Url;

use super::request::{VaultRequest, display_name};
use crate::{
    cloud::{CloudError, CloudErrorKind, azure::claims::AzurePrincipal},
    http::Answer,
};

/// The body of an error: `{"error":{"code","message","innererror":{"code"}}}`.
#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(default)]
    error: ErrorDetail,
}

#[derive(Deserialize, Default)]
struct ErrorDetail {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    innererror: Option<InnerError>,
}

#[derive(Deserialize)]
struct InnerError {
    #[serde(default)]
    code: String,
}

/// The error for an unsuccessful answer.
pub(super) fn refused(
    vault: &Url,
    request: VaultRequest,
    answer: &Answer,
    principal: Option<&AzurePrincipal>,
) -> CloudError {
    let ErrorDetail { code, message: detail, innererror } = answer.json::<ErrorBody>().unwrap_or_default().error;
    let inner = innererror.map(|inner| inner.code).unwrap_or_default();
    let vault = display_name(vault);
    let what = match request {
        VaultRequest::Secret(name) => format!("the secret `{name}`"),
        VaultRequest::Names => "the names of its secrets".to_owned(),
    };
    let who = principal
        .map_or_else(|| "this identity".to_owned(), |principal| format!("the identity `{}`", principal.object_id));
    let denied = |why: &str, hint: String| {
        (CloudErrorKind::Denied, format!("the vault `{vault}` does not return {what} to {who}: {why}"), Some(hint))
    };
    let (kind, message, hint) = match (answer.status, code.as_str(), inner.as_str()) {
        (401, ..) => (
            CloudErrorKind::TokenRejected,
            format!("the vault `{vault}` rejected the token"),
            Some(unauthorized(&detail)),
        ),
        (403, _, "ForbiddenByRbac") => {
            denied("no role allows it", format!("ask for the role `Key Vault Secrets User` on the vault for {who}"))
        }
        (403, _, "ForbiddenByPolicy" | "AccessDenied") => denied(
            "no access policy allows it",
            format!("ask for an access policy of the vault with the secret permissions Get and List for {who}"),
        ),
        (403, _, "ForbiddenByFirewall" | "ForbiddenByConnection") => denied(
            "its firewall refuses this node",
            "ask the owner of the vault to allow the node's network, or use the private endpoint".to_owned(),
        ),
        (403, _, "SecretDisabled") => denied(
            "it is disabled, not yet valid or expired",
            "ask the owner of the vault to enable the secret".to_owned(),
        ),
        (403, ..) => denied("access is forbidden", format!("ask the owner of the vault which secrets {who} may read")),
        (404, ..) => (
            CloudErrorKind::Absent,
            match request {
                VaultRequest::Secret(name) => format!("there is no secret `{name}` in the vault `{vault}`"),
                VaultRequest::Names => format!("there are no secrets at `{vault}`"),
            },
            Some("check the name and the version, or ask the owner of the vault to add the secret".to_owned()),
        ),
        (429, ..) => (
            CloudErrorKind::Limited,
            format!("the vault `{vault}` received too many requests"),
            Some("run nodeagent again later; a vault accepts 4000 requests in 10 seconds".to_owned()),
        ),
        (300..=399, ..) => (
            CloudErrorKind::Malformed,
            format!("the vault `{vault}` redirects to another address; no token was sent there"),
            Some("check the vault's address".to_owned()),
        ),
        (500.., ..) => (
            CloudErrorKind::Unreachable,
            format!("the vault `{vault}` answered with status {}", answer.status),
            Some("run nodeagent again later".to_owned()),
        ),
        (status, ..) => {
            (CloudErrorKind::Invalid, format!("the vault `{vault}` refused the request with status {status}"), None)
        }
    };
    CloudError { hint, ..CloudError::new(kind, message).detail(&detail) }
}

/// The hint for a rejected token, by the error number of the vault.
fn unauthorized(detail: &str) -> String {
    let hint = if detail.contains("AKV10032") {
        "the vault and the identity belong to different tenants"
    } else if detail.contains("AKV10022") {
        "the token is for another service; check the vault's address"
    } else {
        "check that the identity belongs to the vault's tenant, and that the node's clock is right"
    };
    hint.to_owned()
}
