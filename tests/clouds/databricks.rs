//! A Databricks workspace with nodeagent and with the official client: the same identity in the same environment, the
//! same secrets, and errors.

use std::{collections::BTreeMap, io::Write as _, net::TcpListener, process::Stdio, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use nodeagent::{
    cloud::{ClientEnvironment, CloudError, CloudErrorKind, Clouds, databricks::CurrentUser},
    http::Client,
    secrets::{Address, Secret, SecretError, databricks, fetch, fetch_all},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{agreement, server::client, support::put, workspace::Workspace};

const FAMILY: &str = "11111111-0000-4000-8000-00000000fa01";
const GET: &str = "/api/2.0/secrets/get";

/// nodeagent with these variables.
struct Node {
    runtime: Runtime,
    clouds: Clouds,
}

type Variables<'a> = Vec<(&'a str, String)>;

impl Node {
    fn with(variables: &Variables<'_>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let environment = ClientEnvironment { variables, home: None };
        Self { runtime, clouds: Clouds::new(Arc::new(Client::default()), environment) }
    }

    fn token(workspace: &Workspace, token: &str) -> Self {
        Self::with(&vec![("DATABRICKS_HOST", workspace.url()), ("DATABRICKS_TOKEN", token.to_owned())])
    }

    /// A principal that requests tokens.
    fn client(workspace: &Workspace) -> Self {
        Self::with(&client_of_family(workspace))
    }

    fn me(&self) -> Result<CurrentUser, CloudError> {
        self.runtime.block_on(async { self.clouds.databricks().await?.me().await })
    }

    fn secret(&self, scope: &str, key: &str) -> Result<Secret, CloudError> {
        match self.runtime.block_on(fetch(&address(scope, key), &self.clouds)) {
            Ok(secret) => Ok(secret),
            Err(SecretError::Cloud(error)) => Err(error),
            Err(other) => panic!("{other}"),
        }
    }

    fn refusal(&self, scope: &str, key: &str) -> CloudError {
        self.secret(scope, key).expect_err("it is refused")
    }
}

fn address(scope: &str, key: &str) -> Address {
    Address::Databricks { scope: scope.to_owned(), key: key.to_owned() }
}

fn client_of_family(workspace: &Workspace) -> Variables<'static> {
    vec![
        ("DATABRICKS_HOST", workspace.url()),
        ("DATABRICKS_CLIENT_ID", FAMILY.to_owned()),
        ("DATABRICKS_CLIENT_SECRET", "client-secret-of-family".to_owned()),
    ]
}

/// The answer of the official client.
fn official(arguments: &[&str], input: &Value) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clouds/official_databricks.py");
    let mut command = client("python");
    command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the official clients are there");
    child.stdin.take().expect("a pipe").write_all(input.to_string().as_bytes()).expect("it listens");
    let ended = child.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).expect("JSON")
}

