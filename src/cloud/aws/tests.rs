//! Complete calls against a local server: retries, renewal of credentials, and errors.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
};

use serde_json::{Value, json};

use super::*;

/// A server that answers the requests in order. It records them.
struct FakeService {
    url: String,
    requests: Receiver<String>,
}

fn fake(answers: Vec<(&'static str, String)>) -> FakeService {
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", server.local_addr().expect("bound"));
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for (head, body) in answers {
            let (mut stream, _) = server.accept().expect("a request");
            let mut reader = BufReader::new(stream.try_clone().expect("a cloned stream"));
            let (mut request, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                request.push_str(&line);
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut sent = vec![0; length];
            reader.read_exact(&mut sent).expect("a body");
            request.push_str(&String::from_utf8_lossy(&sent));
            let _ = sender.send(request);
            let length = body.len();
            write!(stream, "HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
                .expect("answered");
        }
    });
    FakeService { url, requests }
}

impl FakeService {
    /// The requests so far.
    fn requests(&self) -> Vec<String> {
        self.requests.try_iter().collect()
    }

    async fn account(&self, variables: &[(&str, &str)]) -> Result<Account, CloudError> {
        let own = [("AWS_ENDPOINT_URL", self.url.as_str()), ("AWS_REGION", "ap-southeast-2")];
        let variables: BTreeMap<String, String> =
            own.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Account::connect(Arc::new(http::Client::default()), &ClientEnvironment { variables, home: None }).await
    }
}

const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hunter2"), ("AWS_SESSION_TOKEN", "the-token")];

fn refused(code: &str) -> (&'static str, String) {
    ("400 Bad Request", json!({ "__type": format!("com.amazonaws.x#{code}"), "message": "in AWS's words" }).to_string())
}

fn done() -> (&'static str, String) {
    ("200 OK", json!({ "Value": 7 }).to_string())
}

fn identity() -> (&'static str, String) {
    let arn = "arn:aws:sts::123456789012:assumed-role/family-node/i-1";
    ("200 OK", format!("<R xmlns=\"x\"><GetCallerIdentityResult><Arn>{arn}</Arn></GetCallerIdentityResult></R>"))
}

async fn call(account: &Account) -> Result<Value, AwsError> {
    account.call(Service::SecretsManager, "GetSecretValue", None, &json!({ "SecretId": "a" })).await
}

/// The error of a call, and the number of requests.
async fn call_error(answers: Vec<(&'static str, String)>) -> (CloudError, usize) {
    let fake = fake(answers);
    let account = fake.account(&KEYS).await.expect("credentials");
    let error = call(&account).await.expect_err("refused").error;
    (error, fake.requests().len())
}

#[tokio::test]
async fn a_call_is_signed_and_does_not_contain_the_secret_key() {
    let fake = fake(vec![done()]);
    let account = fake.account(&KEYS).await.expect("credentials");
    assert_eq!(call(&account).await.expect("answered"), json!({ "Value": 7 }));
    let request = fake.requests().remove(0);
    assert!(request.starts_with("POST / HTTP/1.1"), "{request}");
    assert!(request.contains("x-amz-target: secretsmanager.GetSecretValue"), "{request}");
    assert!(request.contains("x-amz-security-token: the-token"), "{request}");
    assert!(
        request.contains("/ap-southeast-2/secretsmanager/aws4_request, SignedHeaders=content-type;host;"),
        "{request}"
    );
    assert!(!request.contains("hunter2"));
}

#[tokio::test]
async fn transient_errors_are_retried() {
    let busy = ("503 Service Unavailable", "<html>busy</html>".to_owned());
    let fake = fake(vec![refused("ThrottlingException"), busy, done()]);
    let account = fake.account(&KEYS).await.expect("credentials");
    assert!(call(&account).await.is_ok());
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn permanent_errors_are_not_retried() {
    for (code, kind) in [
        ("ValidationException", CloudErrorKind::Invalid),
        ("ResourceNotFoundException", CloudErrorKind::Absent),
        ("DecryptionFailure", CloudErrorKind::BackendRefuses),
        ("UnrecognizedClientException", CloudErrorKind::TokenRejected),
    ] {
        let (error, requests) = call_error(vec![refused(code)]).await;
        assert_eq!((error.kind, requests), (kind, 1), "{code}");
        assert_eq!(error.detail.as_deref(), Some("in AWS's words"));
    }
}

#[tokio::test]
async fn a_denial_names_the_caller_and_the_action() {
    let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    let (error, requests) = call_error(vec![("403 Forbidden", body.to_owned()), identity()]).await;
    assert_eq!((error.kind, requests), (CloudErrorKind::Denied, 2));
    assert_eq!(
        error.message,
        "AWS denies `secretsmanager:GetSecretValue` to the role `family-node` of the account 123456789012"
    );
    assert_eq!(
        error.hint.as_deref(),
        Some(
            "ask the owner of the account to allow `secretsmanager:GetSecretValue` to the role `family-node` of the \
             account 123456789012"
        )
    );
}

#[tokio::test]
async fn a_wrong_clock_is_reported() {
    let old = "403 Forbidden\r\ndate: Tue, 01 Jan 2019 00:00:00 GMT";
    for code in ["RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException"] {
        let (error, _) = call_error(vec![(old, refused(code).1)]).await;
        assert_eq!(error.kind, CloudErrorKind::TokenRejected);
        assert!(error.message.contains("this node's clock is") && error.message.ends_with("ahead of AWS's"), "{error}");
    }
    let (error, _) = call_error(vec![refused("SignatureDoesNotMatch")]).await;
    assert!(error.hint.expect("a hint").contains("the secret key does not belong to the access key"));
}

/// Credentials of a container with an access key.
fn container_credentials(key: &str) -> (&'static str, String) {
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let given = json!({ "AccessKeyId": key, "SecretAccessKey": "s", "Token": "t", "Expiration": end.to_string() });
    ("200 OK", given.to_string())
}

#[tokio::test]
async fn expired_credentials_are_renewed_once_and_the_call_repeated() {
    let fake = fake(vec![
        container_credentials("FIRST"),
        refused("ExpiredTokenException"),
        container_credentials("SECOND"),
        done(),
    ]);
    let address = format!("{}/credentials", fake.url);
    let container =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", address.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token")];
    let account = fake.account(&container).await.expect("credentials");
    assert!(call(&account).await.is_ok());
    let requests = fake.requests();
    assert!(
        requests[0].starts_with("GET /credentials") && requests[0].contains("authorization: pod-token"),
        "{}",
        requests[0]
    );
    assert!(requests[1].contains("Credential=FIRST/"), "{}", requests[1]);
    assert!(requests[3].contains("Credential=SECOND/"), "{}", requests[3]);
}

#[tokio::test]
async fn credentials_are_renewed_once_only() {
    let expired = || refused("ExpiredTokenException");
    let fake = fake(vec![container_credentials("FIRST"), expired(), container_credentials("SECOND"), expired()]);
    let address = format!("{}/credentials", fake.url);
    let account = fake.account(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address)]).await.expect("credentials");
    let error = call(&account).await.expect_err("expired").error;
    assert_eq!(error.message, "the session token of the container's credentials endpoint has expired");
    assert_eq!(fake.requests().len(), 4);
}

