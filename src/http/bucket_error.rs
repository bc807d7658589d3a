//! Errors of an object store, with the text of its last answer.

use object_store::Error;

use crate::redact;

/// The text of the crate before the status of an answer.
const STATUS_PREFIX: &str = "Server returned non-2xx status code: ";
/// The text of the crate when one of several objects could not be removed. It follows the crate's name of the request.
const NOT_REMOVED: &str = " request failed for key ";

/// The most characters of a message.
const MAX_CHARS: usize = 200;

/// An error of an object store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// The address or the settings are invalid.
    #[error("{0}")]
    Invalid(String),
    /// The identity has no permission.
    #[error("access denied: {0}")]
    Denied(String),
    /// Any other error.
    #[error("{0}")]
    Failed(String),
}

impl From<Error> for BucketError {
    fn from(error: Error) -> Self {
        let message = in_words(&error);
        // For listings and removals, the crate keeps only the text of the error.
        let is_denied = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
            || ["401", "403", "AccessDenied"].contains(&message.split(' ').next().unwrap_or_default());
        if is_denied { Self::Denied(message) } else { Self::Failed(message) }
    }
}

/// An error in the settings. The outer error has the details, such as the file or the key.
pub(super) fn invalid(error: &Error) -> BucketError {
    let message = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    BucketError::Invalid(in_one_line(&message))
}

/// The text of the innermost error. The outer ones repeat the whole address. For an HTTP answer: its status, and the
/// error code if the body is XML.
fn in_words(error: &Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    // Azure's XML begins with a byte order mark.
    let message = deepest.to_string().replace('\u{feff}', "");
    // The parts of the message are cut below.
    let message = redact::text(&message);
    if let Some((before, code)) = message.split_once(NOT_REMOVED).and_then(|(_, rest)| rest.rsplit_once(" (code: ")) {
        let reason = before.rsplit(": ").next().unwrap_or_default();
        return in_one_line(&format!("{} {reason}", code.trim_end_matches(')')));
    }
    let Some(answer) = message.strip_prefix(STATUS_PREFIX) else { return in_one_line(&message) };
    let code = answer.split_once("<Code>").and_then(|(_, after)| Some(after.split_once("</Code>")?.0));
    let status = answer.split(['<', '\n']).next().unwrap_or_default().trim_end_matches([':', ' ']);
    in_one_line(&[status, code.unwrap_or_default()].join(" "))
}

fn in_one_line(message: &str) -> String {
    redact::first_line(message, MAX_CHARS)
}

#[cfg(test)]
mod tests {
    use object_store::azure::MicrosoftAzureBuilder;

    use super::*;

    fn error_of(message: &str) -> BucketError {
        Error::Generic { store: "test", source: message.into() }.into()
    }

    #[test]
    fn an_error_has_the_status_and_the_code_of_the_answer() {
        let answer = "Server returned non-2xx status code: 404 Not Found: \u{feff}<?xml version=\"1.0\"?><Error>\n<Code>NoSuchBucket</Code>";
        assert_eq!(error_of(answer), BucketError::Failed("404 Not Found NoSuchBucket".to_owned()));
        let bare = "Server returned non-2xx status code: 503 Service Unavailable: ";
        assert_eq!(error_of(bare), BucketError::Failed("503 Service Unavailable".to_owned()));
        assert_eq!(error_of("connection refused\nmore"), BucketError::Failed("connection refused".to_owned()));
    }

    #[test]
    fn a_denied_listing_or_removal_is_an_access_error() {
        let list =
            "Server returned non-2xx status code: 403 Forbidden: <Error><Code>AuthenticationFailed</Code></Error>";
        assert_eq!(error_of(list), BucketError::Denied("403 Forbidden AuthenticationFailed".to_owned()));
        let azure = "Bulk delete request failed for key a/b: Forbidden (code: 403)";
        assert_eq!(error_of(azure), BucketError::Denied("403 Forbidden".to_owned()));
        let s3 = "DeleteObjects request failed for key a/b: Access Denied (code: AccessDenied)";
        assert_eq!(error_of(s3), BucketError::Denied("AccessDenied Access Denied".to_owned()));
        let other = "DeleteObjects request failed for key a/b: We encountered an error (code: InternalError)";
        assert_eq!(error_of(other), BucketError::Failed("InternalError We encountered an error".to_owned()));
    }

    #[test]
    fn a_secret_across_the_cut_of_a_message_is_redacted() {
        drop(redact::Secret::from("hunter22-hunter33".to_owned()));
        let failed = |text: &str| error_of(text).to_string();
        let long = "x".repeat(MAX_CHARS - 9);
        assert_eq!(failed(&format!("{long}hunter22-hunter33")), format!("{long}[redacted"));
        let answer = "Server returned non-2xx status code: 404 hunter22-<hunter33";
        drop(redact::Secret::from("hunter22-<hunter33".to_owned()));
        assert_eq!(failed(answer), "404 [redacted]");
    }

    #[test]
    fn an_error_in_the_settings_keeps_its_details() {
        let source = MicrosoftAzureBuilder::new().with_url("az://x/y").build().expect_err("no account is named");
        assert_eq!(invalid(&source), BucketError::Invalid("Account must be specified".to_owned()));
    }
}
