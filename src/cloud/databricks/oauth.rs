//! Tokens of OAuth's token endpoints: Databricks' own, Microsoft's, and what answers like them.
//!
//! RFC 6749 (client credentials) and RFC 8693 (exchange of another issuer's token), with the liberties that services
//! take: `expires_in` may be a string, an error may be spelt in two ways.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::{host, token::Token};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::{Answer, Client, HttpError, Request, RetryPolicy},
    redact::Secret,
};

/// An endpoint for tokens that is overloaded is asked again, but not for as long as a start may take.
const PATIENT: RetryPolicy =
    RetryPolicy { budget: Duration::from_secs(20), statuses: &[429, 502, 503, 504], first: Duration::from_millis(500) };
/// A token and a few words; an answer that is larger is none.
const LIMIT: usize = 1 << 20;

/// What is context when no token is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenRequestContext<'a> {
    /// How the token is asked for, by the official clients' name.
    pub(super) auth_type: &'a str,
    /// What to check.
    pub(super) hint: &'a str,
}

/// A token as it was given.
pub(super) struct TokenResponse {
    pub(super) token: Secret,
    asked: Instant,
    pub(super) lives: Option<Duration>,
}

impl TokenResponse {
    pub(super) fn into_token(self) -> Token {
        Token::bearer(&self.token, self.asked, self.lives)
    }
}

/// Asks for a token.
pub(super) async fn grant(
    http: &Client,
    request: Request,
    context: TokenRequestContext<'_>,
) -> Result<TokenResponse, CloudError> {
    let request = request.limit(LIMIT).timeout(Duration::from_secs(10)).retrying(PATIENT);
    grant_patiently(http, &request, context).await
}

/// The same for a request that says itself what is tried again.
pub(super) async fn grant_patiently(
    http: &Client,
    request: &Request,
    context: TokenRequestContext<'_>,
) -> Result<TokenResponse, CloudError> {
    // The rest of the address may be a secret, such as that of a metadata service.
    let place = host::shown(request.url());
    let asked = Instant::now();
    let answer = http.call(request).await.map_err(|error| {
        let service = format!("what gives tokens ({})", context.auth_type);
        CloudError::unanswered(&service, &HttpError { url: place.clone(), ..error })
    })?;
    if !answer.is_success() {
        return Err(refused(&place, &answer, context));
    }
    let none = |why: &str| {
        let message = format!("`{place}` answered without a token ({})", context.auth_type);
        CloudError::new(CloudErrorKind::Malformed, message).said(why).hint(context.hint)
    };
    let mut body: Value = answer.json().map_err(|_| none("the answer is no JSON"))?;
    let lives = lifetime(&body);
    match body.get_mut("access_token").map(Value::take) {
        Some(Value::String(token)) if !token.is_empty() => Ok(TokenResponse { token: token.into(), asked, lives }),
        _ => Err(none("there is no `access_token`")),
    }
}

/// By the clock's end first: a token from somebody's cache says in `expires_in` how long it lived when it was new.
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

fn refused(place: &str, answer: &Answer, context: TokenRequestContext<'_>) -> CloudError {
    let body: Value = answer.json().unwrap_or_default();
    let text = |names: [&str; 2]| names.iter().find_map(|name| body.get(name)?.as_str()).unwrap_or_default();
    let (code, words) = (text(["error", "errorCode"]), sentence(text(["error_description", "errorSummary"])));
    let kind = match (answer.status, code) {
        (401, _) | (_, "invalid_client" | "invalid_grant" | "unauthorized_client") => CloudErrorKind::TokenRejected,
        (403, _) | (_, "access_denied") => CloudErrorKind::Denied,
        (404, _) => CloudErrorKind::Absent,
        (429, _) => CloudErrorKind::Limited,
        (500.., _) => CloudErrorKind::Unreachable,
        _ => CloudErrorKind::Invalid,
    };
    let message = format!("`{place}` gave no token ({}): status {}", context.auth_type, answer.status);
    let said = [code, words].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    CloudError::new(kind, message).said(&said).hint(context.hint)
}

/// Microsoft's words have their number and one sentence for people; numbers for its own people follow.
fn sentence(words: &str) -> &str {
    let words = words.split("Trace ID").next().unwrap_or_default().trim();
    if !words.starts_with("AADSTS") {
        return words;
    }
    words.find(". ").map_or(words, |end| &words[..end])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lifetime_is_read_however_it_is_written() {
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

    #[test]
    fn of_microsofts_words_the_number_and_the_sentence_stay() {
        let words = "AADSTS7000215: Invalid client secret provided. Ensure the secret is the value. \
                     Trace ID: 1 Correlation ID: 2 Timestamp: 3";
        assert_eq!(sentence(words), "AADSTS7000215: Invalid client secret provided");
        assert_eq!(sentence("Client authentication failed. See the log"), "Client authentication failed. See the log");
    }
}
