//! Why a cloud did not do what it was asked, told apart by what a person has to do about it.

use crate::{
    http::{HttpError, HttpProblem},
    redact,
};

/// A call that did not give what was asked for. Never holds any part of a credential or a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CloudError {
    /// What kind of trouble it is.
    pub kind: CloudErrorKind,
    /// What failed, in one line, such as `the workspace https://… rejected the token`.
    pub message: String,
    /// The service's own words, in one line, cut to what people can use.
    pub said: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// Kinds of trouble with a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CloudErrorKind {
    /// Nothing says who the node is there.
    NotConfigured,
    /// More than one way to prove who the node is, and none is chosen.
    Ambiguous,
    /// The service does not know the token, or no longer.
    TokenRejected,
    /// The service knows who asks, and says no.
    Denied,
    /// There is no such scope, secret, table, file.
    Absent,
    /// What stands behind the service refuses the service itself, such as a Key Vault the workspace.
    BackendRefuses,
    /// Too many requests, also after waiting.
    Limited,
    /// No answer.
    Unreachable,
    /// The request is one that the service does not take.
    Invalid,
    /// It was written while it was read.
    Changed,
    /// An answer that makes no sense.
    Malformed,
}

impl CloudError {
    /// An error of a kind.
    pub fn new(kind: CloudErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), said: None, hint: None }
    }

    /// Adds the service's own words: their first line, and no more than a person reads.
    #[must_use]
    pub fn said(mut self, words: &str) -> Self {
        const MOST: usize = 300;
        // Before it is cut and folded: a part of a value is not known for one.
        let words = redact::text(words);
        let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let cut: String = line.chars().take(MOST).collect();
        self.said = Some(if cut.len() < line.len() { format!("{cut}…") } else { cut }).filter(|said| !said.is_empty());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A request that got no answer.
    pub fn unanswered(service: &str, error: &HttpError) -> Self {
        let kind = match error.problem {
            HttpProblem::TooLarge { .. } => CloudErrorKind::Malformed,
            HttpProblem::PlainText | HttpProblem::Unsendable(_) => CloudErrorKind::Invalid,
            _ => CloudErrorKind::Unreachable,
        };
        let verb = if kind == CloudErrorKind::Unreachable { "cannot be reached" } else { "cannot be asked" };
        let failed = Self::new(kind, format!("{service} {verb} at {}", error.url)).said(&error.problem.to_string());
        Self { hint: error.hint(), ..failed }
    }
}
