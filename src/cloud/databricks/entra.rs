//! Azure Databricks with an identity of Microsoft Entra: a service principal with a secret, or a managed identity.
//!
//! Each request carries two tokens: one for Azure Databricks, and one for Azure Resource Manager. With the second token
//! the workspace admits a principal that is not a member but may manage the resource. The official clients do the same:
//! <https://learn.microsoft.com/en-us/azure/databricks/dev-tools/service-prin-aad-token>.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::{
    host::{self, AZURE_DATABRICKS, AzureCloud},
    oauth::{TokenRequestContext, TokenResponse},
    token::Token,
};
use crate::{
    cloud::{
        CloudError, CloudErrorKind,
        entra::{self, Application, Audience, MetadataToken, Proof, TokenRequest},
    },
    http::{Client, Request, RetryPolicy},
    redact::Secret,
};

const RETRYING: RetryPolicy =
    RetryPolicy { budget: Duration::from_secs(30), statuses: &[429, 503], first: Duration::from_millis(800) };
const TIMEOUT: Duration = Duration::from_secs(10);

/// An identity of Entra, and the Azure cloud that it belongs to.
pub(super) struct EntraMethod {
    pub(super) identity: EntraIdentity,
    pub(super) azure: AzureCloud,
}

/// The identity of the node in Entra.
pub(super) enum EntraIdentity {
    /// An application with a client secret.
    ClientSecret {
        id: String,
        secret: Secret,
        /// The tenant. If it is not configured, the workspace names it.
        tenant: OnceCell<String>,
    },
    /// A managed identity of the machine.
    Managed {
        /// The client id of a user-assigned identity.
        id: Option<String>,
        /// The address of the metadata service.
        metadata: Url,
    },
}

impl EntraMethod {
    /// Requests both tokens at the same time.
    pub(super) async fn token(&self, http: &Client, workspace: &Url) -> Result<Token, CloudError> {
        // Both requests need the tenant: look it up once, before them.
        self.tenant(http, Some(workspace)).await?;
        let (token, management) = futures::try_join!(
            self.request(http, Some(workspace), AZURE_DATABRICKS),
            self.request(http, Some(workspace), self.azure.management),
        )?;
        Ok(token.into_token().with_management(management.token, management.lifetime))
    }

    /// Asks Azure Resource Manager for the address of a workspace whose resource id, `/subscriptions/…`, is configured.
    pub(super) async fn workspace(&self, http: &Client, resource: &str) -> Result<Url, CloudError> {
        let response = self.request(http, None, self.azure.manager.as_str()).await?;
        let mut url = self.azure.manager.clone();
        url.set_path(resource);
        url.set_query(Some("api-version=2018-04-01"));
        let request = Request::get(url).bearer(&response.token).retrying(RETRYING);
        let answer = http.call(&request).await;
        let answer = answer.map_err(|error| CloudError::unanswered("Azure Resource Manager", &error))?;
        let body = answer.json::<Value>().unwrap_or_default();
        let address = body.pointer("/properties/workspaceUrl").and_then(Value::as_str);
        if let (true, Some(address)) = (answer.is_success(), address) {
            return host::normal(address);
        }
        let kind = match answer.status {
            401 => CloudErrorKind::TokenRejected,
            403 => CloudErrorKind::Denied,
            404 => CloudErrorKind::Absent,
            _ => CloudErrorKind::Malformed,
        };
        let message =
            format!("Azure did not return the address of the workspace `{resource}` (status {})", answer.status);
        let detail = body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        Err(CloudError::new(kind, message)
            .detail(detail)
            .hint("set `DATABRICKS_HOST`, or check `DATABRICKS_AZURE_RESOURCE_ID`"))
    }

    async fn request(
        &self,
        http: &Client,
        workspace: Option<&Url>,
        resource: &str,
    ) -> Result<TokenResponse, CloudError> {
        let requested = Instant::now();
        let variables = entra::DATABRICKS_VARIABLES;
        let (answer, context) = match &self.identity {
            EntraIdentity::ClientSecret { id, secret, .. } => {
                let tenant = self.tenant(http, workspace).await?.to_owned();
                let request = TokenRequest {
                    authority: &self.azure.login,
                    application: &Application { tenant, client: id.clone() },
                    proof: Proof::Secret(secret),
                    audience: Audience::Resource(resource),
                    variables,
                };
                let hint = "check `ARM_CLIENT_ID`, `ARM_CLIENT_SECRET` and `ARM_TENANT_ID`";
                (request.send(http).await?, TokenRequestContext { auth_type: "azure-client-secret", hint })
            }
            EntraIdentity::Managed { id, metadata } => {
                let mut endpoint = metadata.clone();
                endpoint.set_path(entra::METADATA_PATH);
                let request = MetadataToken { endpoint: &endpoint, client: id.as_deref(), resource, variables };
                let hint = "check `AZURE_POD_IDENTITY_AUTHORITY_HOST` and the service at that address";
                (request.send(http).await?, TokenRequestContext { auth_type: "azure-msi", hint })
            }
        };
        TokenResponse::read(&answer, requested, "Microsoft Entra", context)
    }

