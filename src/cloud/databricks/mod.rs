//! A Databricks workspace over its REST interface, as the identity that the official clients would find.
//!
//! Connecting asks nobody, unless only Azure knows the workspace's address; a token is fetched at the first request.

mod auth_method;
mod auth_selection;
mod discovery;
mod entra;
mod error;
mod federation;
mod host;
mod oauth;
mod profile;
mod settings;
#[cfg(test)]
pub(crate) use crate::test_server;
#[cfg(test)]
mod tests;
mod token;

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
    time::Duration,
};

pub(crate) use error::ApiError;
use regex_lite::Regex;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::OnceCell;
use url::Url;

use self::{
    auth_method::{AuthMethod, Authenticator},
    auth_selection::AuthSelection,
    settings::Settings,
    token::{CachedToken, TokenCache},
};
use super::{ClientEnvironment, CloudError, CloudErrorKind};
use crate::http::{self, Answer, Request, RetryPolicy};

/// What only reads is asked again when the workspace is overloaded or does not answer. The official clients take five
/// minutes; a node that starts has less. A server's error (500) is not asked for twice, as with them.
const PATIENT: RetryPolicy =
    RetryPolicy { budget: Duration::from_secs(45), statuses: &[429, 503], first: Duration::from_millis(500) };

/// A workspace, connected to.
pub struct Workspace {
    http: Arc<http::Client>,
    host: Url,
    shown: String,
    authenticator: Authenticator,
    tokens: TokenCache,
    agent: String,
    /// Which workspace is meant at an address that several share.
    id: Option<String>,
    /// The workspace as a resource of Azure.
    resource: Option<String>,
    patience: RetryPolicy,
    me: OnceCell<CurrentUser>,
}

/// Who the node is in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CurrentUser {
    /// The workspace's address.
    pub host: String,
    /// How the token was had, by the name of the official clients, such as `oauth-m2m`.
    pub auth_type: String,
    /// The user's name; of a service principal its application id.
    pub user_name: String,
    /// The name people know.
    pub display_name: Option<String>,
    /// Whether it is a service principal.
    pub service_principal: bool,
    /// The names of its groups, direct and indirect.
    pub groups: Vec<String>,
}

impl Workspace {
    pub(super) async fn connect(http: Arc<http::Client>, environment: &ClientEnvironment) -> Result<Self, CloudError> {
        let settings = Settings::gather(environment)?;
        let host = settings.text("host").map(host::normal).transpose()?;
        let authenticator = AuthSelection { settings: &settings, environment, host: host.as_ref() }.make()?;
        let resource = settings.text("azure_workspace_resource_id").map(str::to_owned);
        let host = match (host, &authenticator.method, &resource) {
            (Some(host), _, _) => host,
            (None, AuthMethod::Entra(entra), Some(resource)) => entra.workspace(&http, resource).await?,
            // No other method is chosen without an address.
            (None, _, _) => {
                return Err(CloudError::new(CloudErrorKind::NotConfigured, "no Databricks workspace is configured"));
            }
        };
        Ok(Self {
            http,
            shown: host::shown(&host),
            host,
            agent: agent(authenticator.name, environment.variable("DATABRICKS_RUNTIME_VERSION")),
            authenticator,
            tokens: TokenCache::default(),
            id: settings.text("workspace_id").map(str::to_owned),
            resource,
            patience: PATIENT,
            me: OnceCell::new(),
        })
    }

    /// The workspace's address.
    pub fn host(&self) -> &str {
        &self.shown
    }

