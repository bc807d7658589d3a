//! AWS: moto with IAM enforcement. The official clients write and read, and nodeagent reads the same bytes.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    path::Path,
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nodeagent::{
    cloud::{ClientEnvironment, CloudError, CloudErrorKind, Clouds},
    fs, http,
    secrets::{self, Address, SecretError},
};
use serde::Deserialize;

use crate::{
    agreement,
    free_port::free_port,
    http_server::{TestServer, reply},
    server::{Server, client},
};

pub(crate) const REGION: &str = "ap-southeast-2";

/// An access key of a user or of a session.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) secret: String,
}

/// A secret as the official client reads it, and its address.
#[derive(Debug, Deserialize)]
struct Row {
    source: String,
    case: String,
    value: String,
    #[serde(default)]
    table: String,
    name: String,
    version: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, String>,
}

impl Row {
    fn address(&self) -> Address {
        let (name, version) = (self.name.clone(), self.version.clone());
        match self.source.as_str() {
            "credstash" => credstash(&self.table, &name, version, self.context.clone()),
            "secrets-manager" => Address::SecretsManager { region: None, id: name, version },
            "parameter-store" => Address::Parameter { region: None, name, version },
            other => panic!("`{other}` is no source"),
        }
    }
}

#[derive(Deserialize)]
struct Written {
    read: Vec<Row>,
    users: BTreeMap<String, Key>,
    lists: Lists,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Lists {
    credstash: Vec<(String, String)>,
    secrets_manager: Vec<String>,
}

/// A local AWS that the official clients filled.
pub(crate) struct Aws {
    pub(crate) server: Server,
    /// The folder of the writer, which is also the home folder.
    pub(crate) folder: tempfile::TempDir,
}

impl Aws {
    pub(crate) fn start() -> Self {
        let port = free_port();
        let mut moto = client("moto_server");
        moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        Self { server: Server::start(moto, port), folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn written<T: for<'de> Deserialize<'de>>(&self, what: &str) -> T {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clouds/aws_writer.py");
        let mut writer = client("python");
        writer.arg(script).args([what, &self.server.url()]).arg(self.folder.path());
        writer.env("AWS_DEFAULT_REGION", REGION).env("HOME", self.folder.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        let done = writer.output().expect("Python runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).expect("the script writes JSON")
    }

    /// Enables the checks of signatures and policies in moto.
    pub(crate) fn enforce(&self) {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.server.port)).expect("moto listens");
        let request = "POST /moto-api/reset-auth HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n\
                       Content-Length: 1\r\nConnection: close\r\n\r\n0";
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn clouds(&self, variables: &[(&str, &str)]) -> Clouds {
        let url = self.server.url();
        let own = [("AWS_ENDPOINT_URL", url.as_str()), ("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_REGION", REGION)];
        let variables =
            own.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let home = Some(self.folder.path().to_owned());
        Clouds::new(Arc::new(http::Client::default()), ClientEnvironment { variables, home })
    }

    fn as_user(&self, key: &Key) -> Clouds {
        self.clouds(&[("AWS_ACCESS_KEY_ID", &key.key), ("AWS_SECRET_ACCESS_KEY", &key.secret)])
    }
}

fn credstash(table: &str, name: &str, version: Option<String>, context: BTreeMap<String, String>) -> Address {
    Address::Credstash { table: table.to_owned(), region: None, name: name.to_owned(), version, context }
}

fn item(name: &str) -> Address {
    credstash("credential-store", name, None, BTreeMap::new())
}

fn secret(id: &str) -> Address {
    Address::SecretsManager { region: None, id: id.to_owned(), version: None }
}

fn parameter(name: &str) -> Address {
    Address::Parameter { region: None, name: name.to_owned(), version: None }
}

async fn refusal(address: &Address, clouds: &Clouds) -> CloudError {
    match secrets::fetch(address, clouds).await {
        Ok(_) => panic!("{address:?} was given out"),
        Err(SecretError::Cloud(error)) => error,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn secrets_of_the_official_clients_are_read_unchanged() {
    let aws = Aws::start();
    let written: Written = aws.written("secrets");
    aws.enforce();
    let clouds = aws.as_user(&written.users["reader"]);
    let mut differ = Vec::new();
    for row in &written.read {
        let expected = STANDARD.decode(&row.value).expect("base64");
        let verdict = match secrets::fetch(&row.address(), &clouds).await {
            Ok(got) if got.reveal() == expected => "equal".to_owned(),
            Ok(got) => format!("DIFFERS: {} bytes", got.reveal().len()),
            Err(error) => format!("FAILED: {error}"),
        };
        agreement::row(&row.source, &row.case, expected.len(), &verdict);
        if verdict != "equal" {
            differ.push(format!("{} {}: {verdict}", row.source, row.case));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert_eq!(written.read.len(), 37);
    let warnings = clouds.take_warnings();
    assert_eq!(warnings.len(), 2, "MD5 and SHA-1 are weak: {warnings:?}");

    lists_are_those_of_the_official_clients(&clouds, &written).await;
    each_refusal_has_its_cause(&clouds).await;
    a_denial_names_the_action_and_the_identity(&aws, &written).await;
}

async fn lists_are_those_of_the_official_clients(clouds: &Clouds, written: &Written) {
    let listed = secrets::credstash::list(clouds, "credential-store", None).await.expect("listed");
    let listed: Vec<(String, String)> = listed.into_iter().map(|item| (item.name, item.version)).collect();
    assert_eq!(listed, written.lists.credstash);
    let names = secrets::aws::secrets(clouds, None, "").await.expect("listed");
    assert_eq!(names, written.lists.secrets_manager);
    assert_eq!(secrets::aws::secrets(clouds, None, "family/n").await.expect("listed"), ["family/nul"]);
    let names = secrets::aws::parameters(clouds, None, "/criminal").await.expect("listed");
    assert_eq!((names.len(), names[24].as_str()), (25, "/criminal/deep/24"));
}

async fn each_refusal_has_its_cause(clouds: &Clouds) {
    let context = |pairs: &[(&str, &str)]| {
        let context = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        credstash("credential-store", "context/one", None, context)
    };
    let version = |version: &str| credstash("credential-store", "versions", Some(version.to_owned()), BTreeMap::new());
    let of = |name: &str| format!("`{name}` in the table `credential-store`");
    let no_context = format!("KMS does not decrypt {}: the encryption context does not match", of("context/one"));
    for (address, kind, message) in [
        (item("absent"), CloudErrorKind::Absent, "there is no `absent` in the table `credential-store`".to_owned()),
        (
            version("3"),
            CloudErrorKind::Absent,
            "there is no version `3` of `versions` in the table `credential-store`".to_owned(),
        ),
        (
            credstash("no-table", "a", None, BTreeMap::new()),
            CloudErrorKind::Absent,
            "there is no table `no-table` in DynamoDB".to_owned(),
        ),
        (context(&[]), CloudErrorKind::Invalid, no_context.clone()),
        (context(&[("unit", "criminal")]), CloudErrorKind::Invalid, no_context),
        (
            item("broken/changed"),
            CloudErrorKind::Malformed,
            format!("{} was changed: its MAC does not match", of("broken/changed")),
        ),
        (
            item("broken/digest"),
            CloudErrorKind::Invalid,
            format!("{} has a MAC with the digest `RIPEMD`, which credstash no longer supports", of("broken/digest")),
        ),
        (
            item("broken/item"),
            CloudErrorKind::Malformed,
            format!("{} is not a valid item of credstash: its `hmac` is not hexadecimal", of("broken/item")),
        ),
        (
            secret("family/absent"),
            CloudErrorKind::Absent,
            "there is no secret `family/absent` in Secrets Manager".to_owned(),
        ),
        (
            secret("family/deleted"),
            CloudErrorKind::Absent,
            "Secrets Manager does not return `family/deleted`".to_owned(),
        ),
        (parameter("/family/absent"), CloudErrorKind::Absent, "there is no parameter `/family/absent`".to_owned()),
    ] {
        let error = refusal(&address, clouds).await;
        assert_eq!((error.kind, error.message.as_str()), (kind, message.as_str()));
        assert!(error.hint.is_some(), "{message}");
    }
}

async fn a_denial_names_the_action_and_the_identity(aws: &Aws, written: &Written) {
    let nobody = aws.as_user(&written.users["nobody"]);
    for (address, action) in [
        (item("empty"), "dynamodb:Query"),
        (secret("family/text"), "secretsmanager:GetSecretValue"),
        (parameter("/family/secure"), "ssm:GetParameter"),
    ] {
        let error = refusal(&address, &nobody).await;
        assert_eq!(error.kind, CloudErrorKind::Denied);
        assert_eq!(error.message, format!("AWS denies `{action}` to the user `nobody` of the account 123456789012"));
        assert!(error.detail.is_some_and(|detail| detail.contains("is not authorized to perform")));
    }
    let keyless = aws.as_user(&written.users["keyless"]);
    let error = refusal(&item("empty"), &keyless).await;
    assert_eq!(error.message, "AWS denies `kms:Decrypt` to the user `keyless` of the account 123456789012");
}

/// A credentials endpoint like those of ECS and EKS. It answers only requests with the token.
fn container(credentials: String) -> TestServer {
    TestServer::start(move |request, _| match request.header("authorization") {
        "the-pods-token" => reply("200 OK", &credentials),
        _ => reply("403 Forbidden", "{}"),
    })
}

#[tokio::test]
async fn every_kind_of_credentials_has_an_identity() {
    #[derive(Deserialize)]
    struct Made {
        alice: Key,
        role: String,
        session: serde_json::Value,
    }
    let aws = Aws::start();
    let made: Made = aws.written("identities");
    let who = async |clouds: &Clouds| clouds.aws().await?.caller().await;
    let write_file = |path: &str, text: &str| {
        let path = aws.folder.path().join(path);
        fs::create_dirs(path.parent().expect("a folder"), 0o700).expect("created");
        fs::replace(&path, text.as_bytes(), fs::Attributes::mode(0o600)).expect("written");
        path.display().to_string()
    };

    // The role of the instance, by version 2 of the metadata service. Only moto without enforcement knows its keys.
    let url = aws.server.url();
    let instance = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()), ("AWS_EC2_METADATA_DISABLED", "")];
    let clouds = aws.clouds(&[&instance[..], &[("AWS_REGION", "")]].concat());
    assert_eq!(who(&clouds).await.expect("the instance").account, "123456789012");
    let account = clouds.aws().await.expect("credentials");
    assert_eq!((account.source(), account.region(None).await), ("the instance's role", Ok("us-east-1".to_owned())));

    // A role that is assumed with a token in a file.
    let token = write_file("web-token", "a.web.token\n");
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()), ("AWS_ROLE_ARN", made.role.as_str())];
    let web = aws.clouds(&[&web[..], &[("AWS_ROLE_SESSION_NAME", "pod")]].concat());
    let by_token = who(&web).await.expect("the role");
    assert!(by_token.arn.ends_with(":assumed-role/family-node/pod"), "{}", by_token.arn);

    aws.enforce();
    let error = who(&aws.clouds(&instance)).await.expect_err("moto does not know the key");
    assert_eq!(
        (error.kind, error.message.as_str()),
        (CloudErrorKind::TokenRejected, "STS does not accept the credentials of the instance's role")
    );

    let caller = who(&aws.as_user(&made.alice)).await.expect("alice");
    assert_eq!((caller.account.as_str(), caller.partition.as_str()), ("123456789012", "aws"));
    assert_eq!((caller.user.as_deref(), caller.role), (Some("bu/family/alice"), None));

    let stolen = Key { secret: "not hers".to_owned(), ..made.alice.clone() };
    assert_eq!(who(&aws.as_user(&stolen)).await.expect_err("rejected").kind, CloudErrorKind::TokenRejected);

    // A profile with a role that is assumed with the keys of another profile. STS does not return the path of the role.
    write_file(".aws/config", &format!("[profile family]\nrole_arn = {}\nsource_profile = alice\n", made.role));
    let keys = format!("aws_access_key_id = {}\naws_secret_access_key = {}", made.alice.key, made.alice.secret);
    write_file(".aws/credentials", &format!("[alice]\n{keys}\n"));
    let caller = who(&aws.clouds(&[("AWS_PROFILE", "family")])).await.expect("the role");
    assert_eq!((caller.role.as_deref(), caller.user), (Some("family-node"), None));
    assert!(caller.arn.ends_with(":assumed-role/family-node/nodeagent"), "{}", caller.arn);

    let server = container(made.session.to_string());
    let endpoint = server.at("credentials");
    let token = write_file("pod-token", "the-pods-token\n");
    let pod = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.as_str()),
    ];
    let caller = who(&aws.clouds(&pod)).await.expect("the session");
    assert!(caller.arn.ends_with(":assumed-role/family-node/i-0abc"), "{}", caller.arn);
    let error = who(&aws.clouds(&pod[..1])).await.expect_err("no token");
    assert_eq!(error.kind, CloudErrorKind::TokenRejected);
}
