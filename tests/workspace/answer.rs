//! Refusals in the workspace's own form: a status, a code, a message.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// What a handler answers.
pub(crate) type Answer = Result<Json<Value>, Refusal>;

/// A call that is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    code: Code,
    message: String,
}

/// An error's code: most are words, some of the real service's are numbers.
#[derive(Debug, PartialEq, Eq)]
enum Code {
    Word(&'static str),
    Number(u16),
}

impl Refusal {
    /// A refusal with a status of its own.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code: Code::Word(code), message: message.into() }
    }

    /// A refusal whose code is its status, as a number.
    pub(crate) fn numbered(status: u16, message: impl Into<String>) -> Self {
        Self { status, code: Code::Number(status), message: message.into() }
    }

    /// The caller may not.
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "PERMISSION_DENIED", message)
    }

    /// There is no such thing.
    pub(crate) fn absent(message: impl Into<String>) -> Self {
        Self::new(404, "RESOURCE_DOES_NOT_EXIST", message)
    }

    /// A parameter that is not one.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_PARAMETER_VALUE", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = match self.code {
            Code::Word(word) => json!(word),
            Code::Number(number) => json!(number),
        };
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({ "error_code": code, "message": self.message }))).into_response()
    }
}
