//! Authentication methods, and the tokens that they return.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::Url;

use super::{
    discovery::OidcDiscovery,
    entra::EntraMethod,
    federation::Federation,
    host,
    oauth::{self, TokenRequestContext},
    token::Token,
};
use crate::{
    cloud::CloudError,
    http::{self, Request},
    redact::Secret,
};

/// A configured authentication method.
pub(super) struct Authenticator {
    /// The name that the official clients use.
    pub(super) name: &'static str,
    pub(super) method: AuthMethod,
}

/// The configuration of a method.
pub(super) enum AuthMethod {
    /// A fixed `Authorization` header: a personal access token, or a user name and password.
    Fixed(Secret),
    /// A service principal of Databricks with a client secret.
    Client(Box<ServicePrincipal>),
    /// A token service on the machine. Its address may contain a secret.
    Metadata(Url),
    /// A token of another issuer, which is exchanged.
    Federation(Box<Federation>),
    /// An identity of Microsoft Entra.
    Entra(Box<EntraMethod>),
}

/// A service principal of Databricks with a client secret.
pub(super) struct ServicePrincipal {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) scope: String,
    pub(super) oidc: OidcDiscovery,
}

impl Authenticator {
    /// Whether another request can return another token.
    pub(super) fn is_renewable(&self) -> bool {
        !matches!(self.method, AuthMethod::Fixed(_))
    }

    /// Requests a token.
    pub(super) async fn token(&self, http: &http::Client, host: &Url) -> Result<Token, CloudError> {
        match &self.method {
            AuthMethod::Fixed(authorization) => Ok(Token::fixed(authorization.clone())),
            AuthMethod::Client(client) => {
                let endpoint = client.oidc.endpoint(http).await?;
                let fields = [("grant_type", "client_credentials"), ("scope", client.scope.as_str())];
                let proof = basic(&client.id, &client.secret);
                let request =
                    Request::form(endpoint.token.clone(), &fields).credential("authorization", proof.reveal());
                let hint = "check `DATABRICKS_CLIENT_ID` and `DATABRICKS_CLIENT_SECRET`; the secrets of service principals expire";
                Ok(oauth::request_token(http, request, self.context(hint)).await?.into_token())
            }
            AuthMethod::Metadata(url) => {
                let request = Request::get(url.clone())
                    .header("x-databricks-metadata-version", "1")
                    .header("x-databricks-host", &host::shown(host));
                let hint = "check `DATABRICKS_METADATA_SERVICE_URL` and the service at that address";
                Ok(oauth::request_token(http, request, self.context(hint)).await?.into_token())
            }
            AuthMethod::Federation(federation) => federation.token(http, self.name).await,
            AuthMethod::Entra(entra) => entra.token(http, host).await,
        }
    }

    fn context<'a>(&self, hint: &'a str) -> TokenRequestContext<'a> {
        TokenRequestContext { auth_type: self.name, hint }
    }
}

/// The `Authorization` header for a user name and a password (RFC 7617).
pub(super) fn basic(name: &str, password: &Secret) -> Secret {
    let pair = Secret::new([name.as_bytes(), b":", password.reveal()].concat());
    Secret::from(format!("Basic {}", STANDARD.encode(pair.reveal())))
}
