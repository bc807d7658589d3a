//! Discovery of the token endpoint of a workspace, by two documents.
//!
//! `/.well-known/databricks-config` names the issuer, whose `/.well-known/oauth-authorization-server` (RFC 8414) names
//! the endpoint. Workspaces without the first document have the second one below `/oidc`. An endpoint outside the
//! workspace and the domains of Databricks is refused, because it receives the client secret.

use std::time::Duration;

use serde_json::Value;
use tokio::{sync::OnceCell, time::timeout};
use url::Url;

use super::{host, settings::Settings};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::{Client, Request, RetryPolicy},
};

/// The time limit of the discovery.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit of the first request. Some workspaces do not answer it.
const FIRST_TIMEOUT: Duration = Duration::from_secs(2);
const RETRYING: RetryPolicy =
    RetryPolicy { budget: Duration::from_secs(4), statuses: &[429, 503], first: Duration::from_millis(250) };
const LIMIT: usize = 1 << 20;

/// The domains of workspaces and accounts.
const DOMAINS: [&str; 5] =
    [".databricks.com", ".databricks.us", ".azuredatabricks.net", ".databricks.azure.us", ".databricks.azure.cn"];

/// Discovers the endpoint, once.
pub(super) struct OidcDiscovery {
    host: Url,
    /// The configured address of the second document.
    document: Option<Url>,
    account: Option<String>,
    audience: Option<String>,
    endpoint: OnceCell<TokenEndpoint>,
}

/// A token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenEndpoint {
    /// Its address.
    pub(super) token: Url,
    /// The audience that a token of another issuer must have.
    pub(super) audience: String,
}

impl OidcDiscovery {
    pub(super) fn new(host: Url, settings: &Settings) -> Result<Self, CloudError> {
        let document = settings.text("discovery_url").map(|text| {
            let invalid =
                || CloudError::new(CloudErrorKind::Invalid, "`DATABRICKS_DISCOVERY_URL` is not an http address");
            Url::parse(text).map_err(|_| invalid())
        });
        Ok(Self {
            host,
            document: document.transpose()?,
            account: settings.text("account_id").map(str::to_owned),
            audience: settings.text("token_audience").map(str::to_owned),
            endpoint: OnceCell::new(),
        })
    }

    /// The endpoint. The first call discovers it.
    pub(super) async fn endpoint(&self, http: &Client) -> Result<&TokenEndpoint, CloudError> {
        let find = || async {
            timeout(TOTAL_TIMEOUT, self.find(http)).await.unwrap_or_else(|_| {
                let message = format!("`{}` did not return its token endpoint in time", host::shown(&self.host));
                Err(CloudError::new(CloudErrorKind::Unreachable, message).hint(UNREACHABLE_HINT))
            })
        };
        self.endpoint.get_or_try_init(find).await
    }

    async fn find(&self, http: &Client) -> Result<TokenEndpoint, CloudError> {
        if let Some(document) = &self.document {
            return self.read(http, document, None).await;
        }
        let config = self.at("/.well-known/databricks-config");
        let config = match timeout(FIRST_TIMEOUT, json(http, &config, RetryPolicy::NEVER)).await {
            Ok(Ok(config)) => config,
            // Older workspaces have no such document. If the workspace fails, the second request reports the error.
            _ => Value::Null,
        };
        if let Some(issuer) = self.issuer(&config)
            && let Ok(endpoint) = self.read(http, &issuer, audience(&config).as_deref()).await
        {
            return Ok(endpoint);
        }
        self.read(http, &self.fallback(), audience(&config).as_deref()).await
    }

    /// The address of the second document, from the issuer in the first one.
    fn issuer(&self, config: &Value) -> Option<Url> {
        let issuer = config.get("oidc_endpoint")?.as_str()?;
        let account = self.account.as_deref().or_else(|| config.get("account_id")?.as_str());
        if issuer.contains("{account_id}") && account.is_none() {
            return None;
        }
        let issuer = issuer.replace("{account_id}", account.unwrap_or_default());
        Url::parse(&format!("{}/.well-known/oauth-authorization-server", issuer.trim_end_matches('/'))).ok()
    }

    fn fallback(&self) -> Url {
        match &self.account {
            Some(account) if self.host.host_str().is_some_and(|name| name.starts_with("accounts.")) => {
                self.at(&format!("/oidc/accounts/{account}/.well-known/oauth-authorization-server"))
            }
            _ => self.at("/oidc/.well-known/oauth-authorization-server"),
        }
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.host.clone();
        url.set_path(path);
        url
    }

    async fn read(&self, http: &Client, document: &Url, audience: Option<&str>) -> Result<TokenEndpoint, CloudError> {
        let found = json(http, document, RETRYING).await?;
        let token = found.get("token_endpoint").and_then(Value::as_str).and_then(|text| Url::parse(text).ok());
        let Some(token) = token else {
            let message = format!("`{document}` contains no token endpoint");
            return Err(
                CloudError::new(CloudErrorKind::Malformed, message).hint("check that `DATABRICKS_HOST` is a workspace")
            );
        };
        self.check(document, &token)?;
        let audience = self.audience.as_deref().or(audience).map_or_else(|| token.to_string(), str::to_owned);
        Ok(TokenEndpoint { token, audience })
    }

