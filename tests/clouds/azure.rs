//! Azure identities and Key Vault: tokens and secrets on loopback, as the official clients get them and as nodeagent
//! does, and the documented errors of the services.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use nodeagent::{
    cloud::{ClientEnvironment, CloudError, CloudErrorKind, Clouds, azure::AzurePrincipal},
    http::Client,
    secrets::{Address, Secret, SecretError, fetch, fetch_all, key_vault_names},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    agreement,
    free_port::free_port,
    server::{Server, client, program},
    support::{NodeTest, project, put},
};

pub(crate) const SECRET: &str = "secret-of-the-application";

/// The sign-in server, the metadata service, App Service and a vault, with and without TLS.
pub(crate) struct Azure {
    folder: TempDir,
    pub(crate) tls: u16,
    plain: u16,
    _server: Server,
}

impl Azure {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
        let certified = client("python").arg(script()).arg("certify").arg(folder.path()).status().expect("Python");
        assert!(certified.success(), "openssl made no certificates");
        let (tls, plain, other) = (free_port(), free_port(), free_port());
        let mut server = client("python");
        server.arg(script()).arg("serve").arg(folder.path()).args([tls, plain, other].map(|port| port.to_string()));
        Self { folder, tls, plain, _server: Server::start(server, tls) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plain_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.plain)
    }

    /// The requests to all ports, oldest first.
    fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("log")).expect("the log");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn request_count(&self, path: &str) -> usize {
        self.log().iter().filter(|request| request["path"] == path).count()
    }

    /// Variables for an application with a client secret.
    pub(crate) fn application(tenant: &str, client: &str, authority: &str) -> Variables {
        variables(&[
            ("AZURE_TENANT_ID", tenant),
            ("AZURE_CLIENT_ID", client),
            ("AZURE_CLIENT_SECRET", SECRET),
            ("AZURE_AUTHORITY_HOST", authority),
        ])
    }

    /// Clouds over plain http, with an application.
    fn clouds(&self, client: &str) -> Clouds {
        clouds(Self::application("tenant", client, &self.plain_url()))
    }

    /// The managed identity of the machine, by client id.
    fn machine(&self, client: &str) -> Clouds {
        clouds(variables(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &self.plain_url()), ("AZURE_CLIENT_ID", client)]))
    }

    /// A secret of the vault, over plain http.
    fn address(&self, name: &str) -> Address {
        let vault = self.plain_url().parse().expect("an address");
        Address::KeyVault { vault, name: name.to_owned(), version: None }
    }

    async fn refusal(&self, clouds: &Clouds, name: &str) -> CloudError {
        match fetch(&self.address(name), clouds).await {
            Err(SecretError::Cloud(error)) => error,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The official clients.
    pub(crate) fn official(&self, command: &str, arguments: &[&str], variables: &Variables, stdin: &str) -> Value {
        let mut official = client("python");
        official.arg(script()).arg(command).args(arguments);
        official.env_clear().env("PATH", "/usr/bin:/bin").env("SSL_CERT_FILE", self.path("ca.pem")).envs(variables);
        let mut child =
            official.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("Python");
        std::io::Write::write_all(&mut child.stdin.take().expect("piped"), stdin.as_bytes()).expect("it reads");
        let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        serde_json::from_slice(&stdout).expect("JSON")
    }
}

pub(crate) type Variables = BTreeMap<String, String>;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn clouds(variables: Variables) -> Clouds {
    Clouds::new(Arc::new(Client::default()), ClientEnvironment { variables, home: None })
}

fn script() -> PathBuf {
    project().join("tests/clouds/fake_azure.py")
}

async fn principal(clouds: &Clouds) -> Result<AzurePrincipal, CloudError> {
    clouds.azure().await?.principal().await
}

fn text(secret: &Secret) -> &str {
    std::str::from_utf8(secret.reveal()).expect("UTF-8")
}

#[tokio::test]
async fn the_official_clients_find_the_same_identity_with_the_same_variables() {
    let azure = Azure::start();
    let file = azure.path("assertion");
    put(&file, "token-of-the-cluster");
    let tls = format!("https://127.0.0.1:{}", azure.tls);
    let (file, plain) = (file.display().to_string(), azure.plain_url());
    let application = [("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_ID", "application")];
    let secret = ("AZURE_CLIENT_SECRET", SECRET);
    let assertion = ("AZURE_FEDERATED_TOKEN_FILE", file.as_str());
    let machine = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", plain.as_str());
    let endpoint = format!("{plain}/msi/token");
    let app = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "header-of-app-service")];
    for (expected, pairs) in [
        ("client-secret", &[application[0], application[1], secret, assertion, machine, app[0], app[1]][..]),
        ("workload-identity", &[application[0], application[1], assertion, machine, app[0], app[1]]),
        ("managed-identity", &[app[0], app[1], machine]),
        ("managed-identity", &[machine]),
        ("managed-identity", &[machine, ("AZURE_CLIENT_ID", "assigned")]),
    ] {
        let mut variables = variables(pairs);
        variables.insert("AZURE_AUTHORITY_HOST".into(), tls.clone());
        let theirs = azure.official("whoami", &[], &variables, "");
        // The variables contain no authority: this test uses plain http on loopback.
        variables.insert("AZURE_AUTHORITY_HOST".into(), plain.clone());
        let ours = principal(&clouds(variables)).await.expect("an identity");
        assert_eq!(
            json!({ "tid": ours.tenant, "oid": ours.object_id, "appid": ours.client_id }),
            json!({ "tid": theirs["tid"], "oid": theirs["oid"], "appid": theirs["appid"] }),
        );
        assert_eq!(ours.auth_type, expected);
    }
}