#[tokio::test]
async fn expired_keys_in_variables_are_an_error() {
    let (error, requests) = call_error(vec![refused("ExpiredTokenException")]).await;
    assert_eq!((error.kind, requests), (CloudErrorKind::TokenRejected, 1));
    assert!(error.message.starts_with("the session token of the variables AWS_ACCESS_KEY_ID"), "{error}");
}

#[tokio::test]
async fn a_malformed_answer_is_not_quoted() {
    let (error, _) = call_error(vec![("200 OK", "{\"SecretString\": hunter2".to_owned())]).await;
    assert_eq!(error.kind, CloudErrorKind::Malformed);
    assert!(!format!("{error:?}").contains("hunter2"));
    let (error, _) = call_error(vec![("407 Proxy", "<html>who are you</html>".to_owned())]).await;
    assert_eq!(error.message, "Secrets Manager answered with status 407 and no AWS error code");
}

#[tokio::test]
async fn the_caller_is_requested_once_and_without_a_region() {
    let fake = fake(vec![identity()]);
    let account = fake.account(&[KEYS[0], KEYS[1], ("AWS_REGION", "")]).await.expect("credentials");
    for _ in 0..2 {
        assert_eq!(account.caller().await.expect("a caller").role.as_deref(), Some("family-node"));
    }
    let requests = fake.requests();
    assert!(requests[0].contains("/us-east-1/sts/aws4_request"), "{}", requests[0]);
    assert!(requests[0].ends_with("Action=GetCallerIdentity&Version=2011-06-15"), "{}", requests[0]);
}

#[tokio::test]
async fn the_region_of_a_call_has_precedence_over_the_configured_one_and_the_instances() {
    let fake = fake(vec![("200 OK", "session".to_owned()), ("200 OK", "eu-central-1".to_owned())]);
    let account = fake.account(&KEYS).await.expect("credentials");
    assert_eq!(account.region(Some("us-west-2")).await, Ok("us-west-2".to_owned()));
    assert_eq!(account.region(None).await, Ok("ap-southeast-2".to_owned()));
    let unconfigured = [KEYS[0], KEYS[1], ("AWS_REGION", ""), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &fake.url)];
    let account = fake.account(&unconfigured).await.expect("credentials");
    assert_eq!(account.region(None).await, Ok("eu-central-1".to_owned()));
    assert!(fake.requests()[1].contains("x-aws-ec2-metadata-token: session"));
    let nowhere = [KEYS[0], KEYS[1], ("AWS_REGION", ""), ("AWS_EC2_METADATA_DISABLED", "true")];
    let error = fake.account(&nowhere).await.expect("credentials").region(None).await.expect_err("none");
    assert_eq!(error.message, "no AWS region is configured");
}

#[tokio::test]
async fn an_instance_without_a_role_has_no_credentials() {
    let fake = fake(vec![("200 OK", "session".to_owned()), ("404 Not Found", String::new())]);
    let error = fake.account(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &fake.url)]).await.err().expect("an error");
    assert_eq!(
        (error.kind, error.detail.as_deref()),
        (CloudErrorKind::NotConfigured, Some("the instance has no role"))
    );
}

#[tokio::test]
async fn a_web_identity_token_is_sent_in_the_body_only() {
    let token = tempfile::NamedTempFile::new().expect("a file");
    token.as_file().write_all(b"the-web-token\n").expect("written");
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let body = format!(
        "<R><Credentials><AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>{end}</Expiration></Credentials></R>"
    );
    let fake = fake(vec![("200 OK", body), done()]);
    let path = token.path().display().to_string();
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str()), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")];
    let account = fake.account(&web).await.expect("credentials");
    assert!(call(&account).await.is_ok());
    let requests = fake.requests();
    let (head, form) = requests[0].split_once("\r\n\r\n").expect("a body");
    assert!(
        form.contains("Action=AssumeRoleWithWebIdentity") && form.contains("WebIdentityToken=the-web-token"),
        "{form}"
    );
    assert!(!head.contains("authorization") && !head.contains("the-web-token"), "{head}");
    assert!(requests[1].contains("Credential=ROLE/"), "{}", requests[1]);
}
