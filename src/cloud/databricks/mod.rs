//! A Databricks workspace over its REST API, with the identity that the official clients would select.
//!
//! Connecting sends no request, unless Azure has to look up the address of the workspace. The first request fetches a
//! token.

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

/// Read requests are repeated if the workspace is overloaded or does not answer. The official clients repeat for five
/// minutes, but a starting node has less time. Like them, nodeagent does not repeat after status 500.
const RETRYING: RetryPolicy =
    RetryPolicy { budget: Duration::from_secs(45), statuses: &[429, 503], first: Duration::from_millis(500) };

/// A connection to a workspace.
pub struct Workspace {
    http: Arc<http::Client>,
    host: Url,
    display_host: String,
    authenticator: Authenticator,
    tokens: TokenCache,
    user_agent: String,
    /// The id of the workspace, for an address that several workspaces share.
    id: Option<String>,
    /// The Azure resource id of the workspace.
    resource: Option<String>,
    retrying: RetryPolicy,
    me: OnceCell<CurrentUser>,
}

/// The identity of the node in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CurrentUser {
    /// The workspace's address.
    pub host: String,
    /// The authentication method, as the official clients name it, such as `oauth-m2m`.
    pub auth_type: String,
    /// The user name. For a service principal, its application id.
    pub user_name: String,
    /// The display name.
    pub display_name: Option<String>,
    /// Whether it is a service principal.
    pub service_principal: bool,
    /// The names of its direct and indirect groups.
    pub groups: Vec<String>,
}

impl Workspace {
    pub(super) async fn connect(http: Arc<http::Client>, environment: &ClientEnvironment) -> Result<Self, CloudError> {
        let settings = Settings::read(environment)?;
        let host = settings.text("host").map(host::normal).transpose()?;
        let authenticator = AuthSelection { settings: &settings, environment, host: host.as_ref() }.select()?;
        let resource = settings.text("azure_workspace_resource_id").map(str::to_owned);
        let host = match (host, &authenticator.method, &resource) {
            (Some(host), _, _) => host,
            (None, AuthMethod::Entra(entra), Some(resource)) => entra.workspace(&http, resource).await?,
            // Other methods are not selected without an address.
            (None, _, _) => {
                return Err(CloudError::new(CloudErrorKind::NotConfigured, "no Databricks workspace is configured"));
            }
        };
        Ok(Self {
            http,
            display_host: host::shown(&host),
            host,
            user_agent: user_agent(authenticator.name, environment.variable("DATABRICKS_RUNTIME_VERSION")),
            authenticator,
            tokens: TokenCache::default(),
            id: settings.text("workspace_id").map(str::to_owned),
            resource,
            retrying: RETRYING,
            me: OnceCell::new(),
        })
    }

    /// The workspace's address.
    pub fn host(&self) -> &str {
        &self.display_host
    }

    /// The authentication method, as the official clients name it, such as `oauth-m2m`.
    pub fn auth_type(&self) -> &'static str {
        self.authenticator.name
    }

    /// A URL of the workspace. Encodes the path and the query.
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

    /// The identity of the node. The workspace is asked once.
    pub async fn me(&self) -> Result<CurrentUser, CloudError> {
        let ask = || async {
            let user: ScimUser = self.get("/api/2.0/preview/scim/v2/Me", &[]).await?;
            let groups: BTreeSet<String> = user.groups.into_iter().filter_map(|group| group.display).collect();
            Ok(CurrentUser {
                host: self.display_host.clone(),
                auth_type: self.authenticator.name.to_owned(),
                service_principal: is_application(&user.user_name),
                user_name: user.user_name,
                display_name: user.display_name.filter(|name| !name.is_empty()),
                groups: groups.into_iter().collect(),
            })
        };
        self.me.get_or_try_init(ask).await.cloned()
    }

    /// Reads JSON of type `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, CloudError> {
        let url = self.url(path, query);
        let answer = self.send(Request::get(url.clone())).await?;
        answer.json().map_err(|error| error::malformed(&self.host, &url, &error))
    }

    /// Sends a request to this workspace with the identity of the node. Repeats read requests after transient errors,
    /// and any request once if the token has expired.
    ///
    /// # Errors
    /// If the answer is not successful.
    pub async fn send(&self, request: Request) -> Result<Answer, CloudError> {
        Ok(self.ask(request).await?)
    }

    /// Reads an answer of any type. The error contains the error code of the workspace.
    pub(crate) async fn get_answer(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, ApiError> {
        self.ask(Request::get(self.url(path, query))).await
    }

    async fn ask(&self, request: Request) -> Result<Answer, ApiError> {
        if request.url().origin() != self.host.origin() {
            let message = format!("`{}` is not an address of `{}`", host::shown(request.url()), self.display_host);
            return Err(CloudError::new(CloudErrorKind::Invalid, message).into());
        }
        let request = if request.only_reads() { request.retrying(self.retrying) } else { request };
        let used = self.token().await?;
        let refused = match self.once(&request, &used).await {
            Err(refused) if refused.error.kind == CloudErrorKind::TokenRejected => refused,
            ended => return ended,
        };
        if used.is_new || !self.authenticator.is_renewable() {
            return Err(refused);
        }
        self.tokens.forget(used.number).await;
        self.once(&request, &self.token().await?).await
    }

    async fn token(&self) -> Result<CachedToken, CloudError> {
        self.tokens.token(async || self.authenticator.token(&self.http, &self.host).await).await
    }

    async fn once(&self, request: &Request, cached: &CachedToken) -> Result<Answer, ApiError> {
        let mut request = request
            .clone()
            .header("user-agent", &self.user_agent)
            .credential("authorization", cached.token.authorization.reveal());
        if let Some(token) = &cached.token.management {
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

/// The answer of the user directory (SCIM).
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

/// Whether a user name belongs to a service principal: it is then an application id, else an e-mail address.
fn is_application(name: &str) -> bool {
    static UUID: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$").expect("the pattern is fixed"));
    UUID.is_match(name)
}

/// The user agent, in the format of the official clients.
fn user_agent(auth_type: &str, runtime: Option<&str>) -> String {
    let name = concat!("nodeagent/", env!("CARGO_PKG_VERSION"), " os/linux auth/");
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.+-".contains(c) { c } else { '-' };
    let runtime = runtime.map(|version| format!(" runtime/{}", version.chars().map(allowed).collect::<String>()));
    format!("{name}{auth_type}{}", runtime.unwrap_or_default())
}
