//! Errors of a workspace. They have several formats, which are tried in the order of the official clients.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::{Map, Value};
use url::Url;

use super::host;
use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::Answer,
    redact,
};

/// The part of an answer that is searched for a message, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// An error of the REST API.
#[derive(Debug)]
pub(crate) struct ApiError {
    /// The error for messages.
    pub(crate) error: CloudError,
    /// The error code, such as `PERMISSION_DENIED`, if the answer has one.
    pub(crate) code: Option<String>,
}

impl From<CloudError> for ApiError {
    fn from(error: CloudError) -> Self {
        Self { error, code: None }
    }
}

impl From<ApiError> for CloudError {
    fn from(api_error: ApiError) -> Self {
        api_error.error
    }
}

/// The code and the message of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct ErrorDetails {
    code: Option<String>,
    /// Whether the code is a number. The gateway in front of the workspace writes numbers when it rejects a token.
    numeric: bool,
    message: String,
}

/// The error of an unsuccessful answer. `None` for a successful one.
pub(super) fn api_error(host: &Url, url: &Url, auth_type: &str, answer: &Answer) -> Option<ApiError> {
    if answer.is_success() {
        return None;
    }
    let shown = host::shown(host);
    if (300..400).contains(&answer.status) {
        return Some(redirected(host, url, answer).into());
    }
    let details = details(&answer.body);
    let kind = kind(answer.status, &details);
    let (status, path) = (answer.status, url.path());
    let message = match kind {
        CloudErrorKind::TokenRejected => format!("`{shown}` rejected the token ({auth_type})"),
        CloudErrorKind::Denied => format!("`{shown}` refused `{path}`"),
        CloudErrorKind::Absent => format!("`{shown}` has no resource at `{path}`"),
        CloudErrorKind::BackendRefuses => format!("the Key Vault behind `{path}` of `{shown}` refuses the workspace"),
        CloudErrorKind::Limited => format!("`{shown}` received too many requests"),
        CloudErrorKind::Unreachable => format!("`{shown}` failed at `{path}` (status {status})"),
        CloudErrorKind::Invalid => format!("`{shown}` does not accept this request to `{path}`"),
        _ => format!("`{shown}` answered `{path}` with status {status}"),
    };
    let error =
        CloudError { hint: hint(kind, auth_type, &details), ..CloudError::new(kind, message).detail(&details.message) };
    Some(ApiError { error, code: details.code })
}

/// The error for a successful answer that cannot be parsed.
pub(super) fn malformed(host: &Url, url: &Url, error: &serde_json::Error) -> CloudError {
    let message = format!("`{}` returned an unexpected answer for `{}`", host::shown(host), url.path());
    // The parser's message may quote the answer, which may contain a secret. Only its position is used.
    let position = format!("parse error at line {} column {}", error.line(), error.column());
    CloudError::new(CloudErrorKind::Malformed, message)
        .detail(&position)
        .hint("check that `DATABRICKS_HOST` is a workspace")
}

/// The error for a redirect. Redirects are not followed, because the token would be sent to the new address.
fn redirected(host: &Url, url: &Url, answer: &Answer) -> CloudError {
    let shown = host::shown(host);
    let to = answer.header("location").and_then(|location| host.join(location).ok());
    let Some(to) = to else {
        return CloudError::new(
            CloudErrorKind::Malformed,
            format!("`{shown}` answered `{}` with a redirect without an address", url.path()),
        );
    };
    if to.path() == "/login.html"
        && to.query().is_some_and(|query| query.contains("error=private-link-validation-error"))
    {
        return CloudError::new(
            CloudErrorKind::Denied,
            format!("`{shown}` accepts connections from its private link only"),
        )
        .hint("the node does not reach the private endpoint of the workspace; check its DNS and routes");
    }
    CloudError::new(
        CloudErrorKind::Malformed,
        format!("`{shown}` answered `{}` with a redirect, which is not followed", url.path()),
    )
    .detail(&format!("to {}", host::shown(&to)))
    .hint("check that `DATABRICKS_HOST` is the workspace's own address, with https")
}

