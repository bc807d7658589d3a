//! A workspace against a server in this process: the requests of each authentication method, and retries.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    test_server::{RecordedRequest, Reply, TestServer, ok, reply},
    *,
};
use crate::fs::{self, Attributes};

const ME: &str = "/api/2.0/preview/scim/v2/Me";
const PERSON: &str = r#"{"userName":"ada@lawfirms.example","displayName":"Ada","groups":[
    {"display":"users","type":"indirect"},{"display":"LawFirms-Prod-Databricks-Family-Analyst","type":"direct"},{"value":"7"}]}"#;
const REJECTED: &str = r#"{"error_code":403,"message":"Invalid access token."}"#;

async fn connect(variables: &[(&str, &str)]) -> Result<Workspace, CloudError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let environment = ClientEnvironment { variables, home: None };
    let mut workspace = Workspace::connect(Arc::new(http::Client::default()), &environment).await?;
    workspace.retrying.first = Duration::from_millis(1);
    Ok(workspace)
}

/// Connects to a server with these variables and `DATABRICKS_HOST`. `HOST` in a value is replaced by the server's
/// address.
async fn at(server: &TestServer, variables: &[(&str, &str)]) -> Workspace {
    let host = server.url.as_str().trim_end_matches('/');
    let own: Vec<(&str, String)> = variables.iter().map(|(name, value)| (*name, value.replace("HOST", host))).collect();
    let mut all = vec![("DATABRICKS_HOST", host)];
    all.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
    connect(&all).await.expect("a method")
}

async fn with_token(server: &TestServer) -> Workspace {
    at(server, &[("DATABRICKS_TOKEN", "dapi-canary")]).await
}