    /// The tenant of a service principal. The login page of a workspace redirects to its tenant.
    async fn tenant(&self, http: &Client, workspace: Option<&Url>) -> Result<&str, CloudError> {
        let EntraIdentity::ClientSecret { tenant, .. } = &self.identity else { return Ok("") };
        tenant.get_or_try_init(|| find_tenant(http, workspace)).await.map(String::as_str)
    }
}

async fn find_tenant(http: &Client, workspace: Option<&Url>) -> Result<String, CloudError> {
    const HINT: &str = "set `ARM_TENANT_ID`";
    let unknown = || {
        let message = "the Entra tenant of the service principal is not known";
        CloudError::new(CloudErrorKind::NotConfigured, message).hint(HINT)
    };
    let mut url = workspace.cloned().ok_or_else(unknown)?;
    url.set_path("/aad/auth");
    let answer = http.call(&Request::get(url.clone()).timeout(TIMEOUT)).await;
    let answer = answer.map_err(|error| CloudError::unanswered("the workspace", &error).hint(HINT))?;
    let location = answer.header("location").and_then(|location| url.join(location).ok());
    let tenant = location.as_ref().and_then(|url| url.path_segments()?.next().map(str::to_owned));
    let is_name =
        |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    tenant.filter(is_name).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::databricks::test_server::{RecordedRequest, Reply, TestServer, ok, reply};

    const RESOURCE: &str = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";

    fn entra_at(server: &TestServer) -> EntraMethod {
        EntraMethod {
            identity: EntraIdentity::ClientSecret {
                id: "app".to_owned(),
                secret: Secret::from("s".to_owned()),
                tenant: OnceCell::new_with(Some("tenant".to_owned())),
            },
            azure: AzureCloud { login: server.url.clone(), manager: server.url.clone(), management: "unused" },
        }
    }

    /// Asks for the address of a workspace; `manager` answers for Azure Resource Manager.
    async fn workspace_address(
        manager: impl Fn(&RecordedRequest) -> Reply + Send + Sync + 'static,
    ) -> (Result<Url, CloudError>, Vec<RecordedRequest>) {
        let server = TestServer::start(move |request, _| match request.path() {
            "/tenant/oauth2/token" => ok(r#"{"access_token":"of-the-manager","expires_in":3600}"#),
            _ => manager(request),
        });
        (entra_at(&server).workspace(&Client::default(), RESOURCE).await, server.requests())
    }

    #[tokio::test]
    async fn the_resource_manager_returns_the_address_of_the_workspace() {
        let body = r#"{"properties":{"workspaceUrl":"adb-1.2.azuredatabricks.net"}}"#;
        let (url, requests) = workspace_address(move |_| ok(body)).await;
        assert_eq!(url.expect("an address").as_str(), "https://adb-1.2.azuredatabricks.net/");
        assert_eq!(requests[0].form["resource"], audience_of(&requests[0]));
        assert_eq!(requests[1].target, format!("{RESOURCE}?api-version=2018-04-01"));
        assert_eq!(requests[1].header("authorization"), "Bearer of-the-manager");
    }

    fn audience_of(request: &RecordedRequest) -> String {
        format!("http://{}/", request.header("host"))
    }

    #[tokio::test]
    async fn a_resource_that_azure_denies_is_an_error_with_azures_message() {
        let body = r#"{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization"}}"#;
        let (url, _) = workspace_address(move |_| reply("403 Forbidden", body)).await;
        let error = url.expect_err("refused");
        assert_eq!(
            (error.kind, error.detail.as_deref()),
            (CloudErrorKind::Denied, Some("The client does not have authorization"))
        );
        assert!(error.hint.expect("a hint").starts_with("set `DATABRICKS_HOST`"));
    }

    #[tokio::test]
    async fn a_refused_application_has_the_hint_for_its_aadsts_code() {
        let server = TestServer::start(|_, _| {
            let body = r#"{"error":"invalid_client","error_codes":[7000215],"error_description":
                "AADSTS7000215: Invalid client secret provided. Ensure the secret is the value. Trace ID: 1"}"#;
            reply("401 Unauthorized", body)
        });
        let error = entra_at(&server).workspace(&Client::default(), RESOURCE).await.expect_err("refused");
        assert_eq!(error.kind, CloudErrorKind::TokenRejected);
        assert_eq!(error.message, "Microsoft Entra refused the application `app` of tenant `tenant`");
        assert_eq!(error.detail.as_deref(), Some("AADSTS7000215: Invalid client secret provided"));
        assert!(error.hint.expect("a hint").starts_with("`ARM_CLIENT_SECRET` is not a secret of this application"));
    }
}
