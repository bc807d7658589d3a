//! Azure Databricks by an identity of Microsoft Entra: a service principal's secret, or the machine's managed identity.
//!
//! Two tokens are shown: one for Azure Databricks, and one for Azure's management, by which the workspace admits a
//! principal that is no member but may manage the resource. As the official clients do, by Entra's first endpoint:
//! <https://learn.microsoft.com/en-us/azure/databricks/dev-tools/service-prin-aad-token>.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::{
    host::{self, AZURE_DATABRICKS, Azure},
    oauth::{self, TokenRequestContext, TokenResponse},
    token::Token,
};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::{Client, Request, RetryPolicy},
    redact::Secret,
};

/// The metadata service's documented reasons to ask again: it is starting, updating, or busy.
const METADATA: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(30),
    statuses: &[404, 410, 429, 500, 502, 503, 504],
    first: Duration::from_millis(800),
};

/// An identity of Entra and where it is asked for.
pub(super) struct Entra {
    pub(super) principal: EntraIdentity,
    pub(super) azure: Azure,
}

/// Who the node is in Entra.
pub(super) enum EntraIdentity {
    /// An application with its secret.
    Secret {
        id: String,
        secret: Secret,
        /// RecordedRequest of the workspace when nobody names it.
        tenant: OnceCell<String>,
    },
    /// What the machine is, or the identity of this client id when it has several.
    Managed {
        id: Option<String>,
        /// Where the machine's metadata service is.
        metadata: Url,
    },
}

