//! Secrets and errors of a workspace, against a server in this process.

use std::sync::Arc;

use super::*;
use crate::{
    cloud::{
        ClientEnvironment,
        databricks::test_server::{RecordedRequest, Reply, TestServer, ok, reply},
    },
    http::Client,
};

const ME: &str = r#"{"userName":"ada@lawfirms.example","groups":[]}"#;
const SCOPES: &str = r#"{"scopes":[{"name":"family","backend_type":"DATABRICKS"},{"name":"vault",
    "backend_type":"AZURE_KEYVAULT","keyvault_metadata":{"resource_id":"/x","dns_name":"https://v.vault.azure.net/"}}]}"#;

/// A workspace. `get` answers requests for a secret.
fn workspace(get: impl Fn(&RecordedRequest) -> Reply + Send + Sync + 'static) -> (Clouds, TestServer) {
    let server = TestServer::start(move |request, _| match request.path() {
        "/api/2.0/secrets/get" => get(request),
        "/api/2.0/secrets/list" => match request.query()["scope"].as_str() {
            "family" => ok(r#"{"secrets":[{"key":"b"},{"key":"analytics","last_updated_timestamp":1520467595000}]}"#),
            "empty" => ok("{}"),
            "closed" => denied("ada does not have READ permission on scope closed to perform this action."),
            _ => absent(),
        },
        "/api/2.0/secrets/scopes/list" => ok(SCOPES),
        "/api/2.0/preview/scim/v2/Me" => ok(ME),
        _ => reply("404 Not Found", ""),
    });
    let variables = [("DATABRICKS_HOST", server.url.as_str()), ("DATABRICKS_TOKEN", "dapi-canary")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    (Clouds::new(Arc::new(Client::default()), ClientEnvironment { variables, home: None }), server)
}

fn error(status: &str, code: &str, message: &str) -> Reply {
    reply(status, &format!(r#"{{"error_code":"{code}","message":"{message}"}}"#))
}

fn denied(message: &str) -> Reply {
    error("403 Forbidden", "PERMISSION_DENIED", message)
}

fn absent() -> Reply {
    error("404 Not Found", "RESOURCE_DOES_NOT_EXIST", "no such thing")
}

/// The error of a fetch, with `HOST` for the address of the server.
async fn failure(
    scope: &str,
    key: &str,
    get: impl Fn(&RecordedRequest) -> Reply + Send + Sync + 'static,
) -> CloudError {
    let (clouds, server) = workspace(get);
    let error = fetch(&clouds, scope, key).await.expect_err("a failure");
    let message = error.message.replace(server.url.as_str().trim_end_matches('/'), "HOST");
    CloudError { message, ..error }
}

#[tokio::test]
async fn a_value_is_returned_unchanged() {
    let large = (0..128 << 10).map(|at| u8::try_from(at % 251).expect("small")).collect();
    for value in [b"line\nline\n".to_vec(), b"a\0b".to_vec(), vec![0xff, 0xfe, 0x80], Vec::new(), large] {
        let body = format!(r#"{{"key":"k","value":"{}"}}"#, STANDARD.encode(&value));
        let (clouds, _server) = workspace(move |_| ok(&body));
        let secret = fetch(&clouds, "family", "k").await.expect("a value");
        assert!(secret.reveal() == value, "{} bytes", value.len());
    }
}

#[tokio::test]
async fn names_are_encoded() {
    let (clouds, server) = workspace(|_| ok(r#"{"value":""}"#));
    fetch(&clouds, "a@b&c=d", "ü/1 +?#").await.expect("a value");
    let request = &server.requests()[0];
    assert_eq!(request.target, "/api/2.0/secrets/get?scope=a%40b%26c%3Dd&key=%C3%BC%2F1+%2B%3F%23");
    assert_eq!(request.query()["key"], "ü/1 +?#");
}

#[tokio::test]
async fn a_missing_key_and_a_missing_scope_are_different_errors() {
    let error = failure("family", "analitics", |_| absent()).await;
    assert_eq!(
        (error.kind, &*error.message),
        (CloudErrorKind::Absent, "there is no key `analitics` in the scope `family` of `HOST`")
    );
    assert_eq!(error.hint.as_deref(), Some("did you mean `analytics`?"));
    let error = failure("family", "zzz", |_| absent()).await;
    assert_eq!(error.hint.as_deref(), Some("its keys are `analytics`, `b`"));
    let error = failure("empty", "zzz", |_| absent()).await;
    assert_eq!(error.hint.as_deref(), Some("the scope has no keys; add it there"));
    let error = failure("famly", "analytics", |_| absent()).await;
    assert_eq!((error.kind, &*error.message), (CloudErrorKind::Absent, "there is no scope `famly` in `HOST`"));
    assert_eq!(error.hint.as_deref(), Some("did you mean `family`?"));
    // A workspace that hides scopes without permission.
    let error = failure("closed", "key", |_| absent()).await;
    assert_eq!(error.kind, CloudErrorKind::Denied);
}

#[tokio::test]
async fn a_denial_names_the_user() {
    let detail = "ada does not have READ permission on scope criminal to perform this action.";
    let error = failure("criminal", "k", move |_| denied(detail)).await;
    assert_eq!(error.kind, CloudErrorKind::Denied);
    assert_eq!(error.message, "`ada@lawfirms.example` may not read the scope `criminal` of `HOST`");
    assert_eq!(error.detail.as_deref(), Some(detail));
    assert!(error.hint.expect("a hint").contains("put-acl criminal PRINCIPAL READ"));
}

#[tokio::test]
async fn a_vault_that_refuses_the_workspace_is_reported_as_the_cause() {
    let error = failure("vault", "k", |_| denied("Access denied: KeyVault v refused Databricks")).await;
    assert_eq!(error.kind, CloudErrorKind::BackendRefuses);
    assert_eq!(error.message, "the Key Vault behind the scope `vault` of `HOST` refuses Databricks, not you");
    assert!(error.hint.expect("a hint").contains("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"));
    let detail = "KeyVault v. Client address is not authorized and caller is not a trusted service";
    let error = failure("vault", "k", move |_| denied(detail)).await;
    assert_eq!(error.hint.as_deref(), Some("allow trusted Microsoft services in the vault's firewall"));
}

#[tokio::test]
async fn a_user_that_may_read_in_notebooks_only_gets_a_hint() {
    let error = failure("family", "k", |_| error("400 Bad Request", "BAD_REQUEST", "only from DBUtils")).await;
    assert_eq!(error.kind, CloudErrorKind::Invalid);
    assert_eq!(error.message, "`HOST` returns `family/k` to `ada@lawfirms.example` in notebooks only");
    assert!(error.hint.expect("a hint").contains("`NAME={{secrets/family/k}}`"));
}

#[tokio::test]
async fn an_invalid_name_is_reported() {
    for code in ["MALFORMED_REQUEST", "INVALID_PARAMETER_VALUE"] {
        let error = failure("vault", "a_b", move |_| error("400 Bad Request", code, "bad name")).await;
        assert_eq!(
            (error.kind, &*error.message),
            (CloudErrorKind::Invalid, "`HOST` does not accept the name `vault/a_b`")
        );
    }
}

#[tokio::test]
async fn a_rejected_token_is_not_reported_as_a_denial() {
    let body = r#"{"error_code":403,"message":"Invalid access token."}"#;
    let error = failure("family", "k", move |_| reply("403 Forbidden", body)).await;
    assert_eq!((error.kind, &*error.message), (CloudErrorKind::TokenRejected, "`HOST` rejected the token (pat)"));
    assert_eq!(error.detail.as_deref(), Some("Invalid access token."));
    assert!(!format!("{error:?}").contains("dapi-canary"));
}

#[tokio::test]
async fn a_malformed_answer_is_not_quoted() {
    for body in
        ["<html>dmFsdWU=</html>", r#"{"key":"k"}"#, r#"{"value":"no base64 "}"#, r#"{"value":7}"#, "{\"value\":\"dmF"]
    {
        let error = failure("family", "k", move |_| ok(body)).await;
        assert_eq!(error.kind, CloudErrorKind::Malformed, "{body}");
        assert!(!format!("{error:?}").contains("dmF") && !format!("{error:?}").contains("no base64 "), "{error:?}");
    }
}

#[tokio::test]
async fn keys_are_listed_without_values_and_errors_name_the_scope() {
    let (clouds, server) = workspace(|_| absent());
    let keys = list(&clouds, "family").await.expect("keys");
    assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["analytics", "b"]);
    assert_eq!(keys[0].changed.expect("known").to_string(), "2018-03-08T00:06:35Z");
    assert_eq!(list(&clouds, "empty").await.expect("none"), []);
    assert_eq!(list(&clouds, "closed").await.expect_err("closed").kind, CloudErrorKind::Denied);
    let error = list(&clouds, "famly").await.expect_err("no scope");
    assert_eq!((error.kind, error.hint.as_deref()), (CloudErrorKind::Absent, Some("did you mean `family`?")));
    assert!(!server.paths().contains(&"/api/2.0/secrets/get".to_owned()));
}

#[tokio::test]
async fn scopes_show_their_backend() {
    let (clouds, _server) = workspace(|_| absent());
    let scopes = scopes(&clouds).await.expect("scopes");
    assert_eq!(scopes.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(), ["family", "vault"]);
    assert_eq!(scopes[1].backend, Backend::KeyVault { vault: Some("https://v.vault.azure.net/".to_owned()) });
}
