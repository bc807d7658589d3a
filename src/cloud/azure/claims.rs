//! The claims of an access token. The signature is not verified: the token came from Entra, and the services verify it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::{
    cloud::{CloudError, CloudErrorKind},
    redact::Secret,
};

/// The identity of the node in a tenant, from the claims of its token.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AzurePrincipal {
    /// The tenant's id.
    pub tenant: String,
    /// The object id of the service principal or managed identity.
    pub object_id: String,
    /// The application's client id.
    pub client_id: Option<String>,
    /// How the token was obtained: `managed-identity`, `workload-identity` or `client-secret`.
    pub auth_type: String,
}

/// Claims of an access token of Entra ID: `appid` in version 1, `azp` in version 2.
#[derive(Deserialize)]
struct Claims {
    tid: String,
    oid: String,
    appid: Option<String>,
    azp: Option<String>,
}

/// Reads the claims: the second of three parts, JSON in base64url.
pub(super) fn principal(token: &Secret, auth_type: &str) -> Result<AzurePrincipal, CloudError> {
    let claims = token.reveal().split(|byte| *byte == b'.').nth(1);
    let claims = claims.and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Claims> = claims.and_then(|json| serde_json::from_slice(&json).ok());
    let Some(claims) = claims else {
        return Err(CloudError::new(CloudErrorKind::Malformed, "the Azure token does not identify the node"));
    };
    Ok(AzurePrincipal {
        tenant: claims.tid,
        object_id: claims.oid,
        client_id: claims.appid.or(claims.azp),
        auth_type: auth_type.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> Secret {
        Secret::from(format!("e30.{}.signature", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn a_token_of_either_version_identifies_the_node() {
        let old = principal(&token(r#"{"tid":"t","oid":"o","appid":"a"}"#), "client-secret").expect("claims");
        assert_eq!((old.tenant.as_str(), old.object_id.as_str(), old.client_id.as_deref()), ("t", "o", Some("a")));
        let new = principal(&token(r#"{"tid":"t","oid":"o","azp":"z"}"#), "client-secret").expect("claims");
        assert_eq!(new.client_id.as_deref(), Some("z"));
    }

    #[test]
    fn a_token_without_claims_is_an_error_that_does_not_contain_the_token() {
        for text in ["opaque-hunter2", "a.!.c", "a.e30.c"] {
            let error = principal(&Secret::from(text.to_owned()), "client-secret").expect_err("no claims");
            assert_eq!(error.kind, CloudErrorKind::Malformed);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