impl Entra {
    fn context(&self) -> TokenRequestContext<'static> {
        match self.principal {
            EntraIdentity::Secret { .. } => TokenRequestContext {
                auth_type: "azure-client-secret",
                hint: "check `ARM_CLIENT_ID`, `ARM_CLIENT_SECRET` and `ARM_TENANT_ID`",
            },
            EntraIdentity::Managed { .. } => TokenRequestContext {
                auth_type: "azure-msi",
                hint: "assign a managed identity to this machine; of several name one with `ARM_CLIENT_ID`",
            },
        }
    }

    /// Both tokens, asked for at the same time.
    pub(super) async fn token(&self, http: &Client, workspace: &Url) -> Result<Token, CloudError> {
        // The tenant first: both need it, and it is asked for once.
        self.tenant(http, Some(workspace)).await?;
        let (token, management) = futures::try_join!(
            self.grant(http, Some(workspace), AZURE_DATABRICKS),
            self.grant(http, Some(workspace), self.azure.management),
        )?;
        Ok(token.into_token().with_management(management.token, management.lives))
    }

    /// The workspace's address when only its resource, `/subscriptions/…`, is known: the resource manager tells.
    pub(super) async fn workspace(&self, http: &Client, resource: &str) -> Result<Url, CloudError> {
        let granted = self.grant(http, None, self.azure.manager.as_str()).await?;
        let mut url = self.azure.manager.clone();
        url.set_path(resource);
        url.set_query(Some("api-version=2018-04-01"));
        let retrying = RetryPolicy { statuses: &[429, 503], ..METADATA };
        let request = Request::get(url).bearer(&granted.token).retrying(retrying);
        let answer =
            http.call(&request).await.map_err(|error| CloudError::unanswered("Azure's resource manager", &error))?;
        let found = answer.json::<Value>().unwrap_or_default();
        let address = found.pointer("/properties/workspaceUrl").and_then(Value::as_str);
        if let (true, Some(address)) = (answer.is_success(), address) {
            return host::normal(address);
        }
        let kind = match answer.status {
            401 => CloudErrorKind::TokenRejected,
            403 => CloudErrorKind::Denied,
            404 => CloudErrorKind::Absent,
            _ => CloudErrorKind::Malformed,
        };
        let message = format!("Azure does not say where the workspace `{resource}` is (status {})", answer.status);
        let said = found.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        Err(CloudError::new(kind, message)
            .said(said)
            .hint("set `DATABRICKS_HOST`, or check `DATABRICKS_AZURE_RESOURCE_ID`"))
    }

    async fn grant(&self, http: &Client, workspace: Option<&Url>, resource: &str) -> Result<TokenResponse, CloudError> {
        match &self.principal {
            EntraIdentity::Secret { id, secret, .. } => {
                let tenant = self.tenant(http, workspace).await?;
                let mut url = self.azure.login.clone();
                url.set_path(&format!("{}{tenant}/oauth2/token", url.path()));
                let secret = String::from_utf8_lossy(secret.reveal());
                let fields = [
                    ("grant_type", "client_credentials"),
                    ("client_id", id.as_str()),
                    ("client_secret", &*secret),
                    ("resource", resource),
                ];
                oauth::grant(http, Request::form(url, &fields), self.context()).await
            }
            EntraIdentity::Managed { id, metadata } => {
                let mut url = metadata.clone();
                url.set_path("/metadata/identity/oauth2/token");
                url.query_pairs_mut().append_pair("api-version", "2018-02-01").append_pair("resource", resource);
                if let Some(id) = id {
                    url.query_pairs_mut().append_pair("client_id", id);
                }
                let request = Request::get(url).header("metadata", "true").timeout(Duration::from_secs(10));
                oauth::grant_patiently(http, &request.limit(1 << 20).retrying(METADATA), self.context()).await
            }
        }
    }

    /// The tenant of a service principal. The workspace sends people who log in to it, and so names it.
    async fn tenant(&self, http: &Client, workspace: Option<&Url>) -> Result<&str, CloudError> {
        let EntraIdentity::Secret { tenant, .. } = &self.principal else { return Ok("") };
        let find = || async {
            let unknown = || {
                CloudError::new(
                    CloudErrorKind::NotConfigured,
                    "nothing says which tenant of Entra the service principal is of",
                )
                .hint("set `ARM_TENANT_ID`")
            };
            let mut url = workspace.cloned().ok_or_else(unknown)?;
            url.set_path("/aad/auth");
            let answer = http
                .call(&Request::get(url.clone()).timeout(Duration::from_secs(10)))
                .await
                .map_err(|error| CloudError::unanswered("the workspace", &error).hint("set `ARM_TENANT_ID`"))?;
            let location = answer.header("location").and_then(|location| url.join(location).ok());
            let tenant = location.as_ref().and_then(|url| url.path_segments()?.next().map(str::to_owned));
            let is_name =
                |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
            tenant.filter(is_name).ok_or_else(unknown)
        };
        tenant.get_or_try_init(find).await.map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::databricks::test_server::{RecordedRequest, Reply, TestServer, ok, reply};

    const RESOURCE: &str = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";

    async fn found(
        manager: impl Fn(&RecordedRequest) -> Reply + Send + Sync + 'static,
    ) -> (Result<Url, CloudError>, Vec<RecordedRequest>) {
        let server = TestServer::start(move |asked, _| match asked.path() {
            "/tenant/oauth2/token" => ok(r#"{"access_token":"of-the-manager","expires_in":3600}"#),
            _ => manager(asked),
        });
        let entra = Entra {
            principal: EntraIdentity::Secret {
                id: "app".to_owned(),
                secret: Secret::from("s".to_owned()),
                tenant: OnceCell::new_with(Some("tenant".to_owned())),
            },
            azure: Azure { login: server.url.clone(), manager: server.url.clone(), management: "unused" },
        };
        (entra.workspace(&Client::default(), RESOURCE).await, server.asked())
    }

    #[tokio::test]
    async fn the_resource_manager_knows_the_workspaces_address() {
        let body = r#"{"properties":{"workspaceUrl":"adb-1.2.azuredatabricks.net"}}"#;
        let (url, asked) = found(move |_| ok(body)).await;
        assert_eq!(url.expect("an address").as_str(), "https://adb-1.2.azuredatabricks.net/");
        assert_eq!(asked[0].form["resource"], asked_at(&asked[0]));
        assert_eq!(asked[1].target, format!("{RESOURCE}?api-version=2018-04-01"));
        assert_eq!(asked[1].header("authorization"), "Bearer of-the-manager");
    }

    fn asked_at(asked: &RecordedRequest) -> String {
        format!("http://{}/", asked.header("host"))
    }

    #[tokio::test]
    async fn a_resource_that_may_not_be_seen_is_told_with_azures_words() {
        let body = r#"{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization"}}"#;
        let (url, _) = found(move |_| reply("403 Forbidden", body)).await;
        let error = url.expect_err("refused");
        assert_eq!(
            (error.kind, error.said.as_deref()),
            (CloudErrorKind::Denied, Some("The client does not have authorization"))
        );
        assert!(error.hint.expect("a hint").starts_with("set `DATABRICKS_HOST`"));
    }
}
