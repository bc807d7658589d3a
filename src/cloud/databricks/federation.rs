//! Workload identity federation: a token of another issuer is exchanged for a token of Databricks (RFC 8693).
//! <https://docs.databricks.com/aws/en/dev-tools/auth/oauth-federation>

use std::path::PathBuf;

use secrecy::zeroize::Zeroizing;
use serde_json::Value;
use url::Url;

use super::{
    discovery::OidcDiscovery,
    oauth::{self, TokenRequestContext},
    token::Token,
};
use crate::{
    cloud::{CloudError, CloudErrorKind, client_environment::read_token},
    http::{Client, Request},
    redact::Secret,
};

/// A configured token exchange.
pub(super) struct Federation {
    pub(super) source: IdToken,
    /// The service principal. Without it, the account's federation policy selects the identity.
    pub(super) client_id: Option<String>,
    pub(super) scope: String,
    pub(super) oidc: OidcDiscovery,
}

/// The source of the other issuer's token.
pub(super) enum IdToken {
    /// A variable.
    Variable(Secret),
    /// A file that the issuer replaces from time to time.
    File(PathBuf),
    /// A request to GitHub, which issues a token for the audience in the request.
    GitHub { url: Url, token: Secret },
}

impl Federation {
    pub(super) async fn token(&self, http: &Client, auth_type: &'static str) -> Result<Token, CloudError> {
        let endpoint = self.oidc.endpoint(http).await?;
        let id_token = self.source.read(http, &endpoint.audience).await?;
        let id_token = String::from_utf8_lossy(id_token.reveal());
        let mut fields = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("subject_token", &*id_token),
            ("scope", &self.scope),
        ];
        fields.extend(self.client_id.as_deref().map(|id| ("client_id", id)));
        let request = Request::form(endpoint.token.clone(), &fields);
        let hint = "check the federation policy: issuer, subject and audience of the token; and `DATABRICKS_CLIENT_ID`";
        Ok(oauth::request_token(http, request, TokenRequestContext { auth_type, hint }).await?.into_token())
    }
}

impl IdToken {
    async fn read(&self, http: &Client, audience: &str) -> Result<Secret, CloudError> {
        match self {
            Self::Variable(token) => Ok(token.clone()),
            Self::File(path) => {
                let failed = |reason: &str| {
                    CloudError::new(CloudErrorKind::NotConfigured, format!("`{}` contains no token", path.display()))
                        .detail(reason)
                        .hint("check `DATABRICKS_OIDC_TOKEN_FILEPATH`")
                };
                let text = Zeroizing::new(read_token(path).map_err(|error| failed(&error.to_string()))?);
                let token = text.trim_ascii().to_vec();
                if token.is_empty() { Err(failed("the file is empty")) } else { Ok(Secret::new(token)) }
            }
            Self::GitHub { url, token } => {
                let mut url = url.clone();
                url.query_pairs_mut().append_pair("audience", audience);
                let answer = http
                    .call(&Request::get(url).bearer(token))
                    .await
                    .map_err(|error| CloudError::unanswered("GitHub", &error))?;
                let mut body = answer.json::<Value>().unwrap_or_default();
                match body.get_mut("value").map(Value::take) {
                    Some(Value::String(token)) if answer.is_success() => Ok(token.into()),
                    _ => {
                        let message = format!("GitHub issued no token for `{audience}` (status {})", answer.status);
                        Err(CloudError::new(CloudErrorKind::Denied, message)
                            .hint("give the job `permissions: id-token: write`"))
                    }
                }
            }
        }
    }
}
