//! What a service says when it does not do what it was asked. Codes decide, never the HTTP status: services and their
//! emulators differ in it (<https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html>).

use jiff::Timestamp;
use serde::Deserialize;

use super::{service::Service, xml};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::{Answer, HttpError},
};

/// A call that a service did not do, with the service's own code.
#[derive(Debug, Clone)]
pub struct AwsError {
    /// Such as `ResourceNotFoundException`; empty when there was no answer that has one.
    pub code: String,
    /// The same for people.
    pub error: CloudError,
    /// Whether trying again may help.
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

/// Clocks that differ more make signatures worthless.
const MOST_SKEW: i64 = 4 * 60;

const EXPIRED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"];
const CLOCK: [&str; 3] = ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"];
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
const LIMITED: [&str; 12] = [
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
const PASSING: [&str; 9] = [
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
/// What KMS says of a key that cannot be used now or by anybody.
const KEY_TROUBLE: [&str; 7] = [
    "DisabledException",
    "KMSInvalidStateException",
    "KeyUnavailableException",
    "IncorrectKeyException",
    "InvalidKeyUsageException",
    "DecryptionFailure",
    "InvalidKeyId",
];

impl AwsError {
    /// Reads an answer that is none of success.
    pub(super) fn of_answer(service: Service, action: &str, source: &str, answer: &Answer) -> Self {
        let (code, words) = said(answer);
        let skew = skew(answer);
        let status = answer.status;
        let name = service.name();
        let has = |codes: &[&str]| codes.contains(&code.as_str());
        let error = if EXPIRED.contains(&code.as_str()) {
            CloudError::new(CloudErrorKind::TokenRejected, format!("the session token of {source} has expired"))
                .hint("get new credentials; those of a role or an instance are renewed by themselves")
        } else if has(&CLOCK) || (has(&REJECTED) && skew.is_some()) {
            let off = skew.map_or_else(|| "wrong".to_owned(), described);
            CloudError::new(
                CloudErrorKind::TokenRejected,
                format!("{name} rejects the signature: this node's clock is {off}"),
            )
            .hint("set the node's clock (chrony, timedatectl): a signature holds for five minutes")
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
        } else if has(&LIMITED) {
            CloudError::new(CloudErrorKind::Limited, format!("{name} has too many requests ({code})"))
                .hint("try again later, or raise the table's or the account's limit")
        } else if has(&KEY_TROUBLE) {
            CloudError::new(CloudErrorKind::BackendRefuses, format!("KMS does not decrypt with the key ({code})"))
                .hint("check the key's state and its policy")
        } else if code.contains("NotFound") {
            CloudError::new(CloudErrorKind::Absent, format!("{name} knows nothing of that name ({code})"))
        } else if has(&PASSING) || status >= 500 {
            let what = if code.is_empty() { format!("status {status}") } else { code.clone() };
            CloudError::new(CloudErrorKind::Unreachable, format!("{name} fails ({what})")).hint("try again later")
        } else if code.is_empty() {
            let failed = format!("{name} answered with status {status} and no words of AWS's");
            CloudError::new(CloudErrorKind::Malformed, failed).hint("check the endpoint: a proxy may stand in between")
        } else {
            CloudError::new(CloudErrorKind::Invalid, format!("{name} does not take the request ({code})"))
        };
        // A limit of what there may be, and not of how often one asks, lasts.
        let is_transient = matches!(error.kind, CloudErrorKind::Limited | CloudErrorKind::Unreachable)
            && code != "LimitExceededException";
        Self { error: error.said(&words), code, is_transient }
    }

    /// A request without any answer.
    pub(super) fn unanswered(service: Service, error: &HttpError) -> Self {
        let failed = CloudError::unanswered(&format!("AWS {}", service.name()), error);
        Self { is_transient: error.is_transient(), ..failed.into() }
    }

    /// Whether newer credentials may help.
    pub(super) fn is_expiry(&self) -> bool {
        EXPIRED.contains(&self.code.as_str())
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
    also_message: String,
}

/// Code and words of an answer: JSON, or XML as the gates before the services write it.
fn said(answer: &Answer) -> (String, String) {
    if answer.body.trim_ascii_start().starts_with(b"<") {
        let field = |name| xml::text(&answer.body, name).unwrap_or_default();
        return (plain(&field("Code")), field("Message"));
    }
    let said: ErrorBody = answer.json().unwrap_or_default();
    let code = [said.kind, said.code].into_iter().find(|code| !code.is_empty());
    let code = code.or_else(|| answer.header("x-amzn-errortype").map(str::to_owned)).unwrap_or_default();
    let words = [said.message, said.also_message].into_iter().find(|words| !words.is_empty());
    (plain(&code), words.unwrap_or_default())
}

/// `com.amazonaws.dynamodb#ResourceNotFoundException:http://…` without what surrounds the name.
fn plain(code: &str) -> String {
    let code = code.rsplit('#').next().unwrap_or_default();
    code.split(':').next().unwrap_or_default().trim().to_owned()
}

/// By how many seconds this node's clock is ahead of the service's, when that is too much.
fn skew(answer: &Answer) -> Option<i64> {
    let theirs = jiff::fmt::rfc2822::parse(answer.header("date")?).ok()?.timestamp();
    let ahead = Timestamp::now().as_second() - theirs.as_second();
    (ahead.abs() > MOST_SKEW).then_some(ahead)
}

fn described(ahead: i64) -> String {
    let minutes = (ahead.abs() + 30) / 60;
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    format!("{minutes} minutes {side} AWS's")
}
