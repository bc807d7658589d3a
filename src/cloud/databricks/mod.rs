//! A Databricks workspace over its REST interface, as the identity that the official clients would find.
//!
//! Connecting asks nobody, unless only Azure knows the workspace's address; a token is fetched at the first request.

mod choose;
mod discovery;
mod entra;
mod error;
mod federation;
mod host;
mod oauth;
mod profile;
mod settings;
mod strategy;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod token;

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
    time::Duration,
};

pub(crate) use error::Refusal;
use regex_lite::Regex;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::OnceCell;
use url::Url;

use self::{
    choose::Choice,
    settings::Settings,
    strategy::{Strategy, Way},
    token::{Cache, Handed},
};
use super::{CloudError, Kind, Surroundings};
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
    strategy: Strategy,
    tokens: Cache,
    agent: String,
    /// Which workspace is meant at an address that several share.
    id: Option<String>,
    /// The workspace as a resource of Azure.
    resource: Option<String>,
    patience: RetryPolicy,
    me: OnceCell<Me>,
}

/// Who the node is in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Me {
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
    pub(super) async fn connect(http: Arc<http::Client>, surroundings: &Surroundings) -> Result<Self, CloudError> {
        let settings = Settings::gather(surroundings)?;
        let host = settings.text("host").map(host::normal).transpose()?;
        let strategy = Choice { settings: &settings, surroundings, host: host.as_ref() }.make()?;
        let resource = settings.text("azure_workspace_resource_id").map(str::to_owned);
        let host = match (host, &strategy.way, &resource) {
            (Some(host), _, _) => host,
            (None, Way::Entra(entra), Some(resource)) => entra.workspace(&http, resource).await?,
            // No other way is chosen without an address.
            (None, _, _) => return Err(CloudError::new(Kind::NotConfigured, "no Databricks workspace is configured")),
        };
        Ok(Self {
            http,
            shown: host::shown(&host),
            host,
            agent: agent(strategy.name, surroundings.variable("DATABRICKS_RUNTIME_VERSION")),
            strategy,
            tokens: Cache::default(),
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
        self.strategy.name
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

    /// Who the node is here. Asked once.
    pub async fn me(&self) -> Result<Me, CloudError> {
        let ask = || async {
            let found: Person = self.get("/api/2.0/preview/scim/v2/Me", &[]).await?;
            let groups: BTreeSet<String> = found.groups.into_iter().filter_map(|group| group.display).collect();
            Ok(Me {
                host: self.shown.clone(),
                auth_type: self.strategy.name.to_owned(),
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

    /// Reads an answer as it is, or the workspace's own code of its refusal.
    pub(crate) async fn look(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Refusal> {
        self.ask(Request::get(self.url(path, query))).await
    }

    async fn ask(&self, request: Request) -> Result<Answer, Refusal> {
        if request.url().origin() != self.host.origin() {
            let message = format!("`{}` is not an address of `{}`", host::shown(request.url()), self.shown);
            return Err(CloudError::new(Kind::Invalid, message).into());
        }
        let request = if request.only_reads() { request.retrying(self.patience) } else { request };
        let handed = self.token().await?;
        let refused = match self.once(&request, &handed).await {
            Err(refused) if refused.error.kind == Kind::TokenRejected => refused,
            ended => return ended,
        };
        if handed.is_new || !self.strategy.renews() {
            return Err(refused);
        }
        self.tokens.forget(handed.number).await;
        self.once(&request, &self.token().await?).await
    }

    async fn token(&self) -> Result<Handed, CloudError> {
        self.tokens.token(async || self.strategy.token(&self.http, &self.host).await).await
    }

    async fn once(&self, request: &Request, handed: &Handed) -> Result<Answer, Refusal> {
        let mut request = request
            .clone()
            .header("user-agent", &self.agent)
            .credential("authorization", handed.token.authorization.reveal());
        if let Some(token) = &handed.token.management {
            request = request.credential("x-databricks-azure-sp-management-token", token.reveal());
        }
        if let (Way::Entra(_), Some(resource)) = (&self.strategy.way, &self.resource) {
            request = request.header("x-databricks-azure-workspace-resource-id", resource);
        }
        if let Some(id) = &self.id {
            request = request.header("x-databricks-workspace-id", id);
        }
        let unanswered = |error| CloudError::unanswered("the workspace", &error);
        let answer = self.http.call(&request).await.map_err(unanswered)?;
        match error::refusal(&self.host, request.url(), self.strategy.name, &answer) {
            Some(refusal) => Err(refusal),
            None => Ok(answer),
        }
    }
}

/// The user directory's answer (SCIM), as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    user_name: String,
    display_name: Option<String>,
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
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
