//! A token as Azure's token services hand it out: Entra ID, the metadata service, App Service.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::Answer,
    redact::Secret,
};

/// More bytes than any answer with a token has.
pub(super) const LIMIT: usize = 1 << 20;
/// How long before its end a token is not used any more, as in the official clients.
const MARGIN: Duration = Duration::from_secs(300);
/// No token of these services is good for longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A token and its end.
pub(super) struct Token {
    pub(super) value: Secret,
    /// When another one is asked for.
    stale: SystemTime,
}

/// What the services answer. Numbers are texts at some of them.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_on: Option<Value>,
    expires_in: Option<Value>,
}

impl Token {
    /// Reads a token from an answer of success.
    pub(super) fn read(service: &str, answer: &Answer) -> Result<Self, CloudError> {
        let granted: TokenResponse = answer.json().map_err(|_| {
            CloudError::new(CloudErrorKind::Malformed, format!("{service} answered without a token"))
                .hint("something else may answer at its address; check the endpoint and the proxy")
        })?;
        let now = SystemTime::now();
        // `expires_in` counts from when the token was issued, which may be long ago: the moment is the better word.
        let moment = granted.expires_on.as_ref().and_then(seconds).map(|end| SystemTime::UNIX_EPOCH + end);
        let end = moment.or_else(|| Some(now + granted.expires_in.as_ref().and_then(seconds)?));
        let left = end.and_then(|end| end.duration_since(now).ok()).unwrap_or_default().min(LONGEST);
        // A short token is used for half of its time.
        let stale = now + left.saturating_sub(MARGIN.min(left / 2));
        Ok(Self { value: granted.access_token.into(), stale })
    }

    /// Whether it can still be used.
    pub(super) fn is_fresh(&self) -> bool {
        SystemTime::now() < self.stale
    }
}

/// Whole seconds, written as a number or as a text.
fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    // What no clock can show is no time.
    (number < u64::from(u32::MAX) * 4).then(|| Duration::from_secs(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seconds_are_numbers_or_texts_and_nothing_else() {
        let read = |value: Value| seconds(&value).map(|found| found.as_secs());
        assert_eq!(
            [read(json!(3599)), read(json!("3599")), read(json!("soon")), read(json!(-1))],
            [Some(3599), Some(3599), None, None]
        );
        assert_eq!(read(json!(u64::MAX)), None);
    }
}
