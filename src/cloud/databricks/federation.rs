//! Workload identity federation: a token of another issuer is exchanged for one of Databricks (RFC 8693).
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
    cloud::{CloudError, CloudErrorKind, read_token},
    http::{Client, Request},
    redact::Secret,
};

/// An exchange.
pub(super) struct Federation {
    pub(super) from: IdToken,
    /// The service principal; without one the account's own rules say who the token stands for.
    pub(super) client_id: Option<String>,
    pub(super) scope: String,
    pub(super) oidc: OidcDiscovery,
}

/// Where the other issuer's token is.
pub(super) enum IdToken {
    /// It was in a variable.
    Given(Secret),
    /// In a file, which its issuer writes anew from time to time.
    File(PathBuf),
    /// GitHub makes it when asked, for whom it is context.
    GitHub { url: Url, token: Secret },
}

impl Federation {
    pub(super) async fn token(&self, http: &Client, auth_type: &'static str) -> Result<Token, CloudError> {
        let endpoint = self.oidc.endpoint(http).await?;
        let id_token = self.from.read(http, &endpoint.audience).await?;
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
        Ok(oauth::grant(http, request, TokenRequestContext { auth_type, hint }).await?.into_token())
    }
}

impl IdToken {
    async fn read(&self, http: &Client, audience: &str) -> Result<Secret, CloudError> {
        match self {
            Self::Given(token) => Ok(token.clone()),
            Self::File(path) => {
                let failed = |why: &str| {
                    CloudError::new(CloudErrorKind::NotConfigured, format!("`{}` holds no token", path.display()))
                        .said(why)
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
                        let message = format!("GitHub gave no token for `{audience}` (status {})", answer.status);
                        Err(CloudError::new(CloudErrorKind::Denied, message)
                            .hint("give the job `permissions: id-token: write`"))
                    }
                }
            }
        }
    }
}
