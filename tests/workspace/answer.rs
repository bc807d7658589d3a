//! Errors in the format of the workspace: a status, a code and a message.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// The result of a handler.
pub(crate) type Answer = Result<Json<Value>, Refusal>;

/// An error answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    code: Code,
    message: String,
}

/// An error code. Most are words; the real service also has numbers.
#[derive(Debug, PartialEq, Eq)]
enum Code {
    Word(&'static str),
    Number(u16),
}

impl Refusal {
    /// An error with its own status.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code: Code::Word(code), message: message.into() }
    }

    /// An error with its status as a numeric code.
    pub(crate) fn numbered(status: u16, message: impl Into<String>) -> Self {
        Self { status, code: Code::Number(status), message: message.into() }
    }

    /// The caller has no permission.
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "PERMISSION_DENIED", message)
    }

    /// The resource does not exist.
    pub(crate) fn absent(message: impl Into<String>) -> Self {
        Self::new(404, "RESOURCE_DOES_NOT_EXIST", message)
    }

    /// A parameter is invalid.
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
