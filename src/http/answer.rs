//! What a server answered.

use std::{fmt, time::Duration};

use reqwest::header::HeaderMap;
use secrecy::zeroize::Zeroizing;
use serde::de::DeserializeOwned;

/// The longest wait that a server is taken to have asked for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What a server answered, whatever its status.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The whole body. It may hold a token or a secret: it is wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
    pub(super) headers: HeaderMap,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Answer {
    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, for one that is no secret: it is not wiped any more.
    pub fn into_body(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.body)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON of a known shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// How long the server asks to wait: seconds or a date.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?;
        if let Ok(seconds) = value.trim().parse::<u64>() {
            // Whoever asks for more than a day is not waited for; a sum with it must not overflow.
            return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
        }
        let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        let wait: Duration = date.duration_since(jiff::Timestamp::now()).try_into().unwrap_or_default();
        Some(wait.min(LONGEST_WAIT))
    }
}
