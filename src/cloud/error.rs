//! Errors of the clouds. Each kind requires a different reaction of an operator.

use crate::{
    http::{HttpError, HttpProblem},
    redact,
};

/// A failed call. It never contains any part of a credential or a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CloudError {
    /// The kind of failure.
    pub kind: CloudErrorKind,
    /// The failure in one line, such as `the workspace https://… rejected the token`.
    pub message: String,
    /// The message of the service, in one line, shortened.
    pub detail: Option<String>,
    /// A hint for the operator.
    pub hint: Option<String>,
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CloudErrorKind {
    /// No identity is configured.
    NotConfigured,
    /// More than one authentication method is configured.
    Ambiguous,
    /// The service rejects the token.
    TokenRejected,
    /// The service denies access to the identity.
    Denied,
    /// The scope, secret, table or file does not exist.
    Absent,
    /// The backend of the service refuses the service, as a Key Vault can refuse a workspace.
    BackendRefuses,
    /// Too many requests, even after waiting.
    Limited,
    /// The service did not answer, or failed.
    Unreachable,
    /// The service does not accept the request.
    Invalid,
    /// The file was changed while it was read.
    Changed,
    /// The answer is malformed.
    Malformed,
}

impl CloudError {
    /// Creates an error.
    pub fn new(kind: CloudErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None, hint: None }
    }

    /// Adds the message of the service, in one line of at most 300 characters.
    #[must_use]
    pub fn detail(mut self, message: &str) -> Self {
        const MAX_CHARS: usize = 300;
        self.detail = Some(redact::one_line(message, MAX_CHARS)).filter(|detail| !detail.is_empty());
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error for a request that got no answer.
    pub fn unanswered(service: &str, error: &HttpError) -> Self {
        let kind = match error.problem {
            HttpProblem::TooLarge { .. } => CloudErrorKind::Malformed,
            HttpProblem::PlainText | HttpProblem::Unsendable(_) => CloudErrorKind::Invalid,
            _ => CloudErrorKind::Unreachable,
        };
        let verb = if kind == CloudErrorKind::Unreachable { "cannot be reached" } else { "cannot be called" };
        let failed = Self::new(kind, format!("{service} {verb} at {}", error.url)).detail(&error.problem.to_string());
        Self { hint: error.hint(), ..failed }
    }
}
