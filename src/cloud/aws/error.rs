//! Errors of the services. The error code decides, not the HTTP status: services and their emulators use different
//! statuses (<https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html>).

use jiff::Timestamp;
use serde::Deserialize;

use super::{service::Service, xml};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::{Answer, HttpError},
};

/// An error of a service, with its error code.
#[derive(Debug, Clone)]
pub struct AwsError {
    /// Such as `ResourceNotFoundException`. Empty if the answer has none.
    pub code: String,
    /// The error for messages.
    pub error: CloudError,
    /// Whether another attempt may succeed.
    pub(super) is_transient: bool,
}

impl From<AwsError> for CloudError {
    fn from(refusal: AwsError) -> Self {
        refusal.error
    }
}

impl From<CloudError> for AwsError {
    fn from(error: CloudError) -> Self {
        Self { code: String::new(), error, is_transient: false }
    }
}

/// The largest difference between the clocks, in seconds. The services reject older signatures after five minutes.
const MAX_CLOCK_SKEW: i64 = 4 * 60;

const EXPIRED_TOKEN: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"];
const CLOCK_SKEW: [&str; 3] = ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"];
const REJECTED: [&str; 10] = [
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "AuthFailure",
];
const DENIED: [&str; 6] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "NotAuthorized",
    "OptInRequired",
    "ForbiddenException",
];
const THROTTLED: [&str; 12] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
    "SlowDown",
    "LimitExceededException",
];
const TRANSIENT: [&str; 9] = [
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "InternalServiceErrorException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "KMSInternalException",
    "DependencyTimeoutException",
    "RequestTimeout",
];
/// Codes of KMS for a key that cannot be used.
const UNUSABLE_KEY: [&str; 7] = [
    "DisabledException",
    "KMSInvalidStateException",
    "KeyUnavailableException",
    "IncorrectKeyException",
    "InvalidKeyUsageException",
    "DecryptionFailure",
    "InvalidKeyId",
];

impl AwsError {
    /// Reads an unsuccessful answer.
    pub(super) fn of_answer(service: Service, action: &str, source: &str, answer: &Answer) -> Self {
        let (code, message) = code_and_message(answer);
        let skew = clock_skew(answer);
        let status = answer.status;
        let name = service.name();
        let has = |codes: &[&str]| codes.contains(&code.as_str());
        let error = if EXPIRED_TOKEN.contains(&code.as_str()) {
            CloudError::new(CloudErrorKind::TokenRejected, format!("the session token of {source} has expired"))
                .hint("get new credentials; nodeagent renews those of a role or an instance itself")
        } else if has(&CLOCK_SKEW) || (has(&REJECTED) && skew.is_some()) {
            let off = skew.map_or_else(|| "wrong".to_owned(), skew_description);
            CloudError::new(
                CloudErrorKind::TokenRejected,
                format!("{name} rejects the signature: this node's clock is {off}"),
            )
            .hint("set the node's clock (chrony, timedatectl): a signature is valid for five minutes")
        } else if has(&REJECTED) {
            let hint = match code.as_str() {
                "SignatureDoesNotMatch" | "InvalidSignatureException" => {
                    "the secret key does not belong to the access key, or the node's clock is wrong"
                }
                _ => "the access key does not exist here, was deleted, or belongs to another partition",
            };
            CloudError::new(
                CloudErrorKind::TokenRejected,
                format!("{name} does not accept the credentials of {source}"),
            )
            .hint(hint)
        } else if has(&DENIED) {
            CloudError::new(CloudErrorKind::Denied, format!("AWS denies `{}:{action}`", service.id()))
        } else if has(&THROTTLED) {
            CloudError::new(CloudErrorKind::Limited, format!("{name} received too many requests ({code})"))
                .hint("try again later, or raise the table's or the account's limit")
        } else if has(&UNUSABLE_KEY) {
            CloudError::new(CloudErrorKind::BackendRefuses, format!("KMS does not decrypt with the key ({code})"))
                .hint("check the key's state and its policy")
        } else if code.contains("NotFound") {
            CloudError::new(CloudErrorKind::Absent, format!("{name} has no resource with this name ({code})"))
        } else if has(&TRANSIENT) || status >= 500 {
            let what = if code.is_empty() { format!("status {status}") } else { code.clone() };
            CloudError::new(CloudErrorKind::Unreachable, format!("{name} failed ({what})")).hint("try again later")
        } else if code.is_empty() {
            let failed = format!("{name} answered with status {status} and no AWS error code");
            CloudError::new(CloudErrorKind::Malformed, failed).hint("check the endpoint: a proxy may have answered")
        } else {
            CloudError::new(CloudErrorKind::Invalid, format!("{name} does not accept the request ({code})"))
        };
        // `LimitExceededException` is a quota, not a rate limit: another attempt does not help.
        let is_transient = matches!(error.kind, CloudErrorKind::Limited | CloudErrorKind::Unreachable)
            && code != "LimitExceededException";
        Self { error: error.detail(&message), code, is_transient }
    }

    /// A request that got no answer.
    pub(super) fn unanswered(service: Service, error: &HttpError) -> Self {
        let failed = CloudError::unanswered(&format!("AWS {}", service.name()), error);
        Self { is_transient: error.is_transient(), ..failed.into() }
    }

    /// Whether new credentials may help.
    pub(super) fn is_expiry(&self) -> bool {
        EXPIRED_TOKEN.contains(&self.code.as_str())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    #[serde(rename = "__type")]
    kind: String,
    code: String,
    message: String,
    #[serde(rename = "Message")]
    capitalized_message: String,
}

/// The code and the message of an answer: JSON, or XML from the proxies in front of the services.
fn code_and_message(answer: &Answer) -> (String, String) {
    if answer.body.trim_ascii_start().starts_with(b"<") {
        let field = |name| xml::text(&answer.body, name).unwrap_or_default();
        return (code_name(&field("Code")), field("Message"));
    }
    let body: ErrorBody = answer.json().unwrap_or_default();
    let code = [body.kind, body.code].into_iter().find(|code| !code.is_empty());
    let code = code.or_else(|| answer.header("x-amzn-errortype").map(str::to_owned)).unwrap_or_default();
    let message = [body.message, body.capitalized_message].into_iter().find(|message| !message.is_empty());
    (code_name(&code), message.unwrap_or_default())
}

/// The name in a code such as `com.amazonaws.dynamodb#ResourceNotFoundException:http://…`.
fn code_name(code: &str) -> String {
    let code = code.rsplit('#').next().unwrap_or_default();
    code.split(':').next().unwrap_or_default().trim().to_owned()
}

/// The seconds by which this node's clock is ahead of the service's clock, if they are too many.
fn clock_skew(answer: &Answer) -> Option<i64> {
    let theirs = jiff::fmt::rfc2822::parse(answer.header("date")?).ok()?.timestamp();
    let ahead = Timestamp::now().as_second() - theirs.as_second();
    (ahead.abs() > MAX_CLOCK_SKEW).then_some(ahead)
}

fn skew_description(ahead: i64) -> String {
    let minutes = (ahead.abs() + 30) / 60;
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    format!("{minutes} minutes {side} AWS's")
}