/// A token of the issuer that the workspace trusts for the principal of Family.
fn id_token(workspace: &Workspace) -> String {
    let claims = json!({
        "iss": "https://issuer.lawfirms.example",
        "sub": "repo:lawfirms/family:environment:prod",
        "aud": format!("{}/oidc/v1/token", workspace.url()),
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.signature", part(json!({ "alg": "RS256" })), part(claims))
}

/// The environment of both clients.
fn environment<'a>(workspace: &Workspace, folder: &std::path::Path) -> Vec<(&'static str, Variables<'a>)> {
    let url = workspace.url();
    let at = |rest: &[(&'a str, &str)]| -> Variables<'a> {
        let rest = rest.iter().map(|(name, value)| (*name, (*value).to_owned()));
        std::iter::once(("DATABRICKS_HOST", url.clone())).chain(rest).collect()
    };
    let (file, token) = (folder.join("cfg"), folder.join("token"));
    put(
        &file,
        &format!(
            "[DEFAULT]\nhost = {url}\ntoken = token-of-ada\n\n[family]\nhost = {url}/\nclient_id = {FAMILY}\n\
             client_secret = client-secret-of-family\n\n[chosen]\nHOST={url}\ntoken: token-of-eve\n\n[nowhere]\ntoken = t\n"
        ),
    );
    put(&token, &format!("{}\n", id_token(workspace)));
    let chooses = folder.join("chooses");
    put(&chooses, &format!("[__settings__]\ndefault_profile = chosen\n[chosen]\nhost={url}\ntoken=token-of-eve\n"));
    let id_token = id_token(workspace);
    let profile = |file: &std::path::Path, rest: &[(&'a str, &str)]| -> Variables<'a> {
        let file = ("DATABRICKS_CONFIG_FILE", file.display().to_string());
        std::iter::once(file).chain(rest.iter().map(|(name, value)| (*name, (*value).to_owned()))).collect()
    };
    let metadata = format!("{url}/_metadata/{FAMILY}");
    vec![
        ("a token", at(&[("DATABRICKS_TOKEN", "token-of-family")])),
        ("a token of a person", at(&[("DATABRICKS_TOKEN", "token-of-ada")])),
        ("a client's secret", client_of_family(workspace).into_iter().collect()),
        ("a metadata service", at(&[("DATABRICKS_METADATA_SERVICE_URL", &metadata)])),
        ("a token of another issuer", at(&[("DATABRICKS_OIDC_TOKEN", &id_token), ("DATABRICKS_CLIENT_ID", FAMILY)])),
        (
            "the same under another name",
            at(&[
                ("DATABRICKS_OIDC_TOKEN_ENV", "MINE"),
                ("MINE", &id_token),
                ("DATABRICKS_CLIENT_ID", FAMILY),
                ("DATABRICKS_AUTH_TYPE", "env-oidc"),
            ]),
        ),
        (
            "the same in a file",
            at(&[
                ("DATABRICKS_OIDC_TOKEN_FILEPATH", token.to_str().expect("text")),
                ("DATABRICKS_CLIENT_ID", FAMILY),
                ("DATABRICKS_AUTH_TYPE", "file-oidc"),
            ]),
        ),
        (
            "one of two",
            at(&[
                ("DATABRICKS_TOKEN", "token-of-ada"),
                ("DATABRICKS_CLIENT_ID", FAMILY),
                ("DATABRICKS_CLIENT_SECRET", "client-secret-of-family"),
                ("DATABRICKS_AUTH_TYPE", "oauth-m2m"),
            ]),
        ),
        ("the first profile", profile(&file, &[])),
        ("a named profile", profile(&file, &[("DATABRICKS_CONFIG_PROFILE", "family")])),
        ("the profile that the file names", profile(&chooses, &[])),
        (
            "a variable over a named profile",
            profile(&file, &[("DATABRICKS_CONFIG_PROFILE", "chosen"), ("DATABRICKS_TOKEN", "token-of-family")]),
        ),
        (
            "variables, and a file that is not asked for",
            [profile(&file, &[]), at(&[("DATABRICKS_TOKEN", "token-of-bob")])].concat(),
        ),
        // Environments without an identity.
        ("nothing", Vec::new()),
        ("a workspace only", at(&[])),
        ("a wrong token", at(&[("DATABRICKS_TOKEN", "token-of-nobody")])),
        ("a wrong secret", at(&[("DATABRICKS_CLIENT_ID", FAMILY), ("DATABRICKS_CLIENT_SECRET", "wrong")])),
        ("two methods at once", at(&[("DATABRICKS_TOKEN", "token-of-ada"), ("DATABRICKS_CLIENT_ID", FAMILY)])),
        (
            "two ways at once, one by file",
            at(&[("DATABRICKS_OIDC_TOKEN_FILEPATH", "/x"), ("DATABRICKS_CLIENT_ID", FAMILY)]),
        ),
        ("a profile that is not there", profile(&file, &[("DATABRICKS_CONFIG_PROFILE", "missing")])),
        ("the reserved profile", profile(&file, &[("DATABRICKS_CONFIG_PROFILE", "__settings__")])),
        ("a profile that does not inherit", profile(&file, &[("DATABRICKS_CONFIG_PROFILE", "nowhere")])),
        (
            "a named method with a missing variable",
            at(&[("DATABRICKS_TOKEN", "token-of-ada"), ("DATABRICKS_AUTH_TYPE", "oauth-m2m")]),
        ),
    ]
}

#[test]
fn the_same_environment_gives_the_same_identity_as_with_the_official_client() {
    let workspace = Workspace::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let all = environment(&workspace, folder.path());
    let input: Vec<BTreeMap<&str, &String>> =
        all.iter().map(|(_, variables)| variables.iter().map(|(name, value)| (*name, value)).collect()).collect();
    let theirs = official(&["who"], &json!(input));
    let (mut somebody, mut nobody) = (0, 0);
    for ((what, variables), theirs) in all.iter().zip(theirs.as_array().expect("a list")) {
        match Node::with(variables).me() {
            Ok(me) => {
                somebody += 1;
                let ours = json!({ "auth-type": me.auth_type, "user-name": me.user_name, "groups": me.groups });
                assert_eq!(ours, *theirs, "{what}");
            }
            Err(error) => {
                nobody += 1;
                assert!(theirs["error"].is_string(), "{what}: we say {error:?}, they say {theirs}");
                if error.kind == CloudErrorKind::Ambiguous {
                    let message = theirs["error"].as_str().expect("text");
                    assert!(message.contains(&error.message), "{what}: {message}");
                }
            }
        }
    }
    assert_eq!((somebody, nobody), (13, 10));
}

#[test]
fn each_failed_authentication_has_its_reason() {
    let workspace = Workspace::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (what, variables) in environment(&workspace, folder.path()) {
        let (kind, words) = match what {
            "nothing" | "a profile that does not inherit" => {
                (CloudErrorKind::NotConfigured, "no Databricks workspace is configured")
            }
            "a workspace only" => (CloudErrorKind::NotConfigured, "no authentication is configured for"),
            "a wrong token" => (CloudErrorKind::TokenRejected, "rejected the token (pat)"),
            "a wrong secret" => (CloudErrorKind::TokenRejected, "issued no token (oauth-m2m)"),
            "two methods at once" => {
                (CloudErrorKind::Ambiguous, "more than one authorization method configured: oauth and pat")
            }
            "two ways at once, one by file" => {
                (CloudErrorKind::Ambiguous, "more than one authorization method configured: file-oidc and oauth")
            }
            "a profile that is not there" => (CloudErrorKind::Invalid, "has no profile `missing`"),
            "the reserved profile" => (CloudErrorKind::Invalid, "has no profile `__settings__`"),
            "a named method with a missing variable" => {
                (CloudErrorKind::NotConfigured, "which needs `DATABRICKS_CLIENT_ID`")
            }
            _ => continue,
        };
        let error = Node::with(&variables).me().expect_err(what);
        assert!(error.kind == kind && error.message.contains(words), "{what}: {error:?}");
        assert!(error.hint.is_some(), "{what}: {error:?}");
    }
}

#[test]
fn azure_principals_and_managed_identities_send_two_tokens() {
    let workspace = Workspace::start();
    let resource = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/lawfirms/providers/\
                    Microsoft.Databricks/workspaces/lawfirms-prod";
    let common = [("DATABRICKS_HOST", workspace.url()), ("DATABRICKS_AZURE_RESOURCE_ID", resource.to_owned())];
    let principal = [
        ("ARM_CLIENT_ID", FAMILY.to_owned()),
        ("ARM_CLIENT_SECRET", "azure-secret-of-family".to_owned()),
        ("AZURE_AUTHORITY_HOST", workspace.url()),
    ];
    let machine = [("ARM_USE_MSI", "true".to_owned()), ("AZURE_POD_IDENTITY_AUTHORITY_HOST", workspace.url())];
    for (variables, auth_type, name) in [
        ([common.as_slice(), &principal].concat(), "azure-client-secret", FAMILY),
        ([common.as_slice(), &machine].concat(), "azure-msi", "66666666-0000-4000-8000-000000001d01"),
    ] {
        let node = Node::with(&variables);
        let me = node.me().expect(auth_type);
        assert_eq!((me.auth_type.as_str(), me.user_name.as_str()), (auth_type, name));
        assert_eq!(node.secret("family", "git-token").expect(auth_type).reveal(), b"family: git");
        let seen = workspace.seen();
        let tokens =
            seen.iter().filter(|seen| seen["path"].as_str().is_some_and(|path| path.ends_with("/oauth2/token")));
        assert_eq!(tokens.count(), 2, "{seen:#?}");
        let request = seen.last().expect("requests");
        let headers = &request["headers"];
        let shown = |name: &str| headers[name].as_str().unwrap_or_default().to_owned();
        assert!(shown("authorization").contains("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d of "), "{headers}");
        assert!(shown("x-databricks-azure-sp-management-token").contains("https://management.core.windows.net/ of "));
        assert_eq!(shown("x-databricks-azure-workspace-resource-id"), resource);
    }
}

#[test]
fn secrets_of_the_official_client_are_read_unchanged() {
    let workspace = Workspace::start();
    let large: Vec<u8> = (0..128 << 10).map(|at| u8::try_from(at * 7 % 256).expect("a byte")).collect();
    let values: [(&str, Vec<u8>); 8] = [
        ("text", b"correct horse".to_vec()),
        ("lines", b"-----BEGIN-----\nAA==\n-----END-----\n".to_vec()),
        ("nul", b"a\0b\0".to_vec()),
        ("latin", b"caf\xe9\xff\xfe".to_vec()),
        ("unicode", "schlüssel 鍵 🔑".as_bytes().to_vec()),
        ("spaces", b"  \r\n\t ".to_vec()),
        ("a.dotted_name-1", b"x".to_vec()),
        ("large", large),
    ];
    let input: BTreeMap<&str, String> = values.iter().map(|(key, value)| (*key, STANDARD.encode(value))).collect();
    let written = official(&["write", &workspace.url(), "token-of-admin", "Mine.Own_scope-1"], &json!(input));
    assert_eq!(written, json!(values.len()));
    let node = Node::token(&workspace, "token-of-admin");
    for (key, value) in &values {
        let read = node.secret("Mine.Own_scope-1", key).unwrap_or_else(|error| panic!("{key}: {error:?}"));
        let equal = read.reveal() == value.as_slice();
        agreement::row("databricks", key, value.len(), if equal { "equal" } else { "DIFFERS" });
        assert!(equal, "{key}");
    }
}

#[test]
fn a_scope_of_a_thousand_keys_is_listed_and_read() {
    let workspace = Workspace::start();
    let input: BTreeMap<String, String> =
        (0..1000).map(|at| (format!("key-{at:04}"), STANDARD.encode(format!("value {at}")))).collect();
    official(&["write", &workspace.url(), "token-of-admin", "many"], &json!(input));
    let node = Node::client(&workspace);
    let error = node.runtime.block_on(databricks::list(&node.clouds, "many")).expect_err("not family's");
    assert_eq!(error.kind, CloudErrorKind::Denied);
    let node = Node::token(&workspace, "token-of-admin");
    let keys = node.runtime.block_on(databricks::list(&node.clouds, "many")).expect("keys");
    assert_eq!(keys.len(), 1000);
    assert!(keys.iter().all(|key| key.changed.is_some()));
    let addresses: Vec<Address> = keys.iter().map(|key| address("many", &key.name)).collect();
    let all = node.runtime.block_on(fetch_all(&addresses, &node.clouds));
    assert_eq!(all.len(), 1000);
    for (at, secret) in all.values().enumerate() {
        assert_eq!(secret.as_ref().expect("a value").reveal(), format!("value {at}").as_bytes());
    }
    let error = node.refusal("many", "missing");
    assert!(error.hint.expect("a hint").ends_with("and 990 more"));
}

#[test]
fn each_error_for_a_secret_names_its_cause() {
    let workspace = Workspace::start();
    let url = workspace.url();
    let family = Node::token(&workspace, "token-of-family");
    let error = family.refusal("criminal", "git-token");
    assert_eq!(error.kind, CloudErrorKind::Denied);
    assert_eq!(error.message, format!("`sp-prod-family` (`{FAMILY}`) may not read the scope `criminal` of `{url}`"));
    let error = family.refusal("family", "git-tokn");
    assert_eq!(error.message, format!("there is no key `git-tokn` in the scope `family` of `{url}`"));
    assert_eq!((error.kind, error.hint.as_deref()), (CloudErrorKind::Absent, Some("did you mean `git-token`?")));
    let error = family.refusal("famly", "git-token");
    assert_eq!(error.message, format!("there is no scope `famly` in `{url}`"));
    assert_eq!((error.kind, error.hint.as_deref()), (CloudErrorKind::Absent, Some("did you mean `family`?")));
    let error = Node::token(&workspace, "token-of-nobody").refusal("family", "git-token");
    assert_eq!(
        (error.kind, error.message),
        (CloudErrorKind::TokenRejected, format!("`{url}` rejected the token (pat)"))
    );
    let scopes = family.runtime.block_on(databricks::scopes(&family.clouds)).expect("scopes");
    assert_eq!(
        scopes.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(),
        ["admin", "consumer", "criminal", "family", "people"]
    );
}

#[test]
fn a_vault_that_refuses_the_workspace_is_not_reported_as_a_denial() {
    let workspace = Workspace::start();
    let people = Node::token(&workspace, "token-of-people");
    assert_eq!(people.secret("people", "git-token").expect("open").reveal(), b"people: git");
    for (refuses, hint) in [("policy", "access policy"), ("firewall", "firewall")] {
        workspace.ask("POST", "/_vault", Some(&json!({ "scope": "people", "refuses": refuses })));
        let error = people.refusal("people", "git-token");
        assert_eq!(error.kind, CloudErrorKind::BackendRefuses);
        assert!(error.message.contains("refuses Databricks, not you"), "{error:?}");
        assert!(error.hint.as_deref().is_some_and(|text| text.contains(hint)), "{error:?}");
        // A caller that may not read the scope gets that error, not the error of the vault.
        let error = Node::token(&workspace, "token-of-family").refusal("people", "git-token");
        assert_eq!(error.kind, CloudErrorKind::Denied);
    }
    workspace.ask("POST", "/_vault", Some(&json!({ "scope": "people", "refuses": null })));
    let error = people.refusal("people", "not_a_name");
    assert_eq!(error.kind, CloudErrorKind::Invalid);
    assert!(error.message.contains("does not accept the name `people/not_a_name`"), "{error:?}");
}

#[test]
fn temporary_errors_are_retried() {
    let workspace = Workspace::start();
    let node = Node::token(&workspace, "token-of-family");
    for fault in [
        json!({ "kind": "limited", "count": 3, "retry_after": "0" }),
        json!({ "kind": "limited", "retry_after": "1" }),
        json!({ "kind": "limited", "count": 2 }),
        json!({ "kind": "overloaded", "count": 2 }),
        json!({ "kind": "truncated" }),
        json!({ "kind": "slow", "milliseconds": 50, "piece": 10 }),
    ] {
        let mut input = fault.clone();
        input["path"] = json!(GET);
        workspace.fault(&input);
        let secret = node.secret("family", "git-token").unwrap_or_else(|error| panic!("{fault}: {error:?}"));
        assert_eq!(secret.reveal(), b"family: git", "{fault}");
        let times = workspace.seen().iter().filter(|seen| seen["path"] == GET).count();
        let faults = fault["count"].as_u64().unwrap_or(1) - u64::from(fault["kind"] == "slow");
        assert_eq!(times as u64, faults + 1, "{fault}");
    }
}

#[test]
fn permanent_errors_are_not_retried() {
    let workspace = Workspace::start();
    let node = Node::token(&workspace, "token-of-family");
    for (fault, kind, detail) in [
        (json!({ "kind": "integer-code" }), CloudErrorKind::TokenRejected, Some("Invalid access token.")),
        (json!({ "kind": "empty", "status": 401 }), CloudErrorKind::TokenRejected, None),
        (json!({ "kind": "html" }), CloudErrorKind::Unreachable, Some("upstream: no route")),
        (json!({ "kind": "text" }), CloudErrorKind::Unreachable, Some("the service ended unexpectedly")),
        (json!({ "kind": "empty" }), CloudErrorKind::Unreachable, None),
        (json!({ "kind": "endless" }), CloudErrorKind::Malformed, Some("the answer is larger than 16777216 bytes")),
        (
            json!({ "kind": "limited", "retry_after": "3600" }),
            CloudErrorKind::Limited,
            Some("Too many requests. Please wait a moment and try again."),
        ),
        (
            json!({ "kind": "error", "status": 400, "error_code": "BAD_REQUEST", "message": "only from DBUtils" }),
            CloudErrorKind::Invalid,
            Some("only from DBUtils"),
        ),
        (
            json!({ "kind": "answer", "status": 200, "body": "<html>Sign in</html>" }),
            CloudErrorKind::Malformed,
            Some("not the expected JSON"),
        ),
    ] {
        let mut input = fault.clone();
        input["path"] = json!(GET);
        workspace.fault(&input);
        let error = node.refusal("family", "git-token");
        assert_eq!((error.kind, error.detail.as_deref()), (kind, detail), "{fault}");
        assert_eq!(workspace.seen().iter().filter(|seen| seen["path"] == GET).count(), 1, "{fault}");
    }
}

#[test]
fn a_redirect_does_not_get_the_token() {
    let workspace = Workspace::start();
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    other.set_nonblocking(true).expect("a listener can wait or not");
    let to = format!("http://localhost:{}/api", other.local_addr().expect("bound").port());
    workspace.fault(&json!({ "path": GET, "kind": "redirect", "to": to }));
    let error = Node::token(&workspace, "token-of-family").refusal("family", "git-token");
    assert_eq!(error.kind, CloudErrorKind::Malformed);
    assert!(error.message.ends_with("with a redirect, which is not followed"), "{error:?}");
    assert!(other.accept().is_err(), "a connection was made");
    let to = format!("{}/login.html?error=private-link-validation-error:1", workspace.url());
    workspace.fault(&json!({ "path": GET, "kind": "redirect", "to": to }));
    let error = Node::token(&workspace, "token-of-family").refusal("family", "git-token");
    assert!(error.kind == CloudErrorKind::Denied && error.message.contains("private link"), "{error:?}");
}

#[test]
fn a_token_that_expires_during_a_run_is_renewed_once() {
    let workspace = Workspace::start();
    let node = Node::client(&workspace);
    node.secret("family", "git-token").expect("the first");
    workspace.seen();
    workspace.fault(&json!({ "path": GET, "kind": "expired" }));
    let keys = ["analytics-read-only", "analytics-read-write", "git-token", "index-password", "certificate"];
    let addresses = keys.map(|key| address("family", key));
    let all = node.runtime.block_on(fetch_all(&addresses, &node.clouds));
    assert!(all.values().all(Result::is_ok), "{all:?}");
    let seen = workspace.seen();
    let tokens = seen.iter().filter(|seen| seen["path"] == "/oidc/v1/token").count();
    assert_eq!(tokens, 1, "{seen:#?}");
}

#[test]
fn a_wrong_clock_costs_only_additional_requests() {
    let workspace = Workspace::start();
    let metadata = format!("{}/_metadata/{FAMILY}", workspace.url());
    let node = Node::with(&vec![("DATABRICKS_HOST", workspace.url()), ("DATABRICKS_METADATA_SERVICE_URL", metadata)]);
    // By the node's clock the token has expired, by the workspace's clock it is valid. It is used for the current
    // request.
    let token = json!({ "access_token": "token-of-family", "token_type": "Bearer", "expires_on": 1_000_000_000 });
    workspace.fault(
        &json!({ "path": "/_metadata", "kind": "answer", "status": 200, "body": token.to_string(), "count": 2 }),
    );
    node.secret("family", "git-token").expect("a token of the past");
    node.secret("family", "git-token").expect("another");
    let paths: Vec<Value> = workspace.seen().into_iter().map(|seen| seen["path"].clone()).collect();
    let metadata = format!("/_metadata/{FAMILY}");
    assert_eq!(paths, [metadata.as_str(), GET, &metadata, GET]);
}
