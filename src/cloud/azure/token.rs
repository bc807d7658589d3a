//! An access token of Azure, as Entra ID, the metadata service and App Service return it.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::Answer,
    redact::Secret,
};

/// A token is not used in the last part of its lifetime, as in the official clients.
const MARGIN: Duration = Duration::from_secs(300);
/// No token of these services has a longer lifetime.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// A token with its expiry.
pub(super) struct Token {
    pub(super) value: Secret,
    /// When the token must be renewed.
    stale: SystemTime,
}

/// The answer of a token endpoint. Some services write numbers as strings.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_on: Option<Value>,
    expires_in: Option<Value>,
}

impl Token {
    /// Reads a token from a successful answer.
    pub(super) fn read(answer: &Answer) -> Result<Self, CloudError> {
        let granted: TokenResponse = answer.json().map_err(|_| {
            CloudError::new(CloudErrorKind::Malformed, "the token endpoint answered without a token")
                .hint("another server may answer at its address; check the endpoint and the proxy")
        })?;
        let now = SystemTime::now();
        // `expires_on` is preferred: `expires_in` counts from the time of issue, which may be long ago.
        let moment = granted.expires_on.as_ref().and_then(seconds).map(|end| SystemTime::UNIX_EPOCH + end);
        let end = moment.or_else(|| Some(now + granted.expires_in.as_ref().and_then(seconds)?));
        let left = end.and_then(|end| end.duration_since(now).ok()).unwrap_or_default().min(MAX_LIFETIME);
        // A token with a short lifetime is used for half of it.
        let stale = now + left.saturating_sub(MARGIN.min(left / 2));
        Ok(Self { value: granted.access_token.into(), stale })
    }

    /// Whether the token does not have to be renewed yet.
    pub(super) fn is_fresh(&self) -> bool {
        SystemTime::now() < self.stale
    }
}

/// Whole seconds, written as a number or as a string.
fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    // A larger number is not a valid time.
    (number < u64::from(u32::MAX) * 4).then(|| Duration::from_secs(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seconds_are_numbers_or_numeric_strings() {
        let read = |value: Value| seconds(&value).map(|found| found.as_secs());
        assert_eq!(
            [read(json!(3599)), read(json!("3599")), read(json!("soon")), read(json!(-1))],
            [Some(3599), Some(3599), None, None]
        );
        assert_eq!(read(json!(u64::MAX)), None);
    }
}