fn hint(kind: CloudErrorKind, auth_type: &str, details: &ErrorDetails) -> Option<String> {
    let hint = match kind {
        CloudErrorKind::TokenRejected => match auth_type {
            "pat" => {
                "the token may have expired, or belong to another workspace; check `DATABRICKS_HOST` and `DATABRICKS_TOKEN`"
            }
            "basic" => "most workspaces no longer accept passwords; use a token or a service principal",
            _ => "check that the service principal is a member of this workspace",
        },
        CloudErrorKind::Denied if details.message.contains("IP ACL") => {
            "the workspace's IP access list does not contain this node"
        }
        CloudErrorKind::Limited => "many nodes start at the same time; start again later, or stagger the starts",
        CloudErrorKind::Unreachable => "the failure may be temporary; start again later",
        CloudErrorKind::BackendRefuses => {
            "the vault's access policy, role or firewall must allow Azure Databricks to read; your own permissions do not matter"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The kind of an error. A known code has precedence over the status, as in the official clients.
fn kind(status: u16, details: &ErrorDetails) -> CloudErrorKind {
    let detail = details.message.to_ascii_lowercase();
    match details.code.as_deref().unwrap_or_default() {
        "UNAUTHENTICATED" => CloudErrorKind::TokenRejected,
        "PERMISSION_DENIED" => denied(&detail),
        "RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND" | "ENDPOINT_NOT_FOUND" => CloudErrorKind::Absent,
        "REQUEST_LIMIT_EXCEEDED" | "RESOURCE_EXHAUSTED" | "TOO_MANY_REQUESTS" => CloudErrorKind::Limited,
        "TEMPORARILY_UNAVAILABLE" | "DEADLINE_EXCEEDED" | "INTERNAL_ERROR" => CloudErrorKind::Unreachable,
        "BAD_REQUEST" | "INVALID_PARAMETER_VALUE" | "MALFORMED_REQUEST" | "INVALID_STATE" => CloudErrorKind::Invalid,
        _ => match status {
            401 => CloudErrorKind::TokenRejected,
            403 if details.numeric => CloudErrorKind::TokenRejected,
            403 => denied(&detail),
            404 | 410 => CloudErrorKind::Absent,
            429 => CloudErrorKind::Limited,
            500.. => CloudErrorKind::Unreachable,
            _ => CloudErrorKind::Invalid,
        },
    }
}

/// A denial by the workspace and a denial by its vault have the same code.
fn denied(detail: &str) -> CloudErrorKind {
    let vault = ["keyvault", "key vault", "vault.azure", "azure kv"].iter().any(|word| detail.contains(word));
    if vault { CloudErrorKind::BackendRefuses } else { CloudErrorKind::Denied }
}

/// Finds the code and the message in a body: JSON in three formats, `CODE: text`, an HTML page, plain text or nothing.
fn details(body: &[u8]) -> ErrorDetails {
    static TEXT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^([A-Z_]+): (.*)").expect("the pattern is fixed"));
    static PAGE: LazyLock<[Regex; 2]> = LazyLock::new(|| {
        ["pre", "title"]
            .map(|tag| Regex::new(&format!("(?is)<{tag}[^>]*>(.*?)</{tag}>")).expect("the pattern is fixed"))
    });
    if let Ok(Value::Object(object)) = serde_json::from_slice(body) {
        return json(&object);
    }
    let text = String::from_utf8_lossy(body);
    // The message is cut below.
    let text = redact::text(&text);
    let text = String::from_utf8_lossy(&text.as_bytes()[..text.len().min(MAX_BYTES)]);
    let text = text.trim();
    if let Some(found) = TEXT.captures(text) {
        return ErrorDetails {
            code: Some(found[1].to_owned()),
            message: found[2].to_owned(),
            ..ErrorDetails::default()
        };
    }
    if let Some(found) = PAGE.iter().find_map(|tag| tag.captures(text)) {
        return ErrorDetails { message: found[1].trim().to_owned(), ..ErrorDetails::default() };
    }
    let readable = !text.starts_with('<') && !text.contains(|c: char| c.is_control() && !c.is_whitespace());
    ErrorDetails { message: if readable { text.to_owned() } else { String::new() }, ..ErrorDetails::default() }
}

fn json(object: &Map<String, Value>) -> ErrorDetails {
    let text = |name: &str| match object.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let numeric = object.get("error_code").is_some_and(Value::is_number);
    // The format of the user directory: RFC 7644, section 3.12.
    if let Some(detail) = text("detail") {
        let detail = if detail == "null" { "SCIM API Internal Error".to_owned() } else { detail };
        let message = text("scimType").map_or_else(|| detail.clone(), |kind| format!("{kind} {detail}"));
        let code = text("status").map(|status| format!("SCIM_{status}"));
        return ErrorDetails { code, message, ..ErrorDetails::default() };
    }
    ErrorDetails {
        code: text("error_code"),
        numeric,
        message: text("error").or_else(|| text("message")).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> (CloudErrorKind, String) {
        let details = details(body.as_bytes());
        (kind(status, &details), details.message)
    }

    #[test]
    fn every_error_format_is_parsed() {
        for (status, body, kind, message) in [
            (401, "", CloudErrorKind::TokenRejected, ""),
            (
                403,
                r#"{"error_code":403,"message":"Invalid access token."}"#,
                CloudErrorKind::TokenRejected,
                "Invalid access token.",
            ),
            (401, r#"{"error_code":"UNAUTHENTICATED","message":"no"}"#, CloudErrorKind::TokenRejected, "no"),
            (
                403,
                r#"{"error_code":"PERMISSION_DENIED","message":"app does not have READ permission on scope s"}"#,
                CloudErrorKind::Denied,
                "app does not have READ permission on scope s",
            ),
            (
                403,
                r#"{"error_code":"PERMISSION_DENIED","message":"KeyVault says: access denied to first party service"}"#,
                CloudErrorKind::BackendRefuses,
                "KeyVault says: access denied to first party service",
            ),
            (
                404,
                r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No scope"}"#,
                CloudErrorKind::Absent,
                "No scope",
            ),
            (404, r#"{"error_code":"NOT_FOUND","message":"No key"}"#, CloudErrorKind::Absent, "No key"),
            // The code has precedence over the status.
            (
                400,
                r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No scope"}"#,
                CloudErrorKind::Absent,
                "No scope",
            ),
            (
                400,
                r#"{"error_code":"BAD_REQUEST","message":"only from DBUtils"}"#,
                CloudErrorKind::Invalid,
                "only from DBUtils",
            ),
            (400, r#"{"error_code":"MALFORMED_REQUEST","message":"name"}"#, CloudErrorKind::Invalid, "name"),
            (400, r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"name"}"#, CloudErrorKind::Invalid, "name"),
            (429, r#"{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"slow"}"#, CloudErrorKind::Limited, "slow"),
            (429, r#"{"error_code":"RESOURCE_EXHAUSTED","message":"slow"}"#, CloudErrorKind::Limited, "slow"),
            (503, r#"{"error_code":"TEMPORARILY_UNAVAILABLE","message":"busy"}"#, CloudErrorKind::Unreachable, "busy"),
            (500, r#"{"error_code":"INTERNAL_ERROR","message":"oh"}"#, CloudErrorKind::Unreachable, "oh"),
            // Version 1.2 of the API, and the user directory.
            (404, r#"{"error":"gone","message":"other"}"#, CloudErrorKind::Absent, "gone"),
            (403, r#"{"detail":"not you","status":"403","scimType":"x"}"#, CloudErrorKind::Denied, "x not you"),
            (500, r#"{"detail":"null","status":500}"#, CloudErrorKind::Unreachable, "SCIM API Internal Error"),
            // The gateway in front of the workspace.
            (400, "MALFORMED_REQUEST: bad scope", CloudErrorKind::Invalid, "bad scope"),
            (503, "<html><body><pre>Worker is gone</pre></body></html>", CloudErrorKind::Unreachable, "Worker is gone"),
            (403, "<html><head><title>Forbidden\n</title></head></html>", CloudErrorKind::Denied, "Forbidden"),
            (502, "upstream connect error", CloudErrorKind::Unreachable, "upstream connect error"),
            (502, "<html>no words</html>", CloudErrorKind::Unreachable, ""),
            (400, "[1,2]", CloudErrorKind::Invalid, "[1,2]"),
        ] {
            assert_eq!(read(status, body), (kind, message.to_owned()), "{status} {body}");
        }
    }

    #[test]
    fn binary_data_is_not_shown() {
        assert_eq!(details(&[0, 159, 146, 150]).message, "");
        assert_eq!(details(&vec![b'['; 1 << 20]).message.len(), MAX_BYTES);
    }
}
