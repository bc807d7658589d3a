//! Why a vault did not answer what it was asked, by cause: each has its own remedy.

use serde::Deserialize;
use url::Url;

use super::VaultRequest;
use crate::{
    cloud::{CloudError, CloudErrorKind, azure::AzurePrincipal},
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

/// The error for an answer that is none of success.
pub(super) fn refused(vault: &Url, asked: VaultRequest, answer: &Answer, who: Option<&AzurePrincipal>) -> CloudError {
    let ErrorDetail { code, message: said, innererror } = answer.json::<ErrorBody>().unwrap_or_default().error;
    let inner = innererror.map(|inner| inner.code).unwrap_or_default();
    let vault = short(vault);
    let what = match asked {
        VaultRequest::Secret(name) => format!("the secret `{name}`"),
        VaultRequest::Names => "the names of its secrets".to_owned(),
    };
    let who = who.map_or_else(|| "this identity".to_owned(), |who| format!("the identity `{}`", who.object_id));
    let denied = |why: &str, hint: String| {
        (CloudErrorKind::Denied, format!("the vault `{vault}` does not give {who} {what}: {why}"), Some(hint))
    };
    let (kind, message, hint) = match (answer.status, code.as_str(), inner.as_str()) {
        (401, ..) => (
            CloudErrorKind::TokenRejected,
            format!("the vault `{vault}` rejected the token"),
            Some(unauthorized(&said)),
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
            "ask for the node's network to be allowed at the vault, or use its private endpoint".to_owned(),
        ),
        (403, _, "SecretDisabled") => {
            denied("it is disabled, not yet valid or expired", "ask whoever keeps the vault to enable it".to_owned())
        }
        (403, ..) => denied("it is forbidden", format!("ask whoever keeps the vault what {who} may read")),
        (404, ..) => (
            CloudErrorKind::Absent,
            match asked {
                VaultRequest::Secret(name) => format!("there is no secret `{name}` in the vault `{vault}`"),
                VaultRequest::Names => format!("there are no secrets at `{vault}`"),
            },
            Some("check the name and the version, or ask whoever keeps the vault to add it".to_owned()),
        ),
        (429, ..) => (
            CloudErrorKind::Limited,
            format!("the vault `{vault}` has had too many requests"),
            Some("run nodeagent again later; a vault takes 4000 requests in 10 seconds".to_owned()),
        ),
        (300..=399, ..) => (
            CloudErrorKind::Malformed,
            format!("the vault `{vault}` leads elsewhere; the token does not follow"),
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
    CloudError { hint, ..CloudError::new(kind, message).said(&said) }
}

/// What to do about a token that was not taken, by the vault's own numbers.
fn unauthorized(said: &str) -> String {
    let hint = if said.contains("AKV10032") {
        "the vault belongs to another tenant than the identity"
    } else if said.contains("AKV10022") {
        "the token is for another service; check the vault's address"
    } else {
        "check that the identity is of the vault's tenant, and that the node's clock is right"
    };
    hint.to_owned()
}

/// A vault as people name it: the first part of its host, or the whole of one that is elsewhere.
pub(super) fn short(vault: &Url) -> String {
    let host = vault.host_str().unwrap_or_default();
    match super::challenge::usual(vault) {
        Some(_) => host.split('.').next().unwrap_or(host).to_owned(),
        None => vault.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
    }
}