/// The official client writes over TLS, and both read all secrets. nodeagent runs as a process that trusts
/// `SSL_CERT_FILE`.
#[test]
fn secrets_of_the_official_client_are_delivered_unchanged() {
    let azure = Azure::start();
    let tls = format!("https://127.0.0.1:{}", azure.tls);
    let long = "0123456789abcdef".repeat(1600);
    let values = [
        ("lines", "a\nb\r\n\n"),
        ("letters", "p\u{e4}ss \u{1f511} \u{0}end"),
        ("long", &long),
        ("empty-edges", "  x "),
    ];
    let as_application = Azure::application("tenant", "application", &tls);
    let written = azure.official("write", &[&tls], &as_application, &json!(values).to_string());
    assert_eq!(written.as_array().map(Vec::len), Some(values.len()));
    let theirs = azure.official("read", &[&tls], &as_application, "");

    let names: Vec<&String> = theirs.as_object().expect("names and values").keys().collect();
    assert!(names.len() > values.len(), "the vault had secrets before");
    let item = |name| format!("[[secrets.items]]\nkey = \"{name}\"\nto = {{ file = \"/run/secrets/{name}\" }}\n");
    let items: Vec<String> = names.iter().map(item).collect();
    let profile =
        format!("[secrets]\nsource = \"azure-key-vault\"\nscope = \"family\"\nvault = \"{tls}\"\n{}", items.concat());
    let mut node = NodeTest::new().profile(&profile).var("SSL_CERT_FILE", &azure.path("ca.pem").display().to_string());
    for (name, value) in &as_application {
        node = node.var(name, value);
    }
    let output = node.agent(&["run", "--profile", "x.toml", "-v"]).ended(0);
    for name in names {
        let expected = theirs[name].as_str().expect("a text");
        let equal = node.read(&format!("run/secrets/{name}")) == expected;
        agreement::row("azure-key-vault", name, expected.len(), if equal { "equal" } else { "DIFFERS" });
        assert!(equal, "{name}");
    }
    assert!(!output.all().contains(SECRET) && !output.all().contains("hunter2"), "{}", output.all());
    assert_eq!(node.files_with(SECRET), Vec::<PathBuf>::new());

    // A grant for the identity that the official client finds applies, too.
    let theirs = azure.official("whoami", &[], &as_application, "");
    let grant = |who: &Value| {
        let (who, port) = (who.as_str().expect("an id"), azure.tls);
        let place = format!("azure-key-vault:127.0.0.1:{port}/*");
        format!("schema = 1\n[[grants]]\nwho = [\"azure:{who}\"]\nread = [\"{place}\"]\n")
    };
    let node = node.store("Admin/init_scripts/access.toml", &grant(&theirs["oid"]));
    node.agent(&["run", "--profile", "x.toml"]).ended(0);
    let node = node.store("Admin/init_scripts/access.toml", &grant(&json!("5b1c8c5e-0000-4000-8000-000000000001")));
    node.agent(&["run", "--profile", "x.toml"]).ended(2);

    // A client that does not trust the authority sends nothing.
    let before = azure.log().len();
    let mut node = NodeTest::new().profile(&profile);
    for (name, value) in Azure::application("tenant", "busy", &tls) {
        node = node.var(&name, &value);
    }
    let output = node.agent(&["run", "--profile", "x.toml"]).ended(2);
    assert!(output.all().contains("certificate is not trusted"), "{}", output.all());
    assert_eq!(azure.log().len(), before, "{}", output.all());
}