    fn check(&self, document: &Url, token: &Url) -> Result<(), CloudError> {
        let name = token.host_str().unwrap_or_default();
        let ours = [Some(&self.host), self.document.as_ref()].into_iter().flatten();
        let is_ours = ours.into_iter().any(|url| url.host_str() == Some(name));
        if is_ours || DOMAINS.iter().any(|domain| name.ends_with(domain)) {
            return Ok(());
        }
        let message = format!(
            "`{document}` names the token endpoint `{name}`, which does not belong to this workspace; no credential was sent"
        );
        Err(CloudError::new(CloudErrorKind::Invalid, message)
            .hint("if the endpoint is correct, set `DATABRICKS_DISCOVERY_URL` to a document of that host"))
    }
}

const UNREACHABLE_HINT: &str = "check `DATABRICKS_HOST`, and that the node can reach it (DNS, proxy, firewall)";

fn audience(config: &Value) -> Option<String> {
    let first = config.get("token_federation_default_oidc_audiences")?.get(0)?;
    first.as_str().map(str::to_owned)
}

async fn json(http: &Client, url: &Url, retrying: RetryPolicy) -> Result<Value, CloudError> {
    let request = Request::get(url.clone()).limit(LIMIT).retrying(retrying);
    let answer = http
        .call(&request)
        .await
        .map_err(|error| CloudError::unanswered("the workspace", &error).hint(UNREACHABLE_HINT))?;
    let kind = match answer.status {
        200..=299 => {
            let failed =
                |_| CloudError::new(CloudErrorKind::Malformed, format!("`{url}` returned an answer that is not JSON"));
            return answer
                .json()
                .map_err(|error: serde_json::Error| failed(error).hint("check that `DATABRICKS_HOST` is a workspace"));
        }
        404 => CloudErrorKind::Absent,
        429 => CloudErrorKind::Limited,
        500.. => CloudErrorKind::Unreachable,
        _ => CloudErrorKind::Malformed,
    };
    Err(CloudError::new(kind, format!("`{url}` answered with status {}", answer.status))
        .hint("check that `DATABRICKS_HOST` is a workspace"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::databricks::test_server::{RecordedRequest, Reply, TestServer, ok, reply};

    const SERVER: &str = "/oidc/.well-known/oauth-authorization-server";

    async fn find(
        answer: impl Fn(&RecordedRequest, usize) -> Reply + Send + Sync + 'static,
    ) -> (Result<TokenEndpoint, CloudError>, TestServer) {
        let server = TestServer::start(answer);
        let oidc = OidcDiscovery::new(server.url.clone(), &Settings::default()).expect("no address to be wrong");
        let found = oidc.endpoint(&Client::default()).await.cloned();
        (found, server)
    }

    #[tokio::test]
    async fn both_documents_of_a_workspace_are_used() {
        let (found, server) = find(|request, _| {
            let at = format!("http://{}", request.header("host"));
            match request.path() {
                "/.well-known/databricks-config" => ok(&format!(
                    r#"{{"oidc_endpoint":"{at}/issuer/{{account_id}}/","account_id":"acc","token_federation_default_oidc_audiences":["aud"]}}"#
                )),
                "/issuer/acc/.well-known/oauth-authorization-server" => ok(&format!(r#"{{"token_endpoint":"{at}/token"}}"#)),
                _ => reply("404 Not Found", ""),
            }
        })
        .await;
        let expected =
            TokenEndpoint { token: server.at("token").parse().expect("an address"), audience: "aud".to_owned() };
        assert_eq!(found, Ok(expected));
    }

    #[tokio::test]
    async fn a_workspace_without_the_first_document_has_the_second_below_oidc() {
        let (found, server) = find(|request, _| match request.path() {
            SERVER => ok(&format!(r#"{{"token_endpoint":"http://{}/oidc/v1/token"}}"#, request.header("host"))),
            _ => reply("404 Not Found", "<html></html>"),
        })
        .await;
        let found = found.expect("found");
        assert_eq!(found.token.as_str(), server.at("oidc/v1/token"));
        assert_eq!(found.audience, server.at("oidc/v1/token"));
        assert_eq!(server.paths(), ["/.well-known/databricks-config", SERVER]);
    }

    #[tokio::test]
    async fn a_token_endpoint_of_another_host_is_refused() {
        let (found, _server) = find(|_, _| ok(r#"{"token_endpoint":"https://thief.example/token"}"#)).await;
        let error = found.expect_err("refused");
        assert_eq!(error.kind, CloudErrorKind::Invalid);
        assert!(error.message.contains("names the token endpoint `thief.example`"), "{}", error.message);
    }

    #[tokio::test]
    async fn discovery_ends_at_its_time_limit() {
        let began = std::time::Instant::now();
        let (found, _server) = find(|_, _| {
            std::thread::sleep(Duration::from_secs(20));
            ok("{}")
        })
        .await;
        assert_eq!(found.expect_err("no answer").kind, CloudErrorKind::Unreachable);
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn another_server_is_reported_as_not_a_workspace() {
        let (found, _server) = find(|_, _| ok("<html>Sign in</html>")).await;
        let error = found.expect_err("no JSON");
        assert_eq!(error.kind, CloudErrorKind::Malformed);
        assert_eq!(error.hint.as_deref(), Some("check that `DATABRICKS_HOST` is a workspace"));
    }
}
