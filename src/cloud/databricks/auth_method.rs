//! A method to prove who the node is, and the token it gives.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::Url;

use super::{
    discovery::OidcDiscovery,
    entra::Entra,
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

/// A method to prove who the node is.
pub(super) struct Authenticator {
    /// Its name among the official clients.
    pub(super) name: &'static str,
    pub(super) method: AuthMethod,
}

pub(super) enum AuthMethod {
    /// Shown as it is: a personal token, or user name and password.
    Fixed(Secret),
    /// A service principal of Databricks with its secret.
    Client(Box<Client>),
    /// A service on the machine that gives tokens. Its address may hold a secret.
    Metadata(Url),
    /// Another issuer's token, exchanged.
    Federation(Box<Federation>),
    /// An identity of Microsoft Entra.
    Entra(Box<Entra>),
}

/// A service principal of Databricks.
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) scope: String,
    pub(super) oidc: OidcDiscovery,
}

impl Authenticator {
    /// Whether a rejected token may be followed by a better one.
    pub(super) fn renews(&self) -> bool {
        !matches!(self.method, AuthMethod::Fixed(_))
    }

    /// A token, asked for now.
    pub(super) async fn token(&self, http: &http::Client, host: &Url) -> Result<Token, CloudError> {
        match &self.method {
            AuthMethod::Fixed(authorization) => Ok(Token::fixed(authorization.clone())),
            AuthMethod::Client(client) => {
                let endpoint = client.oidc.endpoint(http).await?;
                let fields = [("grant_type", "client_credentials"), ("scope", client.scope.as_str())];
                let proof = basic(&client.id, &client.secret);
                let request =
                    Request::form(endpoint.token.clone(), &fields).credential("authorization", proof.reveal());
                let hint = "check `DATABRICKS_CLIENT_ID` and `DATABRICKS_CLIENT_SECRET`; secrets of principals expire";
                Ok(oauth::grant(http, request, self.context(hint)).await?.into_token())
            }
            AuthMethod::Metadata(url) => {
                let request = Request::get(url.clone())
                    .header("x-databricks-metadata-version", "1")
                    .header("x-databricks-host", &host::shown(host));
                let hint = "check `DATABRICKS_METADATA_SERVICE_URL` and what answers there";
                Ok(oauth::grant(http, request, self.context(hint)).await?.into_token())
            }
            AuthMethod::Federation(federation) => federation.token(http, self.name).await,
            AuthMethod::Entra(entra) => entra.token(http, host).await,
        }
    }

    fn context<'a>(&self, hint: &'a str) -> TokenRequestContext<'a> {
        TokenRequestContext { auth_type: self.name, hint }
    }
}

/// `Basic` of a name and a password, RFC 7617.
pub(super) fn basic(name: &str, password: &Secret) -> Secret {
    let pair = Secret::new([name.as_bytes(), b":", password.reveal()].concat());
    Secret::from(format!("Basic {}", STANDARD.encode(pair.reveal())))
}