    /// How the node proves who it is, by the official clients' name, such as `oauth-m2m`.
    pub fn auth_type(&self) -> &'static str {
        self.authenticator.name
    }

    /// An address of the workspace. Path and query are given as they are meant; they are encoded here.
    pub fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.host.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path.trim_start_matches('/').split('/'));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Who the node is here. RecordedRequest once.
    pub async fn me(&self) -> Result<CurrentUser, CloudError> {
        let ask = || async {
            let found: ScimUser = self.get("/api/2.0/preview/scim/v2/Me", &[]).await?;
            let groups: BTreeSet<String> = found.groups.into_iter().filter_map(|group| group.display).collect();
            Ok(CurrentUser {
                host: self.shown.clone(),
                auth_type: self.authenticator.name.to_owned(),
                service_principal: is_application(&found.user_name),
                user_name: found.user_name,
                display_name: found.display_name.filter(|name| !name.is_empty()),
                groups: groups.into_iter().collect(),
            })
        };
        self.me.get_or_try_init(ask).await.cloned()
    }

    /// Reads JSON of a known shape.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, CloudError> {
        let url = self.url(path, query);
        let answer = self.send(Request::get(url.clone())).await?;
        answer.json().map_err(|why| error::malformed(&self.host, &url, &why))
    }

    /// Sends a request of this workspace as the node's identity. Every answer that is no success is an error; what only
    /// reads is tried again where that may help, and once more when a token turns out to have died.
    pub async fn send(&self, request: Request) -> Result<Answer, CloudError> {
        Ok(self.ask(request).await?)
    }

    /// Reads an answer as it is, or the workspace's own code of its api_error.
    pub(crate) async fn look(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, ApiError> {
        self.ask(Request::get(self.url(path, query))).await
    }

    async fn ask(&self, request: Request) -> Result<Answer, ApiError> {
        if request.url().origin() != self.host.origin() {
            let message = format!("`{}` is not an address of `{}`", host::shown(request.url()), self.shown);
            return Err(CloudError::new(CloudErrorKind::Invalid, message).into());
        }
        let request = if request.only_reads() { request.retrying(self.patience) } else { request };
        let handed = self.token().await?;
        let refused = match self.once(&request, &handed).await {
            Err(refused) if refused.error.kind == CloudErrorKind::TokenRejected => refused,
            ended => return ended,
        };
        if handed.is_new || !self.authenticator.renews() {
            return Err(refused);
        }
        self.tokens.forget(handed.number).await;
        self.once(&request, &self.token().await?).await
    }

    async fn token(&self) -> Result<CachedToken, CloudError> {
        self.tokens.token(async || self.authenticator.token(&self.http, &self.host).await).await
    }

    async fn once(&self, request: &Request, handed: &CachedToken) -> Result<Answer, ApiError> {
        let mut request = request
            .clone()
            .header("user-agent", &self.agent)
            .credential("authorization", handed.token.authorization.reveal());
        if let Some(token) = &handed.token.management {
            request = request.credential("x-databricks-azure-sp-management-token", token.reveal());
        }
        if let (AuthMethod::Entra(_), Some(resource)) = (&self.authenticator.method, &self.resource) {
            request = request.header("x-databricks-azure-workspace-resource-id", resource);
        }
        if let Some(id) = &self.id {
            request = request.header("x-databricks-workspace-id", id);
        }
        let unanswered = |error| CloudError::unanswered("the workspace", &error);
        let answer = self.http.call(&request).await.map_err(unanswered)?;
        match error::api_error(&self.host, request.url(), self.authenticator.name, &answer) {
            Some(api_error) => Err(api_error),
            None => Ok(answer),
        }
    }
}

/// The user directory's answer (SCIM), as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScimUser {
    user_name: String,
    display_name: Option<String>,
    #[serde(default)]
    groups: Vec<ScimGroup>,
}

#[derive(Deserialize)]
struct ScimGroup {
    display: Option<String>,
}

/// A service principal's name is its application's id; a person's is an address.
fn is_application(name: &str) -> bool {
    static UUID: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$").expect("the pattern is fixed"));
    UUID.is_match(name)
}

/// What we call ourselves, in the official clients' grammar.
fn agent(auth_type: &str, runtime: Option<&str>) -> String {
    let own = concat!("nodeagent/", env!("CARGO_PKG_VERSION"), " os/linux auth/");
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.+-".contains(c) { c } else { '-' };
    let runtime = runtime.map(|version| format!(" runtime/{}", version.chars().map(allowed).collect::<String>()));
    format!("{own}{auth_type}{}", runtime.unwrap_or_default())
}
