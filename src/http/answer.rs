//! The answer of a server.

use std::{fmt, time::Duration};

use reqwest::header::HeaderMap;
use secrecy::zeroize::Zeroizing;
use serde::de::DeserializeOwned;

/// The longest wait that a server may ask for.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The answer of a server, with any status.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body. It may contain a token or a secret, so it is wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
    pub(super) headers: HeaderMap,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, for one that is not secret: it is no longer wiped.
    pub fn into_body(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.body)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, parsed as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// The wait that the server asks for, in seconds or as a date.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?;
        if let Ok(seconds) = value.trim().parse::<u64>() {
            // Bounded, because adding a very large wait to the present time would overflow.
            return Some(Duration::from_secs(seconds).min(MAX_WAIT));
        }
        let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        let wait: Duration = date.duration_since(jiff::Timestamp::now()).try_into().unwrap_or_default();
        Some(wait.min(MAX_WAIT))
    }
}