/// Runs a script in a network namespace. `serving` waits for the server that was started before.
fn alone(script_text: &str, folder: &Path, node: &NodeTest) {
    const BEGIN: &str = r#"
        set -eu
        ip link set lo up
        serving() {
            trap "kill $!" EXIT
            until "$PYTHON" -c 'import socket; socket.create_connection(("127.0.0.1", 443))' 2> /dev/null; do
                kill -0 $!
                sleep 0.05
            done
        }
    "#;
    assert!(client("python").arg(script()).arg("certify").arg(folder).status().expect("Python").success());
    let mut alone = program("unshare");
    alone.args(["--map-root-user", "--net", "--mount", "bash", "-c", &format!("{BEGIN}{script_text}")]).env_clear();
    alone.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("SSL_CERT_FILE", folder.join("ca.pem"));
    alone.env("FOLDER", folder).env("NODE", node.root()).env("SCRIPT", script());
    alone.env("PYTHON", client("python").get_program()).env("AGENT", assert_cmd::cargo::cargo_bin!("nodeagent"));
    let output = alone.output().expect("unshare starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A node in Azure without configuration, where every service has its real name. `unshare` gives the test its own
/// network and its own file of hosts.
#[test]
fn with_the_real_names_no_configuration_is_required() {
    const ALONE: &str = r#"
        ip addr add 169.254.169.254/32 dev lo
        mount --bind "$FOLDER/hosts" /etc/hosts
        "$PYTHON" "$SCRIPT" serve "$FOLDER" 443 169.254.169.254:80 81 &
        serving
        "$PYTHON" "$SCRIPT" whoami > "$FOLDER/whoami"
        "$PYTHON" "$SCRIPT" write https://kv-family.vault.azure.net < "$FOLDER/values" > /dev/null
        "$PYTHON" "$SCRIPT" read https://kv-family.vault.azure.net > "$FOLDER/read"
        "$AGENT" --root "$NODE" --filestore "$FOLDER" run --profile "$FOLDER/x.toml"
    "#;
    let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    put(&path("hosts"), "127.0.0.1 localhost kv-family.vault.azure.net login.microsoftonline.com\n");
    put(&path("values"), &json!([["analytics", "of the vault"]]).to_string());
    put(
        &path("x.toml"),
        "schema = 1\nname = \"x\"\n[secrets]\nsource = \"azure-key-vault\"\nscope = \"kv-family\"\n\
         [[secrets.items]]\nkey = \"analytics\"\nto = { file = \"/run/analytics\" }\n",
    );
    let node = NodeTest::new();
    alone(ALONE, folder.path(), &node);

    let read = |name: &str| -> Value { serde_json::from_slice(&fs::read(path(name)).expect("written")).expect("JSON") };
    assert_eq!(read("whoami")["oid"], "object-of-machine");
    assert_eq!(node.read("run/analytics"), read("read")["analytics"].as_str().expect("a text"));
    let log = fs::read_to_string(path("log")).expect("the log");
    let log = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let ours = log
        .filter(|request| request["headers"]["user-agent"].as_str().is_some_and(|name| name.starts_with("nodeagent/")));
    let requests: Vec<(String, bool)> = ours
        .map(|request| {
            (request["path"].as_str().expect("a path").to_owned(), request["headers"]["authorization"].is_string())
        })
        .collect();
    let metadata = ("/metadata/identity/oauth2/token".to_owned(), false);
    assert_eq!(
        requests,
        [metadata.clone(), metadata, ("/secrets/analytics".to_owned(), true)],
        "a look, a token, a secret"
    );
}

/// The endpoint of App Service is link-local and uses plain http. At other addresses no credential is sent. The test
/// has its own network, with a proxy that must receive no request.
#[test]
fn an_identity_endpoint_must_be_link_local() {
    const ALONE: &str = r#"
        ip addr add 169.254.129.3/32 dev lo
        ip addr add 198.51.100.7/32 dev lo
        "$PYTHON" "$SCRIPT" serve "$FOLDER" 443 169.254.129.3:8081 198.51.100.7:81 &
        serving
        export IDENTITY_HEADER=header-of-app-service
        export IDENTITY_ENDPOINT=http://169.254.129.3:8081/msi/token
        "$PYTHON" "$SCRIPT" whoami > "$FOLDER/theirs"
        export HTTP_PROXY=http://198.51.100.7:81 http_proxy=http://198.51.100.7:81
        "$AGENT" --root "$NODE" --filestore /nonexistent auth whoami --json > "$FOLDER/ours"
        export IDENTITY_ENDPOINT=http://198.51.100.7:81/msi/token
        "$AGENT" --root "$NODE" --filestore /nonexistent auth whoami --json > "$FOLDER/refused" && exit 9
        true
    "#;
    let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let node = NodeTest::new();
    alone(ALONE, folder.path(), &node);
    let read = |name: &str| -> Value { serde_json::from_slice(&fs::read(path(name)).expect("written")).expect("JSON") };
    let (theirs, ours, refused) = (read("theirs"), read("ours"), read("refused"));
    assert_eq!(theirs["oid"], "object-of-app");
    assert!(ours.to_string().contains("object-of-app"), "{ours:#}");
    assert!(refused.to_string().contains("plain"), "{refused:#}");
    let log = fs::read_to_string(path("log")).expect("the log");
    assert!(!log.contains(r#""port": "other""#), "{log}");
}

#[tokio::test]
async fn versions_are_selected_and_names_are_read_from_all_pages() {
    let azure = Azure::start();
    let tls = format!("https://127.0.0.1:{}", azure.tls);
    let as_application = Azure::application("tenant", "application", &tls);
    let written =
        azure.official("write", &[&tls], &as_application, &json!([["turned", "old"], ["turned", "new"]]).to_string());
    let clouds = azure.clouds("application");
    let Address::KeyVault { vault, .. } = azure.address("turned") else { unreachable!("made so") };
    for (version, value) in [(None, "new"), (written[0][1].as_str(), "old"), (written[1][1].as_str(), "new")] {
        let version = version.map(str::to_owned);
        let address = Address::KeyVault { vault: vault.clone(), name: "turned".into(), version };
        assert_eq!(text(&fetch(&address, &clouds).await.expect("a secret")), value);
    }
    let names = key_vault_names(&clouds, &vault).await.expect("names");
    let theirs = azure.official("read", &[&tls], &as_application, "");
    assert_eq!(names, theirs.as_object().expect("names").keys().cloned().collect::<Vec<_>>());
    assert!(names.len() > 2, "more than one page");
}

#[tokio::test]
async fn each_error_of_a_vault_names_its_cause() {
    let azure = Azure::start();
    let clouds = azure.clouds("application");
    for (name, kind, message, hint) in [
        ("absent", CloudErrorKind::Absent, "there is no secret `absent`", "check the name"),
        (
            "rbac",
            CloudErrorKind::Denied,
            "the secret `rbac` to the identity `object-of-application`: no role allows it",
            "Key Vault Secrets User",
        ),
        ("policy", CloudErrorKind::Denied, "no access policy allows it", "access policy"),
        ("firewall", CloudErrorKind::Denied, "its firewall refuses this node", "network"),
        ("disabled", CloudErrorKind::Denied, "it is disabled", "enable"),
        ("foreign", CloudErrorKind::TokenRejected, "rejected the token", "different tenants"),
        ("throttled", CloudErrorKind::Limited, "too many requests", "later"),
        ("html", CloudErrorKind::Unreachable, "cannot be reached", "captive portal"),
        ("endless", CloudErrorKind::Malformed, "cannot be called", ""),
        ("redirected", CloudErrorKind::Malformed, "redirects to another address", "address"),
        ("elsewhere", CloudErrorKind::Invalid, "requests a token for another service", "may not be a vault"),
        ("unchallenged", CloudErrorKind::Malformed, "does not answer like a Key Vault", "address"),
        ("no_name", CloudErrorKind::Invalid, "is not a valid name", "dashes"),
    ] {
        let began = Instant::now();
        let error = azure.refusal(&clouds, name).await;
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(error.message.contains(message), "{error:?}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert!(began.elapsed() < Duration::from_secs(30), "{name} took {:?}", began.elapsed());
    }
    no_token_left_the_vault(&azure);
}

#[tokio::test]
async fn an_answer_cannot_redirect_a_token() {
    let azure = Azure::start();
    // With its other name, the vault returns a link to a page on another server.
    let vault = format!("http://localhost:{}", azure.plain).parse().expect("an address");
    let error = key_vault_names(&azure.clouds("application"), &vault).await.expect_err("a redirect to another server");
    assert!(error.message.contains("page on another server"), "{error:?}");
    azure.refusal(&azure.clouds("application"), "redirected").await;
    azure.refusal(&azure.clouds("application"), "elsewhere").await;
    // The same holds for sign-in: the secret is sent to the configured server only.
    let error = principal(&azure.clouds("redirected")).await.expect_err("a redirect to another server");
    assert_eq!(error.kind, CloudErrorKind::Malformed, "{error:?}");
    no_token_left_the_vault(&azure);
}

fn no_token_left_the_vault(azure: &Azure) {
    let log = azure.log();
    assert!(log.iter().any(|request| !request["headers"]["authorization"].is_null()), "nothing was shown at all");
    let sent_elsewhere: Vec<_> = log.iter().filter(|request| request["port"] == "other").collect();
    assert!(sent_elsewhere.is_empty(), "{sent_elsewhere:?}");
    let foreign = |request: &&Value| request["body"].as_str().is_some_and(|body| body.contains("evil"));
    assert_eq!(log.iter().find(foreign), None, "a token for another service was asked for");
}

#[tokio::test]
async fn temporary_errors_are_retried_and_an_expired_token_is_renewed() {
    let azure = Azure::start();
    for (clouds, name) in [
        (azure.clouds("busy"), "busy"),
        (azure.clouds("application"), "revoked"),
        (azure.machine("busy"), "token"),
        (azure.machine("updating"), "token"),
        (azure.machine("early"), "token"),
    ] {
        let secret = fetch(&azure.address(name), &clouds).await.expect("after a while");
        assert_eq!(text(&secret), format!("value of {name}"));
    }
    assert_eq!(azure.request_count("/secrets/revoked"), 3, "a challenge, a token that ended, another token");
}

#[tokio::test]
async fn concurrent_callers_share_one_token_that_is_renewed_early() {
    let azure = Azure::start();
    let clouds = azure.clouds("slow");
    let addresses = ["analytics", "token", "x", "busy", "rbac"].map(|name| azure.address(name));
    let found = fetch_all(&addresses, &clouds).await;
    assert_eq!(found.values().filter(|found| found.is_ok()).count(), 4);
    assert_eq!(principal(&clouds).await.expect("known by now").object_id, "object-of-slow");
    assert_eq!(azure.request_count("/tenant/oauth2/v2.0/token"), 1);

    // A token with a lifetime of eight seconds is used for four.
    let clouds = azure.machine("short");
    let request_count = || azure.request_count("/metadata/identity/oauth2/token");
    for _ in 0..3 {
        fetch(&azure.address("x"), &clouds).await.expect("a secret");
    }
    assert_eq!(request_count(), 1);
    tokio::time::sleep(Duration::from_millis(8100)).await;
    fetch(&azure.address("x"), &clouds).await.expect("a secret");
    assert_eq!(request_count(), 2);
}

#[tokio::test]
async fn each_error_of_sign_in_has_a_hint() {
    let azure = Azure::start();
    let mut wrong = Azure::application("tenant", "application", &azure.plain_url());
    wrong.insert("AZURE_CLIENT_SECRET".into(), "hunter2".into());
    let nowhere = Azure::application("nowhere", "application", &azure.plain_url());
    let html = Azure::application("tenant", "html", &azure.plain_url());
    let file = azure.path("stale");
    put(&file, "hunter2");
    let assertion = |file: &Path| {
        let mut variables = Azure::application("tenant", "application", &azure.plain_url());
        variables.remove("AZURE_CLIENT_SECRET");
        variables.insert("AZURE_FEDERATED_TOKEN_FILE".into(), file.display().to_string());
        variables
    };
    let machine = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", &*azure.plain_url()), ("AZURE_CLIENT_ID", "absent")];
    let endpoint = format!("{}/msi/token", azure.plain_url());
    let app = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "hunter2")];
    for (variables, kind, detail, hint) in [
        (
            wrong,
            CloudErrorKind::TokenRejected,
            "AADSTS7000215: Invalid client secret provided",
            "use the secret's value",
        ),
        (nowhere, CloudErrorKind::TokenRejected, "AADSTS90002: Tenant 'nowhere' not found", "AZURE_TENANT_ID"),
        (html, CloudErrorKind::Unreachable, "the server answered with a web page", "captive portal"),
        (
            assertion(&file),
            CloudErrorKind::TokenRejected,
            "AADSTS700213: No matching federated",
            "issuer, subject and audience",
        ),
        (assertion(&azure.path("gone")), CloudErrorKind::NotConfigured, "No such file", "AZURE_FEDERATED_TOKEN_FILE"),
        (variables(&machine), CloudErrorKind::NotConfigured, "Identity not found", "assign the identity"),
        (variables(&app), CloudErrorKind::TokenRejected, "", "IDENTITY_HEADER"),
    ] {
        let error = principal(&clouds(variables)).await.expect_err("refused");
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(error.detail.as_deref().unwrap_or_default().starts_with(detail), "{error:?}");
        assert!(error.hint.as_deref().is_some_and(|found| found.contains(hint)), "{error:?}");
        let shown = format!("{error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("Trace ID"), "{shown}");
    }
}
