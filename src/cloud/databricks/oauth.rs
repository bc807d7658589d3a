//! Answers of OAuth token endpoints: those of Databricks, and those of compatible services.
//!
//! RFC 6749 (client credentials) and RFC 8693 (token exchange). Services deviate from them: `expires_in` may be a
//! string, and the fields of an error may have other names.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::{host, token::Token};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::{Answer, Client, HttpError, Request, RetryPolicy},
    redact::Secret,
};

/// An overloaded endpoint is asked again. The budget is shorter than the time a node has to start.
const RETRYING: RetryPolicy =
    RetryPolicy { budget: Duration::from_secs(20), statuses: &[429, 502, 503, 504], first: Duration::from_millis(500) };
/// No answer with a token is larger than this, in bytes.
const LIMIT: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Context for the error if no token is issued.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenRequestContext<'a> {
    /// The authentication method, as the official clients name it.
    pub(super) auth_type: &'a str,
    /// A hint for the operator.
    pub(super) hint: &'a str,
}

/// An issued token.
pub(super) struct TokenResponse {
    pub(super) token: Secret,
    requested: Instant,
    pub(super) lifetime: Option<Duration>,
}

impl TokenResponse {
    /// Reads a successful answer of the service `endpoint`.
    pub(super) fn read(
        answer: &Answer,
        requested: Instant,
        endpoint: &str,
        context: TokenRequestContext<'_>,
    ) -> Result<Self, CloudError> {
        let no_token = |reason: &str| {
            let message = format!("{endpoint} answered without a token ({})", context.auth_type);
            CloudError::new(CloudErrorKind::Malformed, message).detail(reason).hint(context.hint)
        };
        let mut body: Value = answer.json().map_err(|_| no_token("the answer is not JSON"))?;
        let lifetime = lifetime(&body);
        match body.get_mut("access_token").map(Value::take) {
            Some(Value::String(token)) if !token.is_empty() => Ok(Self { token: token.into(), requested, lifetime }),
            _ => Err(no_token("there is no `access_token`")),
        }
    }

    pub(super) fn into_token(self) -> Token {
        Token::bearer(&self.token, self.requested, self.lifetime)
    }
}

/// Sends a token request.
pub(super) async fn request_token(
    http: &Client,
    request: Request,
    context: TokenRequestContext<'_>,
) -> Result<TokenResponse, CloudError> {
    let request = request.limit(LIMIT).timeout(TIMEOUT).retrying(RETRYING);
    // The path of the address may be a secret, such as that of a metadata service.
    let origin = host::shown(request.url());
    let requested = Instant::now();
    let answer = http.call(&request).await.map_err(|error| {
        let service = format!("the token endpoint ({})", context.auth_type);
        CloudError::unanswered(&service, &HttpError { url: origin.clone(), ..error })
    })?;
    let endpoint = format!("`{origin}`");
    if answer.is_success() {
        return TokenResponse::read(&answer, requested, &endpoint, context);
    }
    Err(refused(&endpoint, &answer, context))
}

/// The remaining lifetime of the token. `expires_on` is preferred: for a cached token, `expires_in` is the lifetime at
/// the time of issue.
fn lifetime(body: &Value) -> Option<Duration> {
    let seconds = |name: &str| match body.get(name)? {
        Value::String(text) => text.parse::<f64>().ok(),
        value => value.as_f64(),
    };
    let until = |end: f64| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        end - now.as_secs_f64()
    };
    let left = seconds("expires_on").map(until).or_else(|| seconds("expires_in"))?;
    Some(Duration::try_from_secs_f64(left.max(0.0)).unwrap_or(Duration::ZERO))
}

fn refused(endpoint: &str, answer: &Answer, context: TokenRequestContext<'_>) -> CloudError {
    let body: Value = answer.json().unwrap_or_default();
    let text = |names: [&str; 2]| names.iter().find_map(|name| body.get(name)?.as_str()).unwrap_or_default();
    let (code, description) = (text(["error", "errorCode"]), text(["error_description", "errorSummary"]));
    let kind = match (answer.status, code) {
        (401, _) | (_, "invalid_client" | "invalid_grant" | "unauthorized_client") => CloudErrorKind::TokenRejected,
        (403, _) | (_, "access_denied") => CloudErrorKind::Denied,
        (404, _) => CloudErrorKind::Absent,
        (429, _) => CloudErrorKind::Limited,
        (500.., _) => CloudErrorKind::Unreachable,
        _ => CloudErrorKind::Invalid,
    };
    let message = format!("{endpoint} issued no token ({}): status {}", context.auth_type, answer.status);
    let detail = [code, description].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    CloudError::new(kind, message).detail(&detail).hint(context.hint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lifetime_may_be_a_number_or_a_string_or_an_absolute_time() {
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(lifetime(&json!({ "expires_in": 3600 })), hour);
        assert_eq!(lifetime(&json!({ "expires_in": "3600" })), hour);
        assert_eq!(lifetime(&json!({ "expires_in": -5 })), Some(Duration::ZERO));
        assert_eq!(lifetime(&json!({ "expires_in": 1e300 })), Some(Duration::ZERO));
        assert_eq!(lifetime(&json!({ "expires_in": null })), None);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        let left = lifetime(&json!({ "expires_on": (now + 600).to_string(), "expires_in": 86_400 })).expect("known");
        assert!((590..=600).contains(&left.as_secs()), "{left:?}");
        assert_eq!(lifetime(&json!({ "expires_on": 5 })), Some(Duration::ZERO));
    }
}