/// Answers like a workspace with a token endpoint. The tokens are numbered.
fn issuing(lifetime: &'static str) -> impl Fn(&RecordedRequest, usize) -> Reply + Send + Sync + 'static {
    let tokens = AtomicUsize::new(0);
    move |request, _| {
        let at = format!("http://{}", request.header("host"));
        match request.path() {
            "/.well-known/databricks-config" => ok(&format!(r#"{{"oidc_endpoint":"{at}/oidc"}}"#)),
            "/oidc/.well-known/oauth-authorization-server" => {
                ok(&format!(r#"{{"token_endpoint":"{at}/oidc/v1/token"}}"#))
            }
            "/oidc/v1/token" | "/metadata" | "/metadata/identity/oauth2/token" | "/tenant-1/oauth2/token" => {
                let number = tokens.fetch_add(1, Ordering::SeqCst);
                ok(&format!(r#"{{"access_token":"token-{number}","token_type":"Bearer",{lifetime}}}"#))
            }
            "/aad/auth" => reply("302 Found\r\nlocation: https://login.example/tenant-1/oauth2/authorize?x=1", ""),
            "/github" => ok(r#"{"value":"jwt-of-github"}"#),
            ME => ok(PERSON),
            _ => reply("404 Not Found", ""),
        }
    }
}

const HOUR: &str = r#""expires_in":"3600""#;

fn of<'a>(requests: &'a [RecordedRequest], path: &str) -> Vec<&'a RecordedRequest> {
    requests.iter().filter(|request| request.path() == path).collect()
}

#[tokio::test]
async fn a_personal_access_token_is_sent_and_no_other_request() {
    let server = TestServer::start(issuing(HOUR));
    let workspace = with_token(&server).await;
    let me = workspace.me().await.expect("a user");
    assert_eq!((me.user_name.as_str(), me.display_name.as_deref()), ("ada@lawfirms.example", Some("Ada")));
    assert_eq!(me.groups, ["LawFirms-Prod-Databricks-Family-Analyst", "users"]);
    assert_eq!((me.auth_type.as_str(), me.service_principal), ("pat", false));
    workspace.me().await.expect("asked once");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("authorization"), "Bearer dapi-canary");
    assert_eq!(
        requests[0].header("user-agent"),
        concat!("nodeagent/", env!("CARGO_PKG_VERSION"), " os/linux auth/pat")
    );
}

#[tokio::test]
async fn a_user_name_and_a_password_are_sent_as_basic_authorization() {
    let server = TestServer::start(issuing(HOUR));
    let workspace = at(&server, &[("DATABRICKS_USERNAME", "ada"), ("DATABRICKS_PASSWORD", "pw")]).await;
    workspace.me().await.expect("a user");
    assert_eq!(server.requests()[0].header("authorization"), "Basic YWRhOnB3");
}

#[tokio::test]
async fn a_service_principal_requests_one_token_from_the_workspace() {
    let server = TestServer::start(issuing(HOUR));
    let workspace = at(&server, &[("DATABRICKS_CLIENT_ID", "app"), ("DATABRICKS_CLIENT_SECRET", "s:e")]).await;
    for _ in 0..3 {
        workspace.send(Request::get(workspace.url(ME, &[]))).await.expect("an answer");
    }
    let requests = server.requests();
    let tokens = of(&requests, "/oidc/v1/token");
    assert_eq!(tokens.len(), 1);
    assert_eq!((tokens[0].method.as_str(), tokens[0].header("authorization")), ("POST", "Basic YXBwOnM6ZQ=="));
    let form: Vec<_> = tokens[0].form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(form, [("grant_type", "client_credentials"), ("scope", "all-apis")]);
    let shown: Vec<_> = of(&requests, ME).iter().map(|request| request.header("authorization").to_owned()).collect();
    assert_eq!(shown, ["Bearer token-0", "Bearer token-0", "Bearer token-0"]);
}

#[tokio::test]
async fn concurrent_requests_share_one_token() {
    let server = TestServer::start(issuing(HOUR));
    let workspace = at(&server, &[("DATABRICKS_CLIENT_ID", "app"), ("DATABRICKS_CLIENT_SECRET", "s")]).await;
    let each = (0..20).map(|_| workspace.send(Request::get(workspace.url(ME, &[]))));
    assert!(futures::future::join_all(each).await.iter().all(Result::is_ok));
    assert_eq!(of(&server.requests(), "/oidc/v1/token").len(), 1);
}

#[tokio::test]
async fn a_token_that_is_about_to_expire_is_used_once() {
    let server = TestServer::start(issuing(r#""expires_in":40"#));
    let workspace = at(&server, &[("DATABRICKS_CLIENT_ID", "app"), ("DATABRICKS_CLIENT_SECRET", "s")]).await;
    for _ in 0..2 {
        workspace.send(Request::get(workspace.url(ME, &[]))).await.expect("an answer");
    }
    let requests = server.requests();
    let shown: Vec<_> = of(&requests, ME).iter().map(|request| request.header("authorization")).collect();
    assert_eq!(shown, ["Bearer token-0", "Bearer token-1"]);
}

#[tokio::test]
async fn a_metadata_service_gets_the_address_of_the_workspace() {
    let end = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + 3600;
    let lifetime: &'static str = format!(r#""expires_on":{end}"#).leak();
    let server = TestServer::start(issuing(lifetime));
    let workspace = at(&server, &[("DATABRICKS_METADATA_SERVICE_URL", "HOST/metadata?key=1")]).await;
    for _ in 0..2 {
        workspace.send(Request::get(workspace.url(ME, &[]))).await.expect("an answer");
    }
    let requests = server.requests();
    let tokens = of(&requests, "/metadata");
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].target, "/metadata?key=1");
    assert_eq!(tokens[0].header("x-databricks-metadata-version"), "1");
    assert_eq!(tokens[0].header("x-databricks-host"), workspace.host());
}

#[tokio::test]
async fn the_address_of_a_failed_metadata_service_is_not_shown() {
    let server = TestServer::start(|_, _| reply("401 Unauthorized", ""));
    let workspace = at(&server, &[("DATABRICKS_METADATA_SERVICE_URL", "HOST/canary-path?key=canary")]).await;
    let error = workspace.me().await.expect_err("no token");
    assert_eq!(error.kind, CloudErrorKind::TokenRejected);
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

async fn exchanged(variables: &[(&str, &str)]) -> (RecordedRequest, TestServer) {
    let server = TestServer::start(issuing(HOUR));
    let workspace = at(&server, variables).await;
    workspace.me().await.expect("a user");
    let requests = server.requests();
    let token = of(&requests, "/oidc/v1/token")[0].clone();
    assert_eq!(token.form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(token.form["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
    assert_eq!((token.form["scope"].as_str(), token.header("authorization")), ("all-apis", ""));
    (token, server)
}

#[tokio::test]
async fn a_token_in_a_variable_is_exchanged() {
    let (token, _) = exchanged(&[("DATABRICKS_OIDC_TOKEN", "jwt"), ("DATABRICKS_CLIENT_ID", "app")]).await;
    assert_eq!((token.form["subject_token"].as_str(), token.form["client_id"].as_str()), ("jwt", "app"));
    let (token, _) = exchanged(&[("DATABRICKS_OIDC_TOKEN_ENV", "MINE"), ("MINE", "other")]).await;
    assert_eq!((token.form["subject_token"].as_str(), token.form.get("client_id")), ("other", None));
}

#[tokio::test]
async fn a_token_in_a_file_is_read_for_each_exchange() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("token");
    fs::replace(&file, b"first\n", Attributes::default()).expect("written");
    let server = TestServer::start(issuing(r#""expires_in":1"#));
    let workspace = at(&server, &[("DATABRICKS_OIDC_TOKEN_FILEPATH", file.to_str().expect("text"))]).await;
    workspace.send(Request::get(workspace.url(ME, &[]))).await.expect("an answer");
    fs::replace(&file, b"second", Attributes::default()).expect("written");
    workspace.send(Request::get(workspace.url(ME, &[]))).await.expect("an answer");
    let requests = server.requests();
    let shown: Vec<_> =
        of(&requests, "/oidc/v1/token").iter().map(|request| request.form["subject_token"].clone()).collect();
    assert_eq!(shown, ["first", "second"]);
    std::fs::remove_file(&file).expect("removed");
    let error = workspace.send(Request::get(workspace.url(ME, &[]))).await.expect_err("no file");
    assert!(error.message.ends_with("contains no token"), "{}", error.message);
}

#[tokio::test]
async fn github_issues_a_token_for_the_token_endpoint_of_the_workspace() {
    let (token, server) = exchanged(&[
        ("DATABRICKS_CLIENT_ID", "app"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "HOST/github?api=2"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job"),
    ])
    .await;
    assert_eq!(token.form["subject_token"], "jwt-of-github");
    let requests = server.requests();
    let github = of(&requests, "/github")[0];
    assert_eq!(github.header("authorization"), "Bearer of-the-job");
    assert_eq!(github.query()["api"], "2");
    assert_eq!(github.query()["audience"], server.at("oidc/v1/token"));
}

#[tokio::test]
async fn an_entra_service_principal_sends_two_tokens_and_the_resource_id() {
    let server = TestServer::start(issuing(HOUR));
    let resource = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";
    let variables = [
        ("ARM_CLIENT_ID", "app"),
        ("ARM_CLIENT_SECRET", "s&t"),
        ("AZURE_AUTHORITY_HOST", "HOST"),
        ("DATABRICKS_AZURE_RESOURCE_ID", resource),
    ];
    let workspace = at(&server, &variables).await;
    workspace.me().await.expect("a user");
    let requests = server.requests();
    // The workspace is asked for the tenant once.
    assert_eq!(of(&requests, "/aad/auth").len(), 1);
    let tokens = of(&requests, "/tenant-1/oauth2/token");
    let mut resources: Vec<_> = tokens.iter().map(|request| request.form["resource"].as_str()).collect();
    resources.sort_unstable();
    assert_eq!(resources, ["2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", "https://management.core.windows.net/"]);
    for token in tokens {
        assert_eq!(token.form["grant_type"], "client_credentials");
        assert_eq!((token.form["client_id"].as_str(), token.form["client_secret"].as_str()), ("app", "s&t"));
    }
    let me = of(&requests, ME)[0];
    let shown = [me.header("authorization"), me.header("x-databricks-azure-sp-management-token")];
    let mut shown = shown.map(|token| token.trim_start_matches("Bearer "));
    shown.sort_unstable();
    assert_eq!(shown, ["token-0", "token-1"]);
    assert_eq!(me.header("x-databricks-azure-workspace-resource-id"), resource);
}

#[tokio::test]
async fn a_managed_identity_uses_the_metadata_service() {
    let server = TestServer::start(issuing(HOUR));
    let variables = [
        ("ARM_USE_MSI", "true"),
        ("ARM_CLIENT_ID", "user-assigned"),
        ("DATABRICKS_CLOUD", "Azure"),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "HOST"),
    ];
    let workspace = at(&server, &variables).await;
    workspace.me().await.expect("a user");
    let requests = server.requests();
    let tokens = of(&requests, "/metadata/identity/oauth2/token");
    assert_eq!(tokens.len(), 2);
    for token in &tokens {
        let query = token.query();
        assert_eq!((token.method.as_str(), token.header("metadata")), ("GET", "true"));
        assert_eq!((query["api-version"].as_str(), query["client_id"].as_str()), ("2018-02-01", "user-assigned"));
    }
    assert!(of(&requests, ME)[0].header("x-databricks-azure-sp-management-token").starts_with("token-"));
}

#[tokio::test]
async fn without_a_managed_identity_the_hint_is_to_assign_one() {
    let server = TestServer::start(|_, _| {
        reply("400 Bad Request", r#"{"error":"invalid_request","error_description":"Identity not found"}"#)
    });
    let variables =
        [("ARM_USE_MSI", "1"), ("DATABRICKS_CLOUD", "azure"), ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "HOST")];
    let error = at(&server, &variables).await.me().await.expect_err("an error");
    assert_eq!(error.detail.as_deref(), Some("Identity not found"));
    assert!(error.hint.expect("a hint").starts_with("assign a managed identity"));
}

#[tokio::test]
async fn the_error_of_a_refused_client_contains_the_servers_message_and_no_secret() {
    let server = TestServer::start(|request, before| {
        let body = r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#;
        if request.path() == "/oidc/v1/token" {
            reply("401 Unauthorized", body)
        } else {
            issuing(HOUR)(request, before)
        }
    });
    let variables = [("DATABRICKS_CLIENT_ID", "app"), ("DATABRICKS_CLIENT_SECRET", "canary")];
    let error = at(&server, &variables).await.me().await.expect_err("refused");
    assert_eq!(error.kind, CloudErrorKind::TokenRejected);
    assert_eq!(error.detail.as_deref(), Some("invalid_client: Client authentication failed"));
    assert!(error.message.ends_with("issued no token (oauth-m2m): status 401"), "{}", error.message);
    assert!(!format!("{error:?}").contains("canary"));
}

/// Rejects the first token after its first use.
fn rejecting(
    head: &'static str,
    body: &'static str,
) -> impl Fn(&RecordedRequest, usize) -> Reply + Send + Sync + 'static {
    let inner = issuing(HOUR);
    let seen = AtomicUsize::new(0);
    move |request, before| {
        let is_old = request.header("authorization") == "Bearer token-0";
        if request.path() == ME && is_old && seen.fetch_add(1, Ordering::SeqCst) > 0 {
            return reply(head, body);
        }
        inner(request, before)
    }
}

#[tokio::test]
async fn a_token_that_expires_during_a_run_is_renewed_once() {
    for (head, body) in [("403 Forbidden", REJECTED), ("401 Unauthorized", "")] {
        let server = TestServer::start(rejecting(head, body));
        let workspace = at(&server, &[("DATABRICKS_CLIENT_ID", "app"), ("DATABRICKS_CLIENT_SECRET", "s")]).await;
        for _ in 0..3 {
            workspace.send(Request::get(workspace.url(ME, &[]))).await.expect("an answer");
        }
        let requests = server.requests();
        let shown: Vec<_> = of(&requests, ME).iter().map(|request| request.header("authorization")).collect();
        assert_eq!(shown, ["Bearer token-0", "Bearer token-0", "Bearer token-1", "Bearer token-1"]);
    }
}

#[tokio::test]
async fn a_rejected_new_token_is_not_renewed() {
    let inner = issuing(HOUR);
    let server =
        TestServer::start(
            move |request, before| {
                if request.path() == ME { reply("403 Forbidden", REJECTED) } else { inner(request, before) }
            },
        );
    let workspace = at(&server, &[("DATABRICKS_CLIENT_ID", "app"), ("DATABRICKS_CLIENT_SECRET", "s")]).await;
    let error = workspace.me().await.expect_err("rejected");
    assert_eq!(error.kind, CloudErrorKind::TokenRejected);
    assert_eq!(of(&server.requests(), ME).len(), 1);
}

#[tokio::test]
async fn a_denied_request_does_not_renew_the_token() {
    let inner = issuing(HOUR);
    let server = TestServer::start(move |request, before| {
        let body = r#"{"error_code":"PERMISSION_DENIED","message":"no"}"#;
        if request.path() == "/x" { reply("403 Forbidden", body) } else { inner(request, before) }
    });
    let workspace = at(&server, &[("DATABRICKS_CLIENT_ID", "app"), ("DATABRICKS_CLIENT_SECRET", "s")]).await;
    workspace.me().await.expect("a user");
    let error = workspace.send(Request::get(workspace.url("/x", &[]))).await.expect_err("refused");
    assert_eq!(error.kind, CloudErrorKind::Denied);
    assert_eq!(of(&server.requests(), "/oidc/v1/token").len(), 1);
}

/// Answers with these statuses, then successfully.
fn burst(heads: &'static [&'static str]) -> TestServer {
    TestServer::start(move |_, before| heads.get(before).map_or_else(|| ok(PERSON), |head| reply(head, "")))
}

#[tokio::test]
async fn requests_to_an_overloaded_workspace_are_repeated() {
    let server = burst(&["429 Too Many Requests\r\nretry-after: 0", "503 Service Unavailable", "429 Slow"]);
    with_token(&server).await.me().await.expect("a user");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn the_pause_that_the_workspace_requests_is_kept() {
    let server = burst(&["429 Too Many Requests\r\nretry-after: 1"]);
    let began = std::time::Instant::now();
    with_token(&server).await.me().await.expect("a user");
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn server_errors_and_write_requests_are_not_repeated() {
    let server = burst(&["500 Internal Server Error"]);
    let error = with_token(&server).await.me().await.expect_err("failed");
    assert_eq!((error.kind, server.requests().len()), (CloudErrorKind::Unreachable, 1));
    let server = burst(&["503 Service Unavailable"]);
    let workspace = with_token(&server).await;
    let request = Request::json(workspace.url("/api/2.0/secrets/put", &[]), &serde_json::json!({}));
    let error = workspace.send(request).await.expect_err("failed");
    assert_eq!((error.kind, server.requests().len()), (CloudErrorKind::Unreachable, 1));
}

#[tokio::test]
async fn a_workspace_that_does_not_answer_is_unreachable() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|server| server.local_addr()).expect("a free port");
    let host = format!("http://{gone}");
    let mut workspace = connect(&[("DATABRICKS_HOST", &host), ("DATABRICKS_TOKEN", "x")]).await.expect("a method");
    workspace.retrying.budget = Duration::from_millis(50);
    let error = workspace.me().await.expect_err("an error");
    assert_eq!(error.kind, CloudErrorKind::Unreachable);
    assert!(error.message.starts_with("the workspace cannot be reached at http://127.0.0.1:"), "{}", error.message);
}

#[tokio::test]
async fn each_error_has_a_kind_and_a_message() {
    for (head, body, kind, message) in [
        ("403 Forbidden", REJECTED, CloudErrorKind::TokenRejected, "`HOST` rejected the token (pat)"),
        (
            "404 Not Found",
            "<html><title>Lost</title></html>",
            CloudErrorKind::Absent,
            "`HOST` has no resource at `/a/b`",
        ),
        (
            "400 Bad Request",
            "BAD_REQUEST: no",
            CloudErrorKind::Invalid,
            "`HOST` does not accept this request to `/a/b`",
        ),
        (
            "302 Found\r\nlocation: /login.html?error=private-link-validation-error",
            "",
            CloudErrorKind::Denied,
            "`HOST` accepts connections from its private link only",
        ),
        (
            "302 Found\r\nlocation: https://elsewhere.example/?token=1",
            "",
            CloudErrorKind::Malformed,
            "`HOST` answered `/a/b` with a redirect, which is not followed",
        ),
    ] {
        let server = TestServer::start(move |_, _| reply(head, body));
        let workspace = with_token(&server).await;
        let error = workspace.send(Request::get(workspace.url("/a/b", &[]))).await.expect_err("an error");
        assert_eq!((error.kind, error.message.replace(workspace.host(), "HOST")), (kind, message.to_owned()));
        assert!(!format!("{error:?}").contains("token=1"), "{error:?}");
    }
}

#[tokio::test]
async fn the_token_is_sent_to_the_workspace_only() {
    let (server, other) = (TestServer::start(issuing(HOUR)), TestServer::start(issuing(HOUR)));
    let workspace = with_token(&server).await;
    let error = workspace.send(Request::get(other.url.clone())).await.expect_err("not ours");
    assert_eq!((error.kind, other.requests().len()), (CloudErrorKind::Invalid, 0));
    let plain =
        connect(&[("DATABRICKS_HOST", "http://workspace.example"), ("DATABRICKS_TOKEN", "x")]).await.expect("a method");
    let error = plain.me().await.expect_err("refused");
    assert_eq!(error.kind, CloudErrorKind::Invalid);
    assert!(error.detail.expect("a message").contains("plain http"));
}

#[tokio::test]
async fn a_malformed_answer_is_not_quoted() {
    let server = TestServer::start(|_, _| ok(r#"{"userName": canary}"#));
    let error = with_token(&server).await.me().await.expect_err("no JSON");
    assert_eq!(error.kind, CloudErrorKind::Malformed);
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn paths_and_queries_are_encoded() {
    let server = TestServer::start(issuing(HOUR));
    let workspace = with_token(&server).await;
    let url = workspace.url("/api/2.0/fs/files/Volumes/c/s/a b#%?.txt", &[("path", "dbfs:/ü&x")]);
    assert_eq!(url.path(), "/api/2.0/fs/files/Volumes/c/s/a%20b%23%25%3F.txt");
    assert_eq!(url.query(), Some("path=dbfs%3A%2F%C3%BC%26x"));
    assert_eq!(workspace.url("/api/2.0/fs/directories/Volumes/c/", &[]).path(), "/api/2.0/fs/directories/Volumes/c/");
}

#[tokio::test]
async fn at_a_shared_address_requests_name_the_workspace() {
    let server = TestServer::start(issuing(HOUR));
    at(&server, &[("DATABRICKS_TOKEN", "x"), ("DATABRICKS_WORKSPACE_ID", "42")]).await.me().await.expect("a user");
    assert_eq!(server.requests()[0].header("x-databricks-workspace-id"), "42");
}

#[test]
fn a_service_principal_is_distinguished_from_a_user() {
    assert!(is_application("7c9e6679-7425-40de-944b-e07fc1f90ae7"));
    assert!(!is_application("ada@lawfirms.example") && !is_application("7c9e6679-7425-40de-944b-e07fc1f90ae7x"));
}

#[test]
fn the_user_agent_has_the_format_of_the_official_clients() {
    let expected = concat!("nodeagent/", env!("CARGO_PKG_VERSION"), " os/linux auth/oauth-m2m runtime/15.4");
    assert_eq!(user_agent("oauth-m2m", Some("15.4")), expected);
    assert!(user_agent("pat", Some("client 1/2")).ends_with(" runtime/client-1-2"));
}
